"""The flush: each event once, whatever the order, the batching, or a stale worker."""

import random
from collections import defaultdict
from datetime import date, datetime

import polars as pl
import pytest
import uuid_utils
from asyncpg.exceptions import DiskFullError
from sqlalchemy.ext.asyncio import AsyncConnection

from services.metering.domain.event import TokenEvent
from services.metering.ingest.batch import encode_envelope
from services.metering.ingest.envelope import Sender, place
from services.metering.repository import counting as repository
from services.metering.repository.offsets import FencedError, Move
from services.metering.worker.flush import Flusher
from services.metering.worker.memory import Memory
from services.metering.worker.reading import Reading, Record, read_records
from services.metering.worker.verdicts import Flushed

from .conftest import NOON, Ledger, make_event

DAY = date(2026, 1, 31)
PARTITIONS = 4


async def test_events_become_sums(ledger: Ledger) -> None:
    """Counts add up per kind, in the main rollup and in that of users."""
    flushed = await ledger.count(*(make_event(f"e-{i}") for i in range(10)))

    assert Flushed(counted=10, duplicates=0, rejected=0) == flushed
    expected = {("input_uncached", DAY, DAY): 50, ("output_text", DAY, DAY): 20}
    assert expected == await ledger.usage()
    assert expected == await ledger.usage("user_rollup")


@pytest.mark.parametrize("seed", range(6))
async def test_order_batching_and_duplication_change_nothing(ledger: Ledger, seed: int) -> None:
    """The same events in any order, cut and repeated anyhow, give the same sums."""
    chance = random.Random(seed)  # noqa: S311 - a seeded test
    events = [make_event(f"e-{i}", tokens={"output_text": 2**i}) for i in range(40)]
    sent = events + chance.choices(events, k=60)
    chance.shuffle(sent)

    duplicates = 0
    while sent:
        size = chance.randint(1, 30)
        duplicates += (await ledger.count(*sent[:size])).duplicates
        sent = sent[size:]

    assert {("output_text", DAY, DAY): 2**40 - 1} == await ledger.usage()
    assert 60 == duplicates
    statistics = await ledger.query(
        "select sum(counted), sum(duplicates), sum(rejected) "
        "from metering.counting_statistic where vendor_id = :vendor"
    )
    assert [(40, 60, 0)] == [tuple(map(int, row)) for row in statistics]


async def test_the_same_id_of_another_tenant_or_mode_is_another_event(ledger: Ledger) -> None:
    """An id is unique within a tenant; a key without the tenant would lose usage."""
    flushed = await ledger.count(make_event("e-1"), make_event("e-1", tenant_id="globex"))

    assert 2 == flushed.counted


async def _flush_without_fence(ledger: Ledger, reading: Reading, moves: dict[int, Move]) -> Flushed:
    """Count first and set the offset, as a worker would that trusts its assignment."""
    async with ledger.database.transaction() as connection:
        flushed = await Flusher(ledger.database, ledger)._count(connection, reading, moves)
        await _set_offsets(connection, moves)
        return flushed


async def _set_offsets(connection: AsyncConnection, moves: dict[int, Move]) -> None:
    for partition, move in moves.items():
        await connection.exec_driver_sql(
            "update metering.consumer_offset set next_offset = $1 where partition = $2",
            (move.new, partition),
        )


def _stale(ledger: Ledger) -> tuple[Reading, dict[int, Move]]:
    """Return what a worker holds that stopped before its flush: a record at today's end."""
    placed = place(make_event("e-1"), Sender(ledger.vendor_id, "live"), partitions=4)
    offset = ledger.offsets[placed.partition]
    record = Record(placed.partition, offset, encode_envelope([placed.row]))
    move = Move(offset, offset + 1, NOON)
    return read_records([record], partitions=4), {placed.partition: move}


