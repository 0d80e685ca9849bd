"""Identity for all time, natural keys, revisions and corrections: in the database."""

import random
from datetime import date, timedelta
from typing import Any

import pytest
import uuid_utils

from services.metering.domain.event import TokenEvent, WrittenVoid, normalise_void
from services.metering.worker.verdicts import Flushed

from .conftest import Ledger, make_event

DAY = date(2026, 1, 31)
KINDS = {"input_uncached", "output_text"}


def _void(target: str, revision: int, event_id: str = "c-void") -> TokenEvent:
    written = WrittenVoid(event_id, target, "void", revision, reason="a test run")
    return normalise_void(written, tenant_id="acme")


def _replace(target: str, revision: int, **changes: Any) -> TokenEvent:
    event_id = changes.pop("event_id", f"c-{revision}")
    changes = {"tokens": {"output_text": 100 * revision}, **changes}
    return make_event(event_id, corrects=target, action="replace", revision=revision, **changes)


def _v7() -> str:
    return str(uuid_utils.uuid7())


async def _sums(ledger: Ledger) -> dict[str, int]:
    """Return the sums per kind, without those that are zero."""
    rows = await ledger.query(
        "select kind, sum(quantity) from metering.rollup where vendor_id = :vendor group by 1"
    )
    return {kind: int(quantity) for kind, quantity in rows if quantity}


@pytest.mark.parametrize("event_id", ["019a2f6e-5c1b-7c3a-9d57-3f6f0e6a1b2c", "mine-1", "7" * 36])
async def test_a_re_send_is_known_for_ever(ledger: Ledger, event_id: str) -> None:
    """A duplicate is one after a restart of the worker too, whatever kind of id it has."""
    await ledger.count(make_event(event_id))
    ledger.restart()
    again = await ledger.count(make_event(event_id), make_event(event_id))

    assert (0, 2) == (again.counted, again.duplicates)
    assert {"input_uncached": 5, "output_text": 2} == await _sums(ledger)


async def test_time_ordered_ids_of_any_age_are_told_apart(ledger: Ledger) -> None:
    """Ids of the same and of many milliseconds, in segments of many flushes, count once each."""
    chance = random.Random(3)  # noqa: S311 - a seeded test
    ids = [_v7() for _ in range(300)]
    ids += [f"0{chance.randrange(16**7):07x}-0000-7000-8000-{i:012x}" for i in range(300)]
    for begin in range(0, len(ids), 100):
        ledger.restart()
        await ledger.count(*(make_event(i) for i in ids[: begin + 100]))

    assert {"input_uncached": 5 * 600, "output_text": 2 * 600} == await _sums(ledger)


async def test_without_segments_a_restart_would_count_twice(ledger: Ledger) -> None:
    """The broken variant: an id store that lives in memory forgets, and the re-send counts."""
    event_id = _v7()
    await ledger.count(make_event(event_id))
    await ledger.query("delete from metering.identity_segment")
    ledger.restart()

    assert 1 == (await ledger.count(make_event(event_id))).counted


async def test_a_response_seen_by_two_instruments_counts_once(ledger: Ledger) -> None:
    """The first instrument to book a line owns the response; the other's lines are duplicates."""
    sdk = {"response_id": "resp-1", "instrument": "sdk"}
    gateway = {"response_id": "resp-1", "instrument": "gateway", "tokens": {"output_text": 9}}
    first = await ledger.count(make_event("e-1", **sdk))
    second = await ledger.count(make_event("e-2", **gateway), make_event("e-3", line=1, **sdk))
    within = await ledger.count(
        make_event("e-4", **{**sdk, "response_id": "resp-2"}),
        make_event("e-5", **{**gateway, "response_id": "resp-2"}),
    )

    assert (1, 0) == (first.counted, first.rejected)
    assert (1, 1, 0) == (second.counted, second.duplicates, second.rejected)
    assert (1, 1, 0) == (within.counted, within.duplicates, within.rejected)


async def test_the_natural_key_is_the_tenants_and_the_providers(ledger: Ledger) -> None:
    """The same response id of another tenant or provider is another response."""
    flushed = await ledger.count(
        make_event("e-1", response_id="r", instrument="a"),
        make_event("e-2", response_id="r", instrument="b", tenant_id="globex"),
        make_event("e-3", response_id="r", instrument="b", provider="anthropic"),
    )

    assert 3 == flushed.counted


async def test_a_growing_stream_counts_its_last_revision(ledger: Ledger) -> None:
    """Revisions of one id, late and doubled ones too, leave the highest."""
    grown = [make_event("e-1", revision=r, tokens={"output_text": 10 * r + 1}) for r in range(5)]
    await ledger.count(grown[0], grown[2])
    ledger.restart()
    later = await ledger.count(grown[1], grown[4], grown[2], grown[4])

    assert {"output_text": 41} == await _sums(ledger)
    assert (1, 2, 1) == (later.corrections, later.stale, later.duplicates)


