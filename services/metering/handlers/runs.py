"""Questions about runs."""

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from services.metering.repository import runs as repository
from services.metering.repository.offsets import read_watermark
from services.metering.repository.runs import RunCondition
from services.metering.schemas import RunAnswer, RunsAnswer
from shared.errors import TallyrollError, not_found
from shared.money import format_decimal
from shared.topics import USAGE_RECORDED


async def list_runs(
    connection: AsyncConnection, condition: RunCondition, *, cursor: str | None, limit: int
) -> RunsAnswer:
    """Return runs, latest first, and the cursor of the next page if there is one.

    Raises `invalid_cursor`.
    """
    if cursor is not None:
        condition = replace(condition, after=read_cursor(cursor))
    as_of = await read_watermark(connection, USAGE_RECORDED)
    found = await repository.list_runs(connection, condition, limit=limit + 1)
    shown = found[:limit]
    more = len(found) > limit
    return RunsAnswer.model_validate(
        {
            "as_of": as_of,
            "mode": condition.account.mode,
            "tenant": condition.tenant_id,
            "runs": await _with_sums(connection, condition, shown),
            "next_cursor": _cursor(shown[-1]) if more else None,
        }
    )


async def read_run(connection: AsyncConnection, condition: RunCondition, run_id: str) -> RunAnswer:
    """Return one run; raises `unknown_run`."""
    as_of = await read_watermark(connection, USAGE_RECORDED)
    own = replace(condition, filters={"run_id": [run_id]})
    found = await repository.list_runs(connection, own, limit=1)
    if not found:
        raise not_found("run", run_id)
    (run,) = await _with_sums(connection, own, found)
    return RunAnswer.model_validate(run | {"as_of": as_of, "tenant": condition.tenant_id})


async def _with_sums(
    connection: AsyncConnection, condition: RunCondition, rows: Sequence[RowMapping]
) -> list[dict[str, Any]]:
    ids = [row["run_id"] for row in rows]
    if not ids:
        return []
    sums = await repository.read_run_sums(connection, condition, ids)
    sizes = await repository.read_tree_sizes(connection, condition, ids)
    runs = []
    for row in rows:
        own = [s for s in sums if s["run_id"] == row["run_id"]]
        size = sizes[row["run_id"]]
        tree = {"runs": size["runs"], "events": int(size["events"])}
        run = dict(row) | {"events": int(row["events"]), **_sums(own, "")}
        runs.append(run | {"tree": tree | _sums(own, "tree_")})
    return runs


def _sums(rows: Sequence[RowMapping], prefix: str) -> dict[str, Any]:
    usage = {
        row["name"]: format_decimal(row[f"{prefix}quantity"])
        for row in rows
        if row["subject"] == "kind" and row[f"{prefix}events"] > 0
    }
    outcomes = [
        {
            "name": row["name"],
            "source": row["source"],
            "count": int(row[f"{prefix}events"]),
            "value": format_decimal(row[f"{prefix}quantity"]),
        }
        for row in rows
        if row["subject"] == "outcome" and row[f"{prefix}events"] > 0
    ]
    return {"usage": usage, "outcomes": outcomes}


def _cursor(row: RowMapping) -> str:
    content = json.dumps([row["last_at"].isoformat(), row["run_id"]])
    return base64.urlsafe_b64encode(content.encode()).decode()


def read_cursor(cursor: str) -> tuple[datetime, str]:
    """Return the last time and the id of the last run of the page before."""
    try:
        last_at, run_id = json.loads(base64.urlsafe_b64decode(cursor.encode()))
        instant = datetime.fromisoformat(last_at)
    except (binascii.Error, ValueError, TypeError) as error:
        message = "The cursor is none that an answer gave."
        raise TallyrollError("invalid_cursor", message, subject="cursor") from error
    if instant.tzinfo is None or not isinstance(run_id, str) or "\x00" in run_id:
        raise TallyrollError("invalid_cursor", "The cursor is none that an answer gave.")
    return instant, run_id
