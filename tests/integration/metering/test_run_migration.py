"""Runs of before they were told apart keep their sums, there and back."""

import asyncio
from collections.abc import Callable
from typing import Any

from alembic import command
from sqlalchemy import text

from services.migrations import HISTORIES
from shared.database import Database
from shared.migrations import alembic_config
from tests.support.database import TestDatabase

BEFORE, AFTER = "2b6e0d94c7a1", "c41d7a90b3e6"
PART = """
insert into metering.run_rollup (partition, row_key, vendor_id, mode, tenant_id, run_id,
    parent_run_id, agent, status, first_at, last_at, events)
values (1, '\\x01', 'v', 'live', 'acme', 'r', '', 'coder', 'completed',
    '2026-01-31T23:30:00Z', '2026-02-01T00:30:00Z', 3)
"""
SUMS = """
insert into metering.run_sum (partition, row_key, subject, name, quantity, events)
values (1, '\\x01', 'kind', 'output_text', 40, 3), (1, '\\x01', 'kind', 'searches', 1.5, 1),
    (1, '\\x01', 'outcome', 'resolved', 2, 2)
"""
OLD = [("kind", "output_text", 40, 3), ("kind", "searches", 1.5, 1), ("outcome", "resolved", 2, 2)]


async def test_sums_of_runs_are_kept(database: TestDatabase) -> None:
    """What a run used stands on its first day, of no model; its outcomes say of nobody."""
    url = database.urls["metering"]

    async def move(how: Callable[..., None], to: str) -> None:
        await asyncio.to_thread(how, alembic_config(HISTORIES["metering"], url), to)

    owner = Database(url)

    async def ask(query: str) -> list[Any]:
        async with owner.transaction() as connection:
            result = await connection.execute(text(query))
            return [tuple(row) for row in result.all()] if result.returns_rows else []

    try:
        await move(command.downgrade, BEFORE)
        await ask(PART)
        await ask(SUMS)
        await move(command.upgrade, AFTER)
        usage = await ask(
            "select kind, provider, model, cast(usage_day as text), quantity, events "
            "from metering.run_usage order by kind"
        )
        outcomes = await ask("select name, source, value, events from metering.run_outcome")
        versions = await ask("select agent_version from metering.run_rollup")
        await move(command.downgrade, BEFORE)
        back = await ask("select subject, name, quantity, events from metering.run_sum order by 2")
        await move(command.upgrade, "head")
    finally:
        await owner.close()

    assert [
        ("output_text", "", "", "2026-01-31", 40, 3),
        ("searches", "", "", "2026-01-31", 1.5, 1),
    ] == usage
    assert [("resolved", "", 2, 2)] == outcomes
    assert [("",)] == versions
    assert sorted(OLD, key=lambda row: row[1]) == back