async def test_a_stale_workers_flush_fails_and_changes_nothing(ledger: Ledger) -> None:
    """A worker that wakes up after another counted its records is fenced by the offsets."""
    reading, moves = _stale(ledger)
    await ledger.count(make_event("e-1"))
    before = await ledger.query("select * from metering.counting_statistic order by 1, 2, 3")

    with pytest.raises(FencedError):
        await ledger.flush_reading(reading, moves)

    after = await ledger.query("select * from metering.counting_statistic order by 1, 2, 3")
    assert before == after


async def test_without_the_fence_a_stale_worker_counts_twice(ledger: Ledger) -> None:
    """The broken variant: no compare-and-set, identities forgotten, and the event counts twice."""
    reading, moves = _stale(ledger)
    await ledger.count(make_event("e-1"))
    # The identity table is a second net under the fence; the fence alone is on trial here.
    await ledger.query("delete from metering.plain_identity")

    await _flush_without_fence(ledger, reading, moves)
    assert {10, 4} == set((await ledger.usage()).values())

    with pytest.raises(FencedError):
        await ledger.flush_reading(reading, moves)
    assert {10, 4} == set((await ledger.usage()).values())


async def test_other_content_under_a_known_id_is_quarantined(ledger: Ledger) -> None:
    """A conflict is counted nowhere and told: in the table and on `usage.rejected`."""
    await ledger.count(make_event("e-1"))
    later = await ledger.count(make_event("e-1", tokens={"output_text": 999}))
    within = await ledger.count(make_event("e-2"), make_event("e-2", model="other"))

    assert (0, 1) == (later.counted, later.rejected)
    assert (1, 1) == (within.counted, within.rejected)
    assert {10, 4} == set((await ledger.usage()).values())
    rejected = await ledger.query(
        "select event_id, code, field from metering.rejected where vendor_id = :vendor order by 1"
    )
    assert [
        ("e-1", "conflicting_event", "event_id"),
        ("e-2", "conflicting_event", "event_id"),
    ] == [tuple(row) for row in rejected]
    told = [message for _, message in await ledger.publish() if hasattr(message, "origin_offset")]
    assert [("e-1", 999), ("e-2", 5)] == [(m.event_id, m.event["token_counts"][0]) for m in told]


async def test_a_rejected_event_claims_no_id(ledger: Ledger) -> None:
    """After a rejection the id is free: the right event still counts."""
    placed = place(make_event("e-1"), Sender(ledger.vendor_id, "live"), partitions=4)
    elsewhere = (placed.partition + 1) % 4
    wrong = await ledger.flush([(elsewhere, encode_envelope([placed.row]))])
    right = await ledger.count(make_event("e-1"))

    assert (0, 1, 1) == (wrong.counted, wrong.rejected, right.counted)


async def test_garbage_does_not_block_a_partition(ledger: Ledger) -> None:
    """A record that cannot be read is a row, and what follows it counts."""
    placed = place(make_event("e-1"), Sender(ledger.vendor_id, "live"), partitions=4)
    good = encode_envelope([placed.row])
    flushed = await ledger.flush([(placed.partition, b"garbage"), (placed.partition, good)])

    assert Flushed(counted=1, duplicates=0, rejected=1) == flushed
    rejected = await ledger.query(
        'select code, index from metering.rejected where partition = :partition and "offset" = :at',
        partition=placed.partition,
        at=ledger.offsets[placed.partition] - 2,
    )
    assert [("undecodable_envelope", 0)] == [tuple(row) for row in rejected]


async def test_what_arrives_after_a_seal_is_booked_in_the_open_day(ledger: Ledger) -> None:
    """`usage_day` stays the truth, `booked_day` moves to the first day that is not sealed."""
    await ledger.query(
        "insert into metering.vendor_seal values (:vendor, 'live', :day)", day=date(2026, 2, 3)
    )
    await ledger.count(
        make_event("e-1", tokens={"output_text": 1}),
        make_event(
            "e-2",
            tokens={"output_text": 10},
            occurred_at=datetime(2026, 2, 7, tzinfo=NOON.tzinfo),
        ),
    )

    assert {
        ("output_text", DAY, date(2026, 2, 4)): 1,
        ("output_text", date(2026, 2, 7), date(2026, 2, 7)): 10,
    } == await ledger.usage()


