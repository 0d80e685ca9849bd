"""Reservations that are over: settled without an envelope too, kept for a time, then forgotten."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import insert, select, text
from sqlalchemy.exc import DBAPIError

from services.pricing.envelope_tables import reservation, reservation_log
from services.pricing.housekeeping import RESERVATIONS_KEPT, Housekeeper
from shared.clock import FrozenClock
from tests.support.pricing_service import NOW

from .envelopes_api import Budgets, later

ENDS = {"reserve": "open", "extend": "open", "commit": "committed", "release": "released"}
"""What was done last -> what a reservation is, until time or usage ends it."""
BECOMES = {"open": {"open", "expired"}, "committed": {"committed", "metered"}}

RUNS_KEPT = timedelta(days=90)


async def _logs(budgets: Budgets) -> dict[str, list[str]]:
    """Return what was done with each reservation of the vendor, in order."""
    log = reservation_log.c
    query = select(log.reservation_id, log.what).where(log.vendor_id == budgets.vendor)
    found: dict[str, list[str]] = {}
    async with budgets.store.transaction() as connection:
        for row in await connection.execute(query.order_by(log.reservation_id, log.number)):
            found.setdefault(row.reservation_id, []).append(row.what)
    return found


async def _states(budgets: Budgets) -> dict[str, str]:
    kept = reservation.c
    query = select(kept.reservation_id, kept.state).where(kept.vendor_id == budgets.vendor)
    async with budgets.store.transaction() as connection:
        return {row.reservation_id: row.state for row in await connection.execute(query)}


async def _reserve_four(budgets: Budgets) -> None:
    """One of each: released, committed and metered, expired, still open for a day."""
    for name in ("released", "metered", "expired", "open"):
        ttl = 86_400 if name == "open" else 60
        await budgets.reserve(name, "1", ttl_seconds=ttl, work={"run": name})
    await budgets.call("POST", "/v1/reservations/released/release")
    await budgets.commit("metered", "1")
    await budgets.use({"ann": 1}, watermark=later(seconds=61))
    await budgets.look(later(seconds=61))


async def test_what_is_over_is_forgotten_after_a_time(budgets: Budgets) -> None:
    """With its log; what is open stays, and what it is still follows from its log."""
    await _reserve_four(budgets)
    before = await _states(budgets)
    logs = await _logs(budgets)
    early = NOW + RESERVATIONS_KEPT
    await Housekeeper(budgets.store, FrozenClock(early), RUNS_KEPT).delete_old_reservations()
    kept = await _states(budgets)
    await Housekeeper(
        budgets.store, FrozenClock(early + timedelta(seconds=61)), RUNS_KEPT
    ).delete_old_reservations()

    assert {name: name for name in ("released", "metered", "expired", "open")} == before == kept
    assert all(
        before[name] in BECOMES.get(ENDS[done[-1]], {ENDS[done[-1]]}) for name, done in logs.items()
    )
    assert {"open": "open"} == await _states(budgets)
    assert {"open": ["reserve"]} == await _logs(budgets)


async def test_what_is_forgotten_is_unknown(budgets: Budgets) -> None:
    """A commit or release that comes again after that is refused; nothing is counted twice."""
    await budgets.reserve("a", "1")
    await budgets.call("POST", "/v1/reservations/a/release")
    late = NOW + RESERVATIONS_KEPT + timedelta(days=1)
    await Housekeeper(budgets.store, FrozenClock(late), RUNS_KEPT).delete_old_reservations()

    answers = [
        await budgets.call("POST", "/v1/reservations/a/release"),
        await budgets.commit("a", "1"),
        await budgets.call("GET", "/v1/reservations/a"),
    ]

    assert [(404, "unknown_reservation")] * 3 == [
        (answer.status_code, answer.json()["code"]) for answer in answers
    ]
    assert "0" == await budgets.used()


async def test_the_log_is_not_forgotten_sooner(budgets: Budgets) -> None:
    """The database refuses it, whoever asks; and it refuses every change."""
    entry: dict[str, Any] = {
        "vendor_id": budgets.vendor,
        "mode": "test",
        "reservation_id": "x",
        "number": 0,
        "tenant": "globex",
        "run": "",
        "what": "reserve",
        "amount_exact": "1",
    }
    async with budgets.store.transaction() as connection:
        at = (await connection.execute(text("select now()"))).scalar_one()
        await connection.execute(insert(reservation_log).values(**entry, at=at))

    for statement in (
        "delete from pricing.reservation_log where vendor_id = :vendor",
        "update pricing.reservation_log set what = 'commit' where vendor_id = :vendor",
    ):
        with pytest.raises(DBAPIError):
            await _execute(budgets, statement)


async def _execute(budgets: Budgets, statement: str) -> None:
    async with budgets.store.transaction() as connection:
        await connection.execute(text(statement), {"vendor": budgets.vendor})


async def test_without_an_envelope_reservations_end_too(budgets: Budgets) -> None:
    """The account has none any more: a hold still expires, a commit is still metered."""
    await budgets.reserve("a", "1", ttl_seconds=60)
    await budgets.reserve("b", "1", work={"run": "r-2"})
    await budgets.commit("b", "1")
    await budgets.call("DELETE", "/v1/envelopes/platform")
    await budgets.use({"ann": 1}, watermark=later(seconds=61))
    await budgets.look(later(seconds=61))

    assert {"a": "expired", "b": "metered"} == await _states(budgets)
