"""Runs as they come from metering: twice, late and in any order they are the same rows."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from itertools import permutations
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.handlers.runs import store_runs
from services.pricing.housekeeping import Housekeeper
from services.pricing.repository import dead_letters
from services.pricing.repository.runs import storing
from services.pricing.repository.selection import owned
from services.pricing.run_tables import run_outcome, run_part, run_usage
from services.pricing.settings import PricingSettings
from shared.accounts.repository import Account
from shared.broker import create_producer
from shared.clock import FrozenClock
from shared.database import Database
from shared.events.runs_aggregated import RunsAggregated
from shared.ids import partition_of
from shared.topics import RUNS_AGGREGATED
from tests.support.database import TestDatabase
from tests.support.pricing_runs import RUN_DAY, came_of, part, runs_message, used
from tests.support.pricing_service import (
    Metering,
    eventually,
    pricing_settings,
    running,
    start_at_the_end,
)
from tests.support.stack import StackAddress

TABLES = (run_part, run_usage, run_outcome)
Store = Callable[[AsyncConnection, RunsAggregated], Awaitable[None]]


def told(vendor: str) -> list[RunsAggregated]:
    """Return a run growing, ending and being corrected, in the order of versions."""
    grown = part("r1", used(500), came_of(events=2, value=2), minute=9, events=3)
    gone = part("r2", used(0, events=0), came_of(events=0, value=0), events=0)
    return [
        runs_message(vendor, [part("r1", used(100)), part("r2", used(7), came_of())], version=1),
        runs_message(vendor, [part("r1", used(300), used(5, "output_text"))], version=2),
        runs_message(vendor, [grown, gone], version=3),
    ]


async def rows_of(store: Database, vendor: str) -> list[list[dict[str, Any]]]:
    """Return all rows of a vendor, table by table."""
    found = []
    async with store.transaction() as connection:
        for table in TABLES:
            query = select(table).where(owned(table, Account(vendor, "test")))
            rows = (await connection.execute(query.order_by(*table.primary_key.columns))).mappings()
            found.append([dict(row) for row in rows])
    return found


async def forget(store: Database, vendor: str) -> None:
    async with store.transaction() as connection:
        for table in TABLES:
            await connection.execute(delete(table).where(owned(table, Account(vendor, "test"))))


async def differing(store: Database, vendor: str, handle: Store) -> list[Sequence[int]]:
    """Return the orders, each message twice, that make other rows than telling each once."""
    messages = told(vendor)

    async def kept(order: Sequence[int]) -> list[list[dict[str, Any]]]:
        await forget(store, vendor)
        for number in order:
            async with store.transaction() as connection:
                await handle(connection, messages[number])
        return await rows_of(store, vendor)

    expected = await kept((0, 1, 2))
    orders = [(*one, *one) for one in permutations(range(3))]
    return [order for order in orders if await kept(order) != expected]


async def test_order_and_repetition_change_nothing(store: Database, vendor: str) -> None:
    """Three messages in every order, each twice: the last version of each row stands."""
    assert [] == await differing(store, vendor, store_runs)

    parts, usage, outcomes = await rows_of(store, vendor)
    assert [("r1", 3, 3), ("r2", 0, 3)] == sorted(
        (row["run_id"], row["events"], row["version"]) for row in parts
    )
    assert [0, 5, 500] == sorted(row["quantity"] for row in usage)
    assert [0, 2] == sorted(row["events"] for row in outcomes)


async def _latest_message_wins(connection: AsyncConnection, message: RunsAggregated) -> None:
    """Store parts as they arrive, whatever their version: the broken variant."""
    fixed = {"vendor_id": message.vendor_id, "mode": "test", "tenant_id": message.tenant_id}
    for one in message.parts:
        row = {"part_key": bytes.fromhex(one.key), "version": message.version}
        row |= fixed | one.model_dump(exclude={"key", "usage", "outcomes"})
        written = insert(run_part).values(row)
        keys = list(run_part.primary_key.columns)
        await connection.execute(written.on_conflict_do_update(index_elements=keys, set_=row))


async def test_a_store_without_versions_would_be_found(store: Database, vendor: str) -> None:
    """What arrives last wins there: orders that do not end with the newest differ."""
    assert [] != await differing(store, vendor, _latest_message_wins)


async def test_rows_of_a_part_may_come_in_several_messages(store: Database, vendor: str) -> None:
    """A part with many rows is told in pieces of one version: all of them are kept."""
    pieces = [part("r1", used(1)), part("r1", used(2, "output_text"), came_of())]
    for message in (runs_message(vendor, [one]) for one in reversed(pieces)):
        async with store.transaction() as connection:
            await store_runs(connection, message)

    parts, usage, outcomes = await rows_of(store, vendor)

    assert (1, 2, 1) == (len(parts), len(usage), len(outcomes))


async def test_texts_of_any_length_are_no_trouble(store: Database, vendor: str) -> None:
    """Names and sources are in no index: a producer's long one blocks no partition."""
    long = came_of(name="".join(map(str, range(9_000))), source=uuid4().hex * 500)
    async with store.transaction() as connection:
        await store_runs(connection, runs_message(vendor, [part("r1", long, came_of())]))

    assert 2 == len((await rows_of(store, vendor))[2])


