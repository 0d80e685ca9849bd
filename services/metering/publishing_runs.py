"""What runs came to goes out as cumulative rows, as soon as flushes marked them."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import groupby, islice
from typing import Any

import structlog
from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from services.metering.publisher import Published, Publisher
from services.metering.repository import changed_runs
from services.metering.repository.changed_runs import RunSums
from services.metering.repository.offsets import read_watermark
from services.metering.repository.publishing import next_version
from services.metering.tables import outbox
from shared.database import Database
from shared.events.runs_aggregated import (
    RUN_ROWS_PER_MESSAGE,
    RunOutcome,
    RunPart,
    RunsAggregated,
    RunUsage,
)
from shared.outbox import Outgoing, put
from shared.topics import RUNS_AGGREGATED, USAGE_RECORDED

logger = structlog.get_logger()

MARKS_PER_PASS = 5_000


def runs_publisher(database: Database, period: float) -> Publisher:
    """Return the publisher of `runs.aggregated`."""
    return Publisher(database, period, RUNS_AGGREGATED, publish_runs)


async def publish_runs(connection: AsyncConnection, bucket: int) -> Published:
    """Write what a bucket's marked runs came to into the outbox, from one snapshot."""
    marks, runs = await changed_runs.read_run_marks(connection, bucket, limit=MARKS_PER_PASS)
    if not marks:
        return Published(0, 0)
    version = await next_version(connection, RUNS_AGGREGATED.name, bucket)
    watermark = await read_watermark(connection, USAGE_RECORDED)
    sums = await changed_runs.read_sums(connection, runs)
    messages = list(_messages(sums, version, watermark))
    await changed_runs.delete_run_marks(connection, marks)
    await put(connection, outbox, [Outgoing(message, partition=bucket) for message in messages])
    logger.info("runs_published", bucket=bucket, version=version, messages=len(messages))
    return Published(len(messages), len(marks), more=len(marks) == MARKS_PER_PASS)


def _messages(sums: RunSums, version: int, watermark: datetime) -> Iterator[RunsAggregated]:
    usage, outcomes = _by_part(sums.usage), _by_part(sums.outcomes)
    tenants = groupby(sums.parts, key=lambda row: (row["vendor_id"], row["mode"], row["tenant_id"]))
    for (vendor_id, mode, tenant_id), rows in tenants:
        parts = (
            part for row in rows for part in _slices(row, usage[row["key"]], outcomes[row["key"]])
        )
        for chunk in _chunks(parts):
            yield RunsAggregated(
                vendor_id=vendor_id,
                mode=mode,
                tenant_id=tenant_id,
                version=version,
                watermark=watermark,
                parts=chunk,
            )


def _by_part(rows: Sequence[RowMapping]) -> Mapping[str, list[RowMapping]]:
    found: dict[str, list[RowMapping]] = defaultdict(list)
    for row in rows:
        found[row["part_key"]].append(row)
    return found


def _slices(
    part: RowMapping, usage: Iterable[RowMapping], outcomes: Iterable[RowMapping]
) -> Iterator[RunPart]:
    """Return a part once, or several times if it has more rows than a message holds."""
    rows: Iterator[RunUsage | RunOutcome] = iter(
        [*(_row(RunUsage, row) for row in usage), *(_row(RunOutcome, row) for row in outcomes)]
    )
    some = list(islice(rows, RUN_ROWS_PER_MESSAGE))
    while True:
        yield _part(part, some)
        if not (some := list(islice(rows, RUN_ROWS_PER_MESSAGE))):
            return


def _part(part: RowMapping, rows: Sequence[RunUsage | RunOutcome]) -> RunPart:
    own = {name: part[name] for name in RunPart.model_fields if name in part}
    usage = [row for row in rows if isinstance(row, RunUsage)]
    outcomes = [row for row in rows if isinstance(row, RunOutcome)]
    return RunPart(**own, usage=usage, outcomes=outcomes)


def _row(kind: Any, row: RowMapping) -> Any:
    return kind.model_validate({name: row[name] for name in kind.model_fields})


def _chunks(parts: Iterable[RunPart]) -> Iterator[list[RunPart]]:
    """Return parts by messages: in each as many rows as a message may hold, or one part."""
    chunk: list[RunPart] = []
    rows = 0
    for part in parts:
        own = 1 + len(part.usage) + len(part.outcomes)
        if chunk and rows + own > RUN_ROWS_PER_MESSAGE:
            yield chunk
            chunk, rows = [], 0
        chunk.append(part)
        rows += own
    if chunk:
        yield chunk