@pytest.mark.parametrize("seed", range(6))
async def test_corrections_in_any_order_leave_the_highest_revision(
    ledger: Ledger, seed: int
) -> None:
    """Events, revisions, replacements and voids in any order and batching give the same sums."""
    chance = random.Random(seed)  # noqa: S311 - a seeded test
    target = chance.choice(["e-1", _v7()])
    sent = [
        make_event(target),
        make_event(target, revision=1, tokens={"output_text": 77}),
        _replace(target, 2),
        _void(target, 3),
        _replace(target, 4, model="other"),
        make_event("e-2", tokens={"output_text": 1}),
    ]
    sent += chance.choices(sent, k=4)
    chance.shuffle(sent)
    while sent:
        size = chance.randint(1, 4)
        await ledger.count(*sent[:size])
        sent = sent[size:]
        if chance.random() < 0.5:
            ledger.restart()

    assert {"output_text": 401} == await _sums(ledger)


async def test_usage_rows_only_grow(ledger: Ledger) -> None:
    """What a correction takes back stands in rows of its own, negative, with its audit."""
    await ledger.count(make_event("e-1"))
    flushed = await ledger.count(_void("e-1", 1))

    assert Flushed(counted=0, duplicates=0, rejected=0, corrections=1) == flushed
    rows = await ledger.query(
        "select entry, kind, quantity, events from metering.rollup "
        "where vendor_id = :vendor order by 1, 2"
    )
    assert [
        ("correction", "input_uncached", -5, -1),
        ("correction", "output_text", -2, -1),
        ("usage", "input_uncached", 5, 1),
        ("usage", "output_text", 2, 1),
    ] == [(e, k, int(q), n) for e, k, q, n in rows]
    audit = await ledger.query(
        "select target_id, action, revision, reason, state from metering.correction c "
        "join metering.tenant_number t on t.number = c.tenant_number where vendor_id = :vendor"
    )
    assert [("e-1", "void", 1, "a test run", "applied")] == [tuple(row) for row in audit]


async def test_a_correction_of_a_sealed_day_is_booked_in_the_open_one(ledger: Ledger) -> None:
    """The sealed day keeps its sums; the difference stands in the first open day."""
    await ledger.count(make_event("e-1", tokens={"output_text": 10}))
    await ledger.query("insert into metering.vendor_seal values (:vendor, 'live', :day)", day=DAY)
    await ledger.count(_replace("e-1", 1, tokens={"output_text": 7}))

    assert {
        ("output_text", DAY, DAY): 10,
        ("output_text", DAY, DAY + timedelta(days=1)): -3,
    } == await ledger.usage()


async def test_a_correction_ahead_of_its_target_waits(ledger: Ledger) -> None:
    """A void that arrives first counts nothing; the event that follows is taken back at once."""
    early = await ledger.count(_void("e-1", 1))
    ledger.restart()
    late = await ledger.count(make_event("e-1"))

    assert (1, 0) == (early.corrections, early.counted)
    assert 1 == late.counted
    assert {} == await _sums(ledger)


async def test_conflicting_corrections_are_quarantined(ledger: Ledger) -> None:
    """Same revision with other content is a conflict; a correction's id is not used twice."""
    await ledger.count(make_event("e-1"), make_event("e-2"), _replace("e-1", 1))
    other = await ledger.count(_replace("e-1", 1, event_id="c-9", tokens={"output_text": 9}))
    reused = await ledger.count(_replace("e-2", 1, event_id="c-1"))

    assert (1, 1) == (other.rejected, reused.rejected)
    assert {"input_uncached": 5, "output_text": 102} == await _sums(ledger)


async def test_a_correction_cannot_take_back_what_another_instrument_booked(ledger: Ledger) -> None:
    """Voiding a duplicate would make the response negative: it is refused, with a reason."""
    await ledger.count(make_event("e-1", response_id="r", instrument="sdk"))
    await ledger.count(make_event("e-2", response_id="r", instrument="gateway"))
    refused = await ledger.count(_void("e-2", 1))

    assert 1 == refused.rejected
    codes = await ledger.query("select code from metering.rejected where vendor_id = :vendor")
    assert ["corrects_duplicate"] == [row.code for row in codes]
    assert {"input_uncached": 5, "output_text": 2} == await _sums(ledger)


async def test_what_is_taken_back_is_published(ledger: Ledger) -> None:
    """Negative rows reach pricing as rows of their own, cumulative like all others."""
    await ledger.count(make_event("e-1"), _void("e-1", 1))

    (message,) = [m for _, m in await ledger.publish() if hasattr(m, "rows")]

    assert {("usage", 1, 5), ("correction", -1, -5)} == {
        (row.entry, row.events, int(row.quantity))
        for row in message.rows
        if row.kind == "input_uncached"
    }
