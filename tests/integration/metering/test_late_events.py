"""Late events: order, delay, batching, duplication and seals change no sum per usage day."""

import random
from collections import Counter
from datetime import date, timedelta
from typing import Any

import pytest

from services.metering.domain.event import TokenEvent, WrittenVoid, normalise_void
from services.metering.sealing import Sealer
from shared.accounts.repository import Account
from shared.clock import FrozenClock

from .conftest import NOON, Ledger, make_event

FIRST = date(2026, 1, 20)
DAYS = 6


class _NothingBehind:
    """A log that is counted to its end, as a ledger's always is."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def end_offsets(self) -> dict[int, int]:
        return dict(self._ledger.offsets)


def _events(chance: random.Random) -> list[TokenEvent]:
    """Return usage of six days, some of it revised, replaced or voided."""
    sent: list[TokenEvent] = []
    for number in range(48):
        day = NOON + timedelta(days=FIRST.toordinal() - NOON.date().toordinal())
        at = day + timedelta(days=chance.randrange(DAYS), hours=chance.randrange(-12, 12))
        changes: dict[str, Any] = {"occurred_at": at, "tokens": {"output_text": 2**number}}
        sent.append(make_event(f"e-{number}", **changes))
        if chance.random() < 0.2:
            sent.append(make_event(f"e-{number}", **changes, revision=1, model="grown"))
        if chance.random() < 0.2:
            replaced = {**changes, "occurred_at": at - timedelta(days=1)}
            sent.append(
                make_event(
                    f"c-{number}", **replaced, corrects=f"e-{number}", action="replace", revision=2
                )
            )
        if chance.random() < 0.1:
            void = WrittenVoid(f"v-{number}", f"e-{number}", "void", 3)
            sent.append(normalise_void(void, tenant_id="acme"))
    return sent


def _expected(sent: list[TokenEvent]) -> dict[tuple[date, str], int]:
    """Return the sums by an independent way: of each target the highest revision counts."""
    highest: dict[str, TokenEvent] = {}
    for event in sent:
        target = event.corrects or event.event_id
        if target not in highest or event.revision > highest[target].revision:
            highest[target] = event
    sums: Counter[tuple[date, str]] = Counter()
    for event in highest.values():
        if event.occurred_at is not None:
            sums[event.occurred_at.date(), event.model] += event.tokens["output_text"]
    return dict(sums)


async def _by_usage_day(ledger: Ledger) -> dict[tuple[date, str], int]:
    rows = await ledger.query(
        "select usage_day, model, sum(quantity) from metering.rollup "
        "where vendor_id = :vendor group by 1, 2"
    )
    return {(day, model): int(quantity) for day, model, quantity in rows if quantity}


@pytest.mark.parametrize("seed", range(8))
async def test_seals_and_disorder_change_no_sum_per_usage_day(ledger: Ledger, seed: int) -> None:
    """Events in any order and batching, repeated, with seals in between: the same sums."""
    chance = random.Random(seed)  # noqa: S311 - a seeded test
    sent = _events(chance)
    expected = _expected(sent)
    sent += chance.choices(sent, k=30)
    chance.shuffle(sent)
    clock = FrozenClock(NOON + timedelta(days=30))
    sealer = Sealer(ledger.database, _NothingBehind(ledger), clock)
    sealed = FIRST - timedelta(days=2)
    booked: dict[date, Any] = {}
    while sent:
        size = chance.randint(1, 25)
        await ledger.count(*sent[:size])
        sent = sent[size:]
        if chance.random() < 0.3:
            ledger.restart()
        if chance.random() < 0.4 and sealed < FIRST + timedelta(days=DAYS):
            sealed += timedelta(days=chance.randint(1, 3))
            await sealer.close(Account(ledger.vendor_id, "live"), sealed)
            booked = await _sealed_sums(ledger, sealed)

    assert expected == await _by_usage_day(ledger)
    assert booked == await _sealed_sums(ledger, sealed)


async def _sealed_sums(ledger: Ledger, through: date) -> dict[date, Any]:
    """Return what is booked in sealed days: nothing of it may change any more."""
    rows = await ledger.query(
        "select booked_day, entry, sum(quantity), sum(events) from metering.rollup "
        "where vendor_id = :vendor and booked_day <= :through group by 1, 2 order by 1, 2",
        through=through,
    )
    return {(row.booked_day, row.entry): tuple(row[2:]) for row in rows}  # type: ignore[misc]


def test_the_last_arrival_is_not_the_highest_revision() -> None:
    """The broken variant: last write wins gives other sums for another order."""
    sent = [
        make_event("e-1", revision=1, tokens={"output_text": 2}),
        make_event("e-1", tokens={"output_text": 1}),
    ]
    last = {event.event_id: event.tokens["output_text"] for event in sent}

    assert {(NOON.date(), "gpt-5"): 2} == _expected(sent)
    assert {"e-1": 1} == last
