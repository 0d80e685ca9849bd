"""Meters on a real database: in the flush, over past events, over a tenant's period."""

import dataclasses
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import httpx
import polars as pl
import pyarrow as pa
import pytest
from sqlalchemy.exc import DBAPIError

from services.metering.api import Dependencies
from services.metering.backfill import MeterBackfill
from services.metering.event_source import EventSelection, of_account, select_effective
from services.metering.ingest.batch import encode_envelope
from services.metering.ingest.envelope import Sender, place
from services.metering.repository import seals
from services.metering.worker.reading import Record, read_records
from shared.accounts.repository import Account
from shared.clock import FrozenClock
from shared.ids import length_prefixed
from tests.integration.metering.conftest import NOON, Ledger, make_event
from tests.integration.metering.test_usage import make_app

CLOCK = FrozenClock(datetime(2026, 2, 10, tzinfo=UTC))
SPAN = {"tenant": "acme", "from": "2026-01-01", "to": "2026-02-01"}
ACTIONS = {
    "source": {"tokens": {"input_uncached": "1", "output_text": "1"}},
    "filters": [{"field": "agent", "values": ["coder"]}],
    "aggregation": "sum",
    "per_event": {"ceil_to": "5", "count_steps": True, "rate": "20"},
}


@dataclasses.dataclass(frozen=True)
class MemorySource:
    """The log of a ledger as a source of events."""

    ledger: Ledger

    async def events(self, selection: EventSelection) -> pl.DataFrame:
        records = [
            Record(p, o, value)
            for (p, o), value in self.ledger.log.items()
            if o < selection.before[p]
        ]
        read = of_account(read_records(records, partitions=4).events, selection)
        async with self.ledger.database.transaction() as connection:
            return await select_effective(connection, read, selection)


@pytest.fixture(name="client")
async def _client(ledger: Ledger) -> AsyncIterator[httpx.AsyncClient]:
    app = make_app(ledger.database, ledger.vendor_id)
    needs: Dependencies = app.state.dependencies
    app.state.dependencies = dataclasses.replace(needs, events=MemorySource(ledger))
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://metering") as client:
        yield client


async def _define(client: httpx.AsyncClient, name: str, **definition: Any) -> dict[str, Any]:
    answer = await client.post("/v1/meters", json={"name": name, "definition": definition})
    assert answer.status_code in (200, 201), answer.text
    meter: dict[str, Any] = answer.json()
    return meter


async def _value(client: httpx.AsyncClient, name: str, **changes: Any) -> dict[str, Any]:
    answer = await client.get(f"/v1/meters/{name}/1/value", params=SPAN | changes)
    assert 200 == answer.status_code, answer.text
    value: dict[str, Any] = answer.json()
    return value


async def _backfill(ledger: Ledger) -> None:
    backfill = MeterBackfill(ledger.database, MemorySource(ledger), CLOCK)
    waiting = await ledger.query(
        "select m.* from metering.meter m left join metering.meter_backfill b on b.meter_id = m.id "
        "where vendor_id = :vendor and is_additive and b.meter_id is null"
    )
    for row in waiting:
        await backfill.count(row._mapping)


async def _seal(ledger: Ledger, through: date) -> None:
    async with ledger.database.transaction() as connection:
        days = [date(2026, 1, 1) + timedelta(days=i) for i in range(through.day)]
        await seals.insert_seals(
            connection,
            Account(ledger.vendor_id, "live"),
            days,
            offsets=ledger.offsets,
            sealed_at=CLOCK.now(),
        )


async def _kind(ledger: Ledger, kind: str, table: str = "rollup") -> int:
    return sum(q for (name, _, _), q in (await ledger.usage(table)).items() if name == kind)