def _full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have Postgres refuse the marks, after ids and sums were written: the last step but one."""

    async def refuse(*_arguments: object) -> None:
        raise DiskFullError("could not extend file: No space left on device")

    monkeypatch.setattr(repository, "insert_marks", refuse)


async def test_a_full_disk_counts_nothing_and_loses_nothing(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A flush that Postgres refuses changes nothing; the same records count once there is room."""
    events = [make_event("e-1"), make_event(str(uuid_utils.uuid7()))]
    with monkeypatch.context() as refusing:
        _full_disk(refusing)
        with pytest.raises(DiskFullError):
            await ledger.count(*events)
    nothing = await ledger.usage()
    flushed = await ledger.count(*events)

    assert {} == nothing
    assert (2, 0) == (flushed.counted, flushed.duplicates)


async def test_a_memory_that_outlives_a_failed_flush_would_lose_events(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The broken variant: ids remembered, but never committed, make duplicates of new events."""
    event = make_event(str(uuid_utils.uuid7()))
    with monkeypatch.context() as refusing:
        _full_disk(refusing)
        refusing.setattr(Memory, "clear", lambda _memory: None)
        with pytest.raises(DiskFullError):
            await ledger.count(event)

    assert 0 == (await ledger.count(event)).counted


async def test_rows_that_are_known_are_added_to(ledger: Ledger) -> None:
    """What a worker knows of rows changes no sum: it may remember all, some or none of them."""
    for number in range(4):
        other = make_event(f"f-{number}", agent=f"agent-{number}")
        await ledger.count(make_event(f"e-{number}"), other)
        if number == 1:
            ledger.restart()

    expected = {("input_uncached", DAY, DAY): 40, ("output_text", DAY, DAY): 16}
    assert (expected, expected) == (await ledger.usage(), await ledger.usage("user_rollup"))


def _of_one_row(vendor_id: str) -> list[TokenEvent]:
    """Return two events of one partition, whose sums are therefore one row."""
    by_partition = defaultdict(list)
    for number in range(PARTITIONS + 1):
        event = make_event(f"e-{number}")
        placed = place(event, Sender(vendor_id, "live"), partitions=PARTITIONS)
        by_partition[placed.partition].append(event)
    return max(by_partition.values(), key=len)[:2]


async def test_a_row_that_is_gone_is_noticed(ledger: Ledger) -> None:
    """Sums are never added to nothing: the flush fails, and what it brought is counted later."""
    first, second = _of_one_row(ledger.vendor_id)
    await ledger.count(first)
    await ledger.query("delete from metering.rollup where vendor_id = :vendor returning 1")
    with pytest.raises(repository.RowsGoneError):
        await ledger.count(second)

    assert 1 == (await ledger.count(second)).counted


async def test_rows_remembered_of_a_failed_flush_would_be_missed(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The broken variant: rows that were rolled back are taken to be there. It is noticed."""
    first, second = _of_one_row(ledger.vendor_id)
    with monkeypatch.context() as refusing:
        _full_disk(refusing)
        refusing.setattr(Memory, "clear", lambda _memory: None)
        with pytest.raises(DiskFullError):
            await ledger.count(first)

    with pytest.raises(repository.RowsGoneError):
        await ledger.count(second)


def test_known_rows_are_bounded() -> None:
    """Above the limit all are forgotten; more than that in one flush are never kept."""
    rows = pl.DataFrame(
        {"partition": [0] * 3, "booked_day": [DAY] * 3, "row_key": [b"1", b"2", b"3"]}
    )
    known = repository.KnownRows(keys_max=2)
    known.add("rollup", rows[:2])
    kept = known.holds("rollup", rows).to_list()
    known.add("rollup", rows[2:])
    after = known.holds("rollup", rows).to_list()
    known.add("rollup", rows)

    assert ([True, True, False], [False, False, True]) == (kept, after)
    assert [False] * 3 == known.holds("rollup", rows).to_list()
