"""The publisher and the seal: cumulative versions, nothing lost, seals behind their rows."""

import asyncio
from collections import defaultdict
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from services.metering.publisher import publish_bucket
from services.metering.repository import publishing
from services.metering.sealing import Sealer
from services.metering.worker.counting import bucket_of
from shared.accounts.repository import Account
from shared.clock import FrozenClock
from shared.errors import TallyrollError
from shared.events.usage_aggregated import DaySealed, UsageAggregated

from .conftest import NOON, Ledger, make_event

DAY = date(2026, 1, 31)
NEXT_DAY = date(2026, 2, 1)


class FixedEnds:
    """A log whose partitions end where they are told to."""

    def __init__(self, ends: dict[int, int]) -> None:
        self.ends = ends

    async def end_offsets(self) -> dict[int, int]:
        return dict(self.ends)


def _sealer(ledger: Ledger, *, days_later: int = 1, wait_seconds: float = 10) -> Sealer:
    clock = FrozenClock(NOON + timedelta(days=days_later))
    return Sealer(ledger.database, FixedEnds(ledger.offsets), clock, wait_seconds)


def _account(ledger: Ledger) -> Account:
    return Account(ledger.vendor_id, "live")


def _latest(messages: list[tuple[int, Any]]) -> dict[Any, tuple[int, Decimal]]:
    """Return what a reader keeps: per row the quantity of its highest version."""
    kept: dict[Any, tuple[int, Decimal]] = {}
    for _, message in messages:
        if isinstance(message, UsageAggregated):
            for row in message.rows:
                key = (message.tenant_id, row.kind, row.usage_day, row.booked_day, row.agent)
                kept[key] = max(kept.get(key, (0, Decimal(0))), (message.version, row.quantity))
    return kept


async def test_versions_are_cumulative(ledger: Ledger) -> None:
    """The second publication holds the whole sum under a higher version, not the difference."""
    await ledger.count(make_event("e-1"), make_event("e-2"))
    first = await ledger.publish()
    await ledger.count(make_event("e-3"))
    second = await ledger.publish()

    key = ("acme", "input_uncached", DAY, DAY, "coder")
    assert (Decimal(10), Decimal(15)) == (_latest(first)[key][1], _latest(second)[key][1])
    assert _latest(first)[key][0] < _latest(second)[key][0]
    assert [] == await ledger.publish()


async def test_a_tenants_messages_go_to_its_partition(ledger: Ledger) -> None:
    """Rows of users travel too, and every message lies where its tenant's reader looks."""
    await ledger.count(*(make_event(f"e-{i}", tenant_id=f"tenant-{i}") for i in range(8)))
    messages = await ledger.publish()

    assert 8 == len(messages)
    assert all(p == bucket_of(ledger.vendor_id, m.tenant_id) for p, m in messages)
    assert {"dev-1"} == {row.user for _, m in messages for row in m.user_rows}


async def test_many_rows_leave_in_chunks_of_one_version(ledger: Ledger) -> None:
    """More rows than a message holds go out as several messages, none missing."""
    await ledger.count(*(make_event(f"e-{i}", agent=f"agent-{i}") for i in range(600)))
    messages = await ledger.publish()

    assert [500, 500, 200] == [len(m.rows) for _, m in messages]
    assert 1 == len({m.version for _, m in messages})
    assert 1200 == len(_latest(messages))


async def test_a_mark_that_comes_in_between_is_not_lost(ledger: Ledger) -> None:
    """A flush between the publisher's snapshot and its delete is in the next publication."""
    await ledger.count(make_event("e-1"))
    bucket = bucket_of(ledger.vendor_id, "acme")
    async with ledger.database.transaction("REPEATABLE READ") as connection:
        await publishing.read_marks(connection, bucket, limit=1)
        await ledger.count(make_event("e-2"))
        await publish_bucket(connection, bucket)
    messages = await ledger.publish()

    versions = sorted(
        (m.version, row.quantity)
        for _, m in messages
        for row in m.rows
        if row.kind == "input_uncached"
    )
    assert [Decimal(5), Decimal(10)] == [quantity for _, quantity in versions]