async def test_versions(client: httpx.AsyncClient, ledger: Ledger) -> None:
    """The same content is the same version, other content the next; none ever changes."""
    first = await client.post("/v1/meters", json={"name": "actions", "definition": ACTIONS})
    again = await client.post("/v1/meters", json={"name": "actions", "definition": ACTIONS})
    other = await client.post(
        "/v1/meters", json={"name": "actions", "definition": {"aggregation": "count"}}
    )
    listed = (await client.get("/v1/meters")).json()["meters"]
    one = (await client.get("/v1/meters/actions/1")).json()

    assert (201, 200, 201) == (first.status_code, again.status_code, other.status_code)
    assert first.json() == again.json() == one
    assert ["meter:actions@1", "meter:actions@2"] == [meter["kind"] for meter in listed]
    assert 404 == (await client.get("/v1/meters/actions/3")).status_code
    for change in ("update metering.meter set version = 9", "delete from metering.meter"):
        with pytest.raises(DBAPIError, match="immutable"):
            await ledger.query(f"{change} where vendor_id = :vendor")


async def test_pricing_is_told_of_each_version_once_and_again_on_demand(
    client: httpx.AsyncClient, ledger: Ledger
) -> None:
    """A version leaves a message in its own transaction; republishing tells of all versions."""
    for _ in range(2):
        await _define(client, "people", aggregation="unique", unique_by="user")
    told = "select convert_from(payload, 'utf8')::jsonb from metering.outbox where key = :key"
    key = {"key": length_prefixed(ledger.vendor_id)}
    first = [row[0] for row in await ledger.query(told, **key)]
    await client.post("/v1/republish", json={"days": ["2026-01-31"]})
    again = [row[0] for row in await ledger.query(told, **key)]

    expected = {"name": "people", "meter_version": 1, "is_additive": False}
    assert [expected] == [{name: one[name] for name in expected} for one in first]
    assert first * 2 == again


async def test_refusals(client: httpx.AsyncClient) -> None:
    """A bad definition is 400 with all faults; a period must be one."""
    bad = await client.post(
        "/v1/meters", json={"name": "x y", "definition": {"aggregation": "median"}}
    )
    await _define(client, "fine", aggregation="count")
    no_days = await client.get("/v1/meters/fine/1/value", params=SPAN | {"to": "2025-01-01"})
    nobody = await client.get("/v1/meters/fine/1/value", params={"from": "2026-01-01"})

    assert (400, "invalid_meter") == (bad.status_code, bad.json()["code"])
    assert {"name", "definition.aggregation"} == {f["path"] for f in bad.json()["faults"]}
    assert "invalid_window" == no_days.json()["code"]
    assert "tenant_required" == nobody.json()["code"]


async def test_past_and_live_events_count_once(client: httpx.AsyncClient, ledger: Ledger) -> None:
    """What was there before a meter is the backfill's, the rest the flushes', nothing twice."""
    await ledger.count(make_event("1"), make_event("2"), make_event("3", agent="writer"))
    await _define(client, "actions", **ACTIONS)
    await ledger.count(make_event("4"), make_event("2"))
    before_backfill = await _value(client, "actions")
    await _backfill(ledger)
    await _backfill(ledger)
    await ledger.count(make_event("5"), make_event("1"))

    value = await _value(client, "actions")

    # 7 tokens are 2 steps of 5, 20 each.
    assert ("40", True) == (before_backfill["value"], before_backfill["provisional"])
    assert ("160", 4) == (value["value"], value["events"])
    assert 160 == await _kind(ledger, "meter:actions@1")
    assert 160 == await _kind(ledger, "meter:actions@1", "user_rollup")


async def test_a_backfill_twice_would_double(client: httpx.AsyncClient, ledger: Ledger) -> None:
    """Without its row in `meter_backfill` a backfill counts again: the check above finds it."""
    await ledger.count(make_event("1"))
    await _define(client, "actions", **ACTIONS)
    await _backfill(ledger)
    await ledger.query(
        "delete from metering.meter_backfill b using metering.meter m "
        "where m.id = b.meter_id and m.vendor_id = :vendor"
    )

    await _backfill(ledger)

    assert 80 == await _kind(ledger, "meter:actions@1")


async def test_corrections_reach_meters(client: httpx.AsyncClient, ledger: Ledger) -> None:
    """Revisions replace what a meter counted, whether it was backfilled or live."""
    await ledger.count(make_event("old"), make_event("older"))
    await ledger.count(make_event("older", revision=1, tokens={"output_text": 1}))
    await _define(client, "actions", **ACTIONS)
    await _backfill(ledger)
    await ledger.count(make_event("live"))
    await ledger.count(make_event("old", revision=1, tokens={"output_text": 11}))
    await ledger.count(make_event("live", revision=1, tokens={"output_text": 3}))

    value = await _value(client, "actions")

    assert ("100", 3) == (value["value"], value["events"])


