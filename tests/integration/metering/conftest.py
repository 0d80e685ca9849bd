"""Metering on real servers: a database of its own, and a ledger that flushes without Kafka."""

from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any
from uuid import uuid4

import polars as pl
import pytest
from sqlalchemy import text

from services.metering.domain.event import TokenEvent
from services.metering.ingest.batch import encode_envelope
from services.metering.ingest.envelope import Sender, place
from services.metering.publisher import Publisher, usage_publisher
from services.metering.publishing_runs import runs_publisher
from services.metering.repository.offsets import Move, provision
from services.metering.worker.flush import Flusher
from services.metering.worker.reading import Reading, Record, read_records
from services.metering.worker.verdicts import Flushed
from shared.accounts import repository as accounts
from shared.accounts.repository import Account
from shared.accounts.schemas import TenantWrite
from shared.database import Database
from shared.events.message import Message
from shared.events.runs_aggregated import RunsAggregated
from shared.events.usage_aggregated import (
    DaySealed,
    MeterDefined,
    MeterValued,
    UsageAggregated,
)
from shared.events.usage_rejected import UsageRejected
from shared.topics import USAGE_RECORDED
from tests.support.database import TestDatabase

from .running_api import _client, _deployment

__all__ = ["_client", "_deployment"]

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
_KINDS = (DaySealed, MeterDefined, MeterValued, RunsAggregated, UsageAggregated, UsageRejected)
MESSAGES: dict[str, type[Message]] = {kind.__name__: kind for kind in _KINDS}


def make_event(event_id: str, **changes: Any) -> TokenEvent:
    """Return an event of tenant acme, 5 tokens in and 2 out, on 2026-01-31."""
    values: dict[str, Any] = {
        "tenant_id": "acme",
        "event_id": event_id,
        "occurred_at": NOON,
        "agent": "coder",
        "model": "gpt-5",
        "provider": "openai",
        "tokens": {"input_uncached": 5, "output_text": 2},
        "units": {},
        "user": "dev-1",
    }
    return TokenEvent(**(values | changes))


@dataclass
class Ledger:
    """Counts events of one vendor the way the worker does, from a log in memory."""

    database: Database
    vendor_id: str = field(default_factory=lambda: f"vendor-{uuid4().hex[:8]}")
    offsets: dict[int, int] = field(default_factory=lambda: dict.fromkeys(range(4), 0))
    log: dict[tuple[int, int], bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.flusher = Flusher(self.database, self)

    def restart(self) -> None:
        """Forget what a worker remembers: the next flush reads it back from the database."""
        self.flusher = Flusher(self.database, self)

    async def read_events(self, positions: Sequence[tuple[int, int, int]]) -> pl.DataFrame:
        """Return single events of the log, as a worker's originals."""
        records = [Record(p, o, self.log[p, o]) for p, o in {(p, o) for p, o, _ in positions}]
        events = read_records(records, partitions=4).events
        wanted = pl.DataFrame(
            positions,
            schema=dict.fromkeys(("partition", "offset", "index"), pl.Int64),
            orient="row",
        )
        return events.join(wanted, on=["partition", "offset", "index"], how="semi")

    async def count(self, *events: TokenEvent) -> Flushed:
        """Append events to the log, one envelope per partition, and flush them."""
        rows = defaultdict(list)
        for event in events:
            placed = place(event, Sender(self.vendor_id, "live"), partitions=4)
            rows[placed.partition].append(placed.row)
        return await self.flush([(p, encode_envelope(own)) for p, own in rows.items()])

    async def flush(self, envelopes: Sequence[tuple[int, bytes]]) -> Flushed:
        """Flush records at the ends of their partitions."""
        ends = dict(self.offsets)
        records = []
        for partition, envelope in envelopes:
            records.append(Record(partition, ends[partition], envelope))
            self.log[partition, ends[partition]] = envelope
            ends[partition] += 1
        moves = {p: Move(self.offsets[p], ends[p], NOON) for p, _ in envelopes}
        flushed = await self.flush_reading(read_records(records, partitions=4), moves)
        self.offsets = ends
        return flushed

    async def flush_reading(self, reading: Reading, moves: dict[int, Move]) -> Flushed:
        """Flush what was read, as this ledger's worker."""
        return await self.flusher.flush(reading, moves)

    async def usage(self, table: str = "rollup") -> dict[tuple[str, date, date], int]:
        """Return quantities by (kind, usage day, booked day)."""
        rows = await self.query(
            "select kind, usage_day, booked_day, sum(quantity) from "  # noqa: S608 - our own tables
            f"metering.{table} where vendor_id = :vendor group by 1, 2, 3"
        )
        return {(kind, usage, booked): int(quantity) for kind, usage, booked, quantity in rows}

    async def query(self, statement: str, **values: Any) -> list[Any]:
        """Run a statement; `:vendor` is this ledger's vendor."""
        async with self.database.transaction() as connection:
            result = await connection.execute(text(statement), {"vendor": self.vendor_id, **values})
            return list(result.all()) if result.returns_rows else []

    async def publish(self) -> list[tuple[int, Any]]:
        """Publish every bucket once; return what left for this vendor with its partition."""
        return await self._published(usage_publisher(self.database, 1.0))

    async def publish_runs(self) -> list[tuple[int, Any]]:
        """Publish what changed of runs, in the same way."""
        return await self._published(runs_publisher(self.database, 1.0))

    async def _published(self, publisher: Publisher) -> list[tuple[int, Any]]:
        await publisher.publish_all()
        rows = await self.query(
            "delete from metering.outbox returning position, partition, headers, payload"
        )
        messages = [
            (row.partition, MESSAGES[row.headers["type"]].model_validate_json(row.payload))
            for row in sorted(rows)
        ]
        return [(p, message) for p, message in messages if message.vendor_id == self.vendor_id]


@pytest.fixture(scope="module", name="metering")
async def _metering(database: TestDatabase) -> AsyncIterator[Database]:
    opened = Database(database.urls["metering"])
    async with opened.transaction() as connection:
        await provision(connection, USAGE_RECORDED)
    yield opened
    await opened.close()


@pytest.fixture(name="ledger")
async def _ledger(metering: Database) -> Ledger:
    ledger = Ledger(metering)
    stored = await ledger.query("select partition, next_offset from metering.consumer_offset")
    ledger.offsets = {row.partition: row.next_offset for row in stored}
    return ledger


@pytest.fixture(name="writer")
async def _writer(database: TestDatabase) -> AsyncIterator[Any]:
    """Return a function that creates a vendor, with tenants; pricing's role may."""
    opened = Database(database.urls["accounts"])

    async def create(vendor_id: str, *, live_from: date, tenants: Sequence[str] = ()) -> None:
        async with opened.transaction() as connection:
            await accounts.create_vendor(connection, vendor_id, name="Vendor", live_from=live_from)
            for tenant_id in tenants:
                account = Account(vendor_id, "live")
                await accounts.put_tenant(
                    connection, account, tenant_id, TenantWrite(name=tenant_id)
                )

    yield create
    async with opened.transaction() as connection:
        await connection.execute(text("truncate accounts.vendor cascade"))
    await opened.close()
