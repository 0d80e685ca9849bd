"""The flush: each event once, whatever the order, the batching, or a stale worker."""

import random
from datetime import date, datetime

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from services.metering.ingest.envelope import encode_envelope, place
from services.metering.repository.offsets import FencedError, Move
from services.metering.worker.flush import Flushed, _count, flush
from services.metering.worker.reading import Reading, Record, read_records
from shared.database import Database

from .conftest import NOON, Ledger, make_event

DAY = date(2026, 1, 31)


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


async def _flush_without_fence(
    database: Database, reading: Reading, moves: dict[int, Move]
) -> Flushed:
    """Count first and set the offset, as a worker would that trusts its assignment."""
    async with database.transaction() as connection:
        flushed = await _count(connection, reading)
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
    placed = place(make_event("e-1"), vendor_id=ledger.vendor_id, mode="live", partitions=4)
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
        await flush(ledger.database, reading, moves)

    after = await ledger.query("select * from metering.counting_statistic order by 1, 2, 3")
    assert before == after


async def test_without_the_fence_a_stale_worker_counts_twice(ledger: Ledger) -> None:
    """The broken variant: no compare-and-set, identities forgotten, and the event counts twice."""
    reading, moves = _stale(ledger)
    await ledger.count(make_event("e-1"))
    # The identity table is a second net under the fence; the fence alone is on trial here.
    await ledger.query("delete from metering.event_identity where vendor_id = :vendor")

    await _flush_without_fence(ledger.database, reading, moves)
    assert {10, 4} == set((await ledger.usage()).values())

    with pytest.raises(FencedError):
        await flush(ledger.database, reading, moves)
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
    placed = place(make_event("e-1"), vendor_id=ledger.vendor_id, mode="live", partitions=4)
    elsewhere = (placed.partition + 1) % 4
    wrong = await ledger.flush([(elsewhere, encode_envelope([placed.row]))])
    right = await ledger.count(make_event("e-1"))

    assert (0, 1, 1) == (wrong.counted, wrong.rejected, right.counted)


async def test_garbage_does_not_block_a_partition(ledger: Ledger) -> None:
    """A record that cannot be read is a row, and what follows it counts."""
    placed = place(make_event("e-1"), vendor_id=ledger.vendor_id, mode="live", partitions=4)
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