async def test_past_events_of_sealed_days_are_booked_in_the_open_day(
    client: httpx.AsyncClient, ledger: Ledger
) -> None:
    """A backfill changes no sealed day: its rows are booked in the first open one."""
    await ledger.count(make_event("1"))
    await _seal(ledger, date(2026, 1, 31))
    await _define(client, "actions", **ACTIONS)

    await _backfill(ledger)

    rows = {key: q for key, q in (await ledger.usage()).items() if key[0].startswith("meter:")}
    assert {("meter:actions@1", date(2026, 1, 31), date(2026, 2, 1)): 40} == rows


async def test_values_over_a_period(client: httpx.AsyncClient, ledger: Ledger) -> None:
    """Meters that do not add up are computed over the raw events, duplicates out, voids out."""
    later = NOON + timedelta(hours=3)
    await ledger.count(
        make_event("1", user="a", tags={"plan": "pro"}),
        make_event("2", user="b", occurred_at=later, tokens={"output_text": 9}),
        make_event("2", user="b", occurred_at=later, tokens={"output_text": 9}),
        make_event("3", user="a", tokens={"output_text": 3}),
        make_event("4", user="c", occurred_at=NOON + timedelta(days=1)),
    )
    await ledger.count(make_event("3", user="z", revision=1, tokens={"output_text": 4}))
    output = {"tokens": {"output_text": "1"}}
    await _define(client, "people", aggregation="unique", unique_by="user")
    await _define(client, "peak", aggregation="max", source=output)
    await _define(client, "last", aggregation="latest", source=output)
    await _define(client, "paid", aggregation="sum", source=output, free_events=2)
    await _define(
        client,
        "plans",
        aggregation="sum",
        source=output,
        free_events=0,
        filters=[{"field": "tags.plan", "values": ["pro"]}],
    )
    await _backfill(ledger)

    values = {
        name: (await _value(client, name))["value"]
        for name in ("people", "peak", "last", "paid", "plans")
    }

    assert {"people": "3", "peak": "9", "last": "9", "paid": "9", "plans": "2"} == values


async def test_a_sealed_value_stays(client: httpx.AsyncClient, ledger: Ledger) -> None:
    """Provisional until the last day is sealed; then stored with the hash of its events."""
    output = {"tokens": {"output_text": "1"}}
    await _define(client, "peak", aggregation="max", source=output)
    await ledger.count(make_event("1"))
    open_value = await _value(client, "peak")
    await _seal(ledger, date(2026, 1, 31))
    await ledger.count(make_event("late", tokens={"output_text": 50}))

    sealed = await _value(client, "peak")
    again = await _value(client, "peak")

    assert ("2", True, None) == (
        open_value["value"],
        open_value["provisional"],
        open_value["input_hash"],
    )
    assert ("2", False, 64) == (sealed["value"], sealed["provisional"], len(sealed["input_hash"]))
    assert sealed == again


async def test_garbled_texts_stop_nothing(client: httpx.AsyncClient, ledger: Ledger) -> None:
    """What a trusted producer wrote as tags or outcome is read as nothing where it is no JSON."""
    condition = {"field": "tags.plan", "values": ["pro"]}
    await _define(client, "pro", aggregation="count", filters=[condition])
    await _define(client, "all", aggregation="count")
    placed = place(make_event("1"), Sender(ledger.vendor_id, "live"), partitions=4)
    envelope = pa.ipc.open_stream(encode_envelope([placed.row])).read_all()
    row = envelope.to_pylist()[0] | {"tags": "{nonsense", "outcome": "[1]", "run_id": "run"}
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, envelope.schema) as stream:
        stream.write_table(pa.Table.from_pylist([row], schema=envelope.schema))

    flushed = await ledger.flush([(placed.partition, sink.getvalue().to_pybytes())])

    assert (1, 0) == (flushed.counted, flushed.rejected)
    assert (0, 1) == (await _kind(ledger, "meter:pro@1"), await _kind(ledger, "meter:all@1"))