async def test_runs_are_kept_for_a_time(
    store: Database, vendor: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the run's last event: what a run that goes on did long ago stays; in small pieces."""
    monkeypatch.setattr("shared.housekeeping.ROWS_PER_DELETION", 2)
    old = [part(f"old-{n}", used(1), came_of(), days=-n) for n in range(1, 6)]
    going_on = [part("on", used(1), days=-9), part("on", used(1), status="failed")]
    async with store.transaction() as connection:
        await store_runs(connection, runs_message(vendor, [*old, *going_on]))
    clock = FrozenClock(RUN_DAY + timedelta(days=30))

    housekeeper = Housekeeper(store, clock, timedelta(days=30))
    deleted = [await housekeeper.delete_old_runs() for _ in range(2)]

    parts, usage, outcomes = await rows_of(store, vendor)
    assert (2, 2, 0) == (len(parts), len(usage), len(outcomes))
    assert {"on"} == {row["run_id"] for row in parts}
    assert deleted[0] >= 5
    assert 0 == deleted[1]


async def test_deleting_by_part_would_be_found(store: Database, vendor: str) -> None:
    """Of a run that goes on, the test above misses what a deletion by part takes."""
    going_on = [part("on", used(1), days=-9), part("on", used(1), status="failed")]
    async with store.transaction() as connection:
        await store_runs(connection, runs_message(vendor, going_on))
        await connection.execute(delete(run_part).where(run_part.c.last_at < RUN_DAY))

    assert 1 == len((await rows_of(store, vendor))[0])


@pytest.fixture(name="own_settings")
async def _own_settings(stack: StackAddress, database: TestDatabase) -> PricingSettings:
    group = f"pricing-{uuid4().hex}"
    await start_at_the_end(stack.kafka_bootstrap, group)
    await start_at_the_end(stack.kafka_bootstrap, group, RUNS_AGGREGATED)
    return pricing_settings(stack, database, group=group)


async def test_runs_come_over_kafka(
    stack: StackAddress, own_settings: PricingSettings, store: Database, vendor: str
) -> None:
    """Each message comes twice, behind some that cannot be read: those are buried, runs stored."""
    partition = partition_of(RUNS_AGGREGATED.partitions, vendor, "globex")
    metering = Metering(stack.kafka_bootstrap, vendor, copies=2)
    unreadable = [
        ("RunsAggregated", b"{"),
        ("DaySealed", told(vendor)[0].model_dump_json().encode()),
        ("RunsAggregated", runs_message(vendor, [part("a\x00b")]).model_dump_json().encode()),
    ]
    async with create_producer(stack.kafka_bootstrap) as producer:
        for kind, body in unreadable:
            headers = [("type", kind.encode())]
            await producer.send(RUNS_AGGREGATED.name, body, partition=partition, headers=headers)
    await metering.send([(partition, message) for message in told(vendor)])

    async def kept() -> list[Any]:
        return [row["version"] for row in (await rows_of(store, vendor))[0]]

    async with running(own_settings):
        assert [3, 3] == await eventually(kept, lambda versions: versions == [3, 3])
        async with store.transaction() as connection:
            counts = await dead_letters.count(connection)
    assert {"invalid_message", "unknown_type", "unstorable_value"} <= counts.keys()
    assert storing.KEY_BYTES == len((await rows_of(store, vendor))[2][0]["row_key"])