async def test_deleting_by_day_would_lose_the_mark(ledger: Ledger) -> None:
    """The broken variant: marks deleted by their day and read committed lose the second event."""
    await ledger.count(make_event("e-1"))
    bucket = bucket_of(ledger.vendor_id, "acme")
    async with ledger.database.transaction() as connection:
        days = [
            publishing.ChangedDay(m.vendor_id, m.mode, m.tenant_id, m.usage_day, m.booked_day)
            for m in await publishing.read_marks(connection, bucket, limit=10)
        ]
        sums = await publishing.read_daily_sums(connection, "rollup", days)
        await ledger.count(make_event("e-2"))
        await connection.exec_driver_sql(
            "delete from metering.changed_day where vendor_id = $1", (ledger.vendor_id,)
        )

    assert 5 == next(row["quantity"] for row in sums if row["kind"] == "input_uncached")
    assert [] == await ledger.publish()


async def test_a_seal_stores_the_vector_and_moves_late_events(ledger: Ledger) -> None:
    """After the seal its days do not change; what comes late is booked in the next open day."""
    await ledger.count(make_event("e-1", tokens={"output_text": 1}))
    vector = dict(ledger.offsets)
    sealed = await _sealer(ledger).close(_account(ledger), DAY)
    await ledger.count(make_event("e-2", tokens={"output_text": 10}))

    assert sealed is not None
    assert (DAY, DAY, vector) == (sealed.first, sealed.through, sealed.offsets)
    assert {
        ("output_text", DAY, DAY): 1,
        ("output_text", DAY, NEXT_DAY): 10,
    } == await ledger.usage()
    stored = await ledger.query("select day, offsets from metering.seal where vendor_id = :vendor")
    assert [(DAY, {str(p): offset for p, offset in vector.items()})] == [tuple(s) for s in stored]


async def test_close_is_idempotent_and_contiguous(ledger: Ledger) -> None:
    """Closing again does nothing; closing later begins right after, days without usage included."""
    await ledger.count(make_event("e-1"))
    sealer = _sealer(ledger, days_later=10)

    assert await sealer.close(_account(ledger), DAY) is not None
    assert await sealer.close(_account(ledger), DAY) is None
    later = await sealer.close(_account(ledger), date(2026, 2, 4))

    assert later is not None
    assert (NEXT_DAY, date(2026, 2, 4)) == (later.first, later.through)
    days = await ledger.query(
        "select day from metering.seal where vendor_id = :vendor order by day"
    )
    assert [DAY + timedelta(days=i) for i in range(5)] == [row.day for row in days]


async def test_a_day_that_is_not_over_is_not_sealed(ledger: Ledger) -> None:
    """A day is sealed after its end only."""
    with pytest.raises(TallyrollError, match="day_not_over"):
        await _sealer(ledger, days_later=0).close(_account(ledger), DAY)


async def test_a_seal_waits_until_the_log_is_counted(ledger: Ledger) -> None:
    """With records that are not counted the close waits, and gives up in bounded time."""
    await ledger.count(make_event("e-1"))
    ends = {p: offset + 1 for p, offset in ledger.offsets.items()}
    clock = FrozenClock(NOON + timedelta(days=1))
    sealer = Sealer(ledger.database, FixedEnds(ends), clock, wait_seconds=0.3)
    remaining: list[int] = []

    with pytest.raises(TallyrollError, match="counting_behind"):
        await sealer.close(_account(ledger), DAY, progress=remaining.append)

    assert {4} == set(remaining)


async def test_a_seal_and_a_flush_exclude_each_other(ledger: Ledger) -> None:
    """Flushes and a close at once: every event lies in the sealed day or behind it, none twice."""
    await ledger.count(make_event("first", tokens={"output_text": 1}))
    sealing = asyncio.create_task(_sealer(ledger).close(_account(ledger), DAY))
    for i in range(20):
        await ledger.count(make_event(f"e-{i}", tokens={"output_text": 1}))
    sealed = await sealing
    messages = await ledger.publish()

    assert sealed is not None
    late = sum(ledger.offsets[p] - offset for p, offset in sealed.offsets.items())
    usage = await ledger.usage()
    assert late == usage.get(("output_text", DAY, NEXT_DAY), 0)
    assert 21 == sum(usage.values())
    _assert_complete(ledger, messages, DAY)


def _assert_complete(ledger: Ledger, messages: list[tuple[int, Any]], day: date) -> None:
    """Check a day as a reader does: parts of every partition, rows and sums per tenant."""
    seals = [(p, m) for p, m in messages if isinstance(m, DaySealed) and m.day == day]
    assert [0, 1, 2, 3] == sorted({p for p, _ in seals})
    rows: defaultdict[str, set[Any]] = defaultdict(set)
    sums: defaultdict[str, defaultdict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    for (tenant, kind, usage_day, booked_day, agent), (_, quantity) in _latest(messages).items():
        if booked_day == day:
            rows[tenant].add((kind, usage_day, agent))
            sums[tenant][kind] += quantity
    for partition, message in seals:
        for tenant in message.tenants:
            assert partition == bucket_of(ledger.vendor_id, tenant.tenant_id)
            assert len(rows.pop(tenant.tenant_id)) == tenant.rows
            assert sums[tenant.tenant_id] == tenant.sums
    assert {} == rows


async def test_a_seals_checks_add_up_to_the_rows(ledger: Ledger) -> None:
    """Row counts and sums of `DaySealed` are those of the rows that its partition got."""
    await ledger.count(
        *(
            make_event(f"e-{i}", tenant_id=f"tenant-{i % 7}", agent=f"agent-{i % 3}")
            for i in range(40)
        )
    )
    await _sealer(ledger).close(_account(ledger), DAY)
    await ledger.count(make_event("late", tenant_id="tenant-0"))
    messages = await ledger.publish()

    _assert_complete(ledger, messages, DAY)
    order = [type(m) for p, m in messages if p == bucket_of(ledger.vendor_id, "tenant-0")]
    assert DaySealed is order[-1]
    assert {(1, 1, "off")} == {
        (m.part, m.parts, m.recount) for _, m in messages if isinstance(m, DaySealed)
    }


async def test_every_seal_says_where_the_seals_begin(ledger: Ledger) -> None:
    """A reader that has lost the first seals can tell so from each later one."""
    sealer = _sealer(ledger, days_later=10)
    await sealer.close(_account(ledger), DAY)
    await sealer.close(_account(ledger), DAY + timedelta(days=1))

    messages = await ledger.publish()

    later = [m for _, m in messages if isinstance(m, DaySealed) and m.day > DAY]
    assert [0, 1, 2, 3] == [p for p, m in messages if m in later]
    assert {DAY} == {message.first_day for message in later}


async def test_every_partition_hears_of_a_day_without_usage(ledger: Ledger) -> None:
    """A sealed day without any usage is one empty part in each partition."""
    await _sealer(ledger).close(_account(ledger), DAY)
    messages = await ledger.publish()

    assert [0, 1, 2, 3] == [partition for partition, _ in messages]
    assert {(1, 1, 0)} == {(m.part, m.parts, len(m.tenants)) for _, m in messages}


async def test_due_days_of_a_live_vendor_are_sealed_by_themselves(
    ledger: Ledger, writer: Any
) -> None:
    """From `live_from` on, a day is sealed once its end and the grace are over, not before."""
    await writer(ledger.vendor_id, live_from=DAY)
    await ledger.count(make_event("e-1"))
    grace = timedelta(hours=12)
    clock = FrozenClock(NOON + timedelta(days=1) - timedelta(seconds=1))
    sealer = Sealer(ledger.database, FixedEnds(ledger.offsets), clock)

    assert [] == await sealer.seal_due(grace)
    clock.advance(timedelta(seconds=1))
    assert {(DAY, DAY)} == {(s.first, s.through) for s in await sealer.seal_due(grace)}
    clock.advance(timedelta(days=2))
    assert {(NEXT_DAY, date(2026, 2, 2))} == {
        (s.first, s.through) for s in await sealer.seal_due(grace)
    }


async def test_days_before_a_vendor_is_live_wait_for_a_person(ledger: Ledger, writer: Any) -> None:
    """With usage before `live_from` nothing is sealed by itself until a close reaches that day."""
    await writer(ledger.vendor_id, live_from=NEXT_DAY)
    await ledger.count(make_event("e-1"))
    sealer = _sealer(ledger, days_later=5)

    live = [s for s in await sealer.seal_due(timedelta(0)) if s.first == DAY]
    assert [] == live
    assert await sealer.close(_account(ledger), DAY) is not None
    assert [NEXT_DAY] == [s.first for s in await sealer.seal_due(timedelta(0))]
