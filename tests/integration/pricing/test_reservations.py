"""Asking before work: holds, what is refused, and many who ask at once."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any

import httpx
import pytest

from services.pricing.domain.envelopes.envelope import Scope
from services.pricing.handlers.envelopes import reserving
from services.pricing.handlers.envelopes.reserving import reserve
from services.pricing.handlers.envelopes.settling import commit
from services.pricing.repository.envelopes import definitions
from services.pricing.repository.envelopes.facts import read_all
from services.pricing.schemas.reservation import ReservationWrite
from shared.accounts.repository import Account
from shared.database import Database
from shared.errors import TallyrollError
from tests.support.pricing_service import NOW

from .envelopes_api import WORK, Budgets, later
from .seats_api import key_of

CEILING = 1_000
"""Dollars that the ledger of 800 may come to at most."""
RESERVERS = 24


async def test_what_is_held_is_used(budgets: Budgets) -> None:
    """It is granted, held, and given back by a release; both twice are once."""
    first = [await budgets.reserve("a", "300") for _ in range(2)]
    held = await budgets.used()
    for _ in range(2):
        answer = await budgets.call("POST", "/v1/reservations/a/release")
        assert ("released", True) == (answer.json()["state"], answer.is_success)

    assert [(True, "open")] * 2 == [(one["granted"], one["state"]) for one in first]
    assert ("300", "0") == (held, await budgets.used())


async def test_a_run_under_way_extends_inside_the_overdraft(budgets: Budgets) -> None:
    """Up to 1,000 of 800; beyond it is refused, and what was held stays."""
    await budgets.reserve("a", "500")
    await budgets.use({"ann": 300})
    await budgets.look()

    more = await budgets.reserve("a", "700")
    beyond = await budgets.reserve("a", "701")

    assert (True, False) == (more["granted"], beyond["granted"])
    assert ("budget_exceeded", "1000") == (beyond["code"], await budgets.used())


async def test_a_new_run_meets_the_ladder(budgets: Budgets) -> None:
    """At 100 % it starts on the cheaper model, at 105 % background waits, at 110 % it asks."""
    found = []
    for tokens in (800, 840, 880):
        await budgets.use({"ann": tokens})
        await budgets.look()
        run = {"run": f"new-{tokens}"}
        found.append(await budgets.reserve(f"r-{tokens}", "0", work=run))
        late = await budgets.reserve(f"b-{tokens}", "0", work=run | {"run": ""}, background=True)
        found.append(late)

    assert [
        ("route", True, "cheap"),
        ("route", True, "cheap"),
        ("slow", True, "cheap"),
        ("slow", False, "cheap"),
        ("ask", False, "cheap"),
        ("ask", False, "cheap"),
    ] == [(one["step"], one["granted"], one["suggested_model"]) for one in found]
    assert "approval_required" == found[-1]["code"]


async def test_an_approved_run_begins(budgets: Budgets) -> None:
    """With a reason and an end; another run still asks."""
    await budgets.use({"ann": 880})
    await budgets.look()
    body = {"run": "r-9", "reason": "incident", "until": "2023-12-03T00:00:00Z"}
    approved = await budgets.call("POST", "/v1/envelopes/platform/approvals", body, key="r-9")
    assert 201 == approved.status_code, approved.text

    one = await budgets.reserve("a", "1", work={"run": "r-9"})
    other = await budgets.reserve("b", "1", work={"run": "r-8"})

    assert (True, False) == (one["granted"], other["granted"])


async def test_exploration_has_its_own(budgets: Budgets) -> None:
    """A run ledger that is used up leaves the 200 to explore; and they are no more than 200."""
    await budgets.use({"ann": 1_000})
    await budgets.look()

    run = await budgets.reserve("a", "1")
    explore = await budgets.reserve("b", "200", purpose="explore", work={"run": "r-2"})
    more = await budgets.reserve("c", "51", purpose="explore", work={"run": "r-3"})

    assert [False, True, False] == [one["granted"] for one in (run, explore, more)]


async def test_what_is_open_counts_in_the_next_period(budgets: Budgets, vendor: str) -> None:
    """Reserved yesterday for a day, from an envelope of each day: today it is held, once."""
    await budgets.put(period="day")
    account, yesterday = Account(vendor, "test"), NOW - timedelta(hours=20)
    body = {"work": WORK, "estimate": "300", "ttl_seconds": 86_400}
    written = ReservationWrite.model_validate(body)
    async with budgets.store.transaction() as connection:
        await reserve(connection, account, "a", written, now=yesterday)
    carried = await budgets.used()
    await budgets.reserve("a", "350", ttl_seconds=600)

    assert ("300", "350") == (carried, await budgets.used())


async def test_what_is_held_is_granted_when_asked_again(budgets: Budgets) -> None:
    """A lost answer: others have used all since, and the hold is still there."""
    await budgets.reserve("a", "300")
    await budgets.use({"bob": 900})
    await budgets.look()

    again = await budgets.reserve("a", "300")

    assert (True, "open") == (again["granted"], again["state"])


async def test_a_late_commit_does_not_wait_for_who_reserves(budgets: Budgets, vendor: str) -> None:
    """Reservers lock envelopes, then the reservation; the other way round would be a ring."""
    account = Account(vendor, "test")
    await budgets.reserve("a", "300", ttl_seconds=60)
    await budgets.look(later(seconds=61))
    async with budgets.store.transaction() as reserving, asyncio.timeout(10):
        await definitions.lock_matching(reserving, account, Scope(**WORK))
        async with budgets.store.transaction() as connection:
            await commit(connection, account, "a", Fraction(120), now=later(seconds=70))

    assert "120" == await budgets.used()


async def test_the_same_id_at_once_is_one_reservation(
    budgets: Budgets, crowd: Database, vendor: str
) -> None:
    """Without an envelope in the way nothing is locked, and still none fails."""
    account = Account(vendor, "test")
    written = ReservationWrite.model_validate({"work": {"tenant": "other"}, "estimate": "1"})

    async def ask() -> bool:
        async with crowd.transaction() as connection:
            return (await reserve(connection, account, "same", written, now=NOW)).granted

    assert [True] * RESERVERS == await asyncio.gather(*(ask() for _ in range(RESERVERS)))
    assert budgets.vendor == vendor


async def test_a_commit_in_between_is_not_overwritten(
    budgets: Budgets, crowd: Database, vendor: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It comes after an extension has read, and before it writes: the extension is refused."""
    await budgets.reserve("a", "300")

    async def reading(*arguments: Any) -> Any:
        found = await read_all(*arguments)
        await budgets.commit("a", "250")
        return found

    monkeypatch.setattr(reserving, "read_all", reading)
    written = ReservationWrite.model_validate({"work": WORK, "estimate": "400"})
    with pytest.raises(TallyrollError, match="holds no more"):
        async with crowd.transaction() as connection:
            await reserve(connection, Account(vendor, "test"), "a", written, now=NOW)

    state = (await budgets.call("GET", "/v1/reservations/a")).json()
    assert ("committed", "250") == (state["state"], state["committed"])
    assert "250" == await budgets.used()


async def test_contradictions_are_conflicts(budgets: Budgets) -> None:
    """Another amount, a release after the commit, the id of other work, a hold after the end."""
    await budgets.reserve("a", "10")
    await budgets.commit("a", "5")
    assert (await budgets.commit("a", "5")).is_success
    await budgets.reserve("b", "10", work={"run": "r-2"})
    other = {"work": WORK | {"run": "r-3"}, "estimate": "10"}

    answers = [
        await budgets.commit("a", "6"),
        await budgets.call("POST", "/v1/reservations/a/release"),
        await budgets.call("PUT", "/v1/reservations/b", other),
        await budgets.call("PUT", "/v1/reservations/a", {"work": WORK, "estimate": "20"}),
        await budgets.commit("nobody", "1"),
    ]

    assert [
        (409, "already_committed"),
        (409, "reservation_settled"),
        (409, "other_work"),
        (409, "reservation_settled"),
        (404, "unknown_reservation"),
    ] == [(answer.status_code, answer.json()["code"]) for answer in answers]


async def test_a_loop_is_stopped_whatever_is_left(budgets: Budgets) -> None:
    """51 dollars in five minutes stop a run whose envelope has plenty; another run goes on."""
    await budgets.put(loop={"window_seconds": 300, "spend_max": "50"})
    found = [await budgets.reserve("a", str(estimate)) for estimate in (20, 50, 51)]
    other = await budgets.reserve("b", "20", work={"run": "r-2"})

    assert [True, True, False] == [one["granted"] for one in found]
    assert "loop_stopped" == found[-1]["code"]
    assert other["granted"]


async def test_a_tenants_key_asks_for_its_own(
    budgets: Budgets, client: httpx.AsyncClient, headers: Any
) -> None:
    """It needs not name itself, sees no other's reservation, and sets no envelope."""
    await budgets.call("PUT", "/v1/tenants/acme", {"name": "Acme"})
    own = await key_of(client, headers, "acme", "budgets:write")
    await budgets.reserve("a", "1")
    body = {"work": {"agent": "coder"}, "estimate": "1"}

    mine = await client.put("/v1/reservations/mine", json=body, headers=own)
    foreign = await client.get("/v1/reservations/a", headers=own)
    stolen = await client.put(
        "/v1/reservations/x", json={"work": WORK, "estimate": "1"}, headers=own
    )
    envelope = await client.put("/v1/envelopes/x", json={}, headers=own)

    assert (200, True) == (mine.status_code, mine.json()["granted"])
    assert [404, 403] == [foreign.status_code, stolen.status_code]
    assert envelope.status_code in (400, 403)


async def _race(opened: Database, vendor: str, estimate: int) -> int:
    """Let many ask at once; return what was granted in all."""
    account = Account(vendor, "test")

    async def ask(number: int) -> int:
        work = WORK | {"run": f"r-{number}"}
        written = ReservationWrite.model_validate({"work": work, "estimate": str(estimate)})
        async with opened.transaction() as connection:
            found = await reserve(connection, account, f"n-{number}", written, now=NOW)
        return estimate if found.granted else 0

    return sum(await asyncio.gather(*(ask(number) for number in range(RESERVERS))))


async def test_many_who_ask_at_once_stay_below_the_ceiling(
    budgets: Budgets, crowd: Database, vendor: str
) -> None:
    """24 ask for 90 each: no more is granted than fits, and not much less."""
    granted = await _race(crowd, vendor, 90)

    assert CEILING - 2 * 90 < granted <= CEILING
    assert str(granted) == await budgets.used()


async def test_without_the_lock_they_go_beyond_it(
    budgets: Budgets, crowd: Database, vendor: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The variant that reads without a lock grants more than there is: the test above sees it."""
    gate = asyncio.Barrier(12)

    async def unlocked(connection: Any, account: Account, _work: Any) -> Sequence[Any]:
        rows = await definitions.list_all(connection, account)
        async with asyncio.timeout(10):
            await gate.wait()
        return rows

    monkeypatch.setattr(definitions, "lock_matching", unlocked)

    assert CEILING < await _race(crowd, vendor, 90)


async def test_old_figures_grant_and_say_so(budgets: Budgets) -> None:
    """Usage of two minutes ago at 110 %: a new run begins inside the overdraft."""
    old: datetime = NOW - timedelta(minutes=2)
    await budgets.use({"ann": 880}, watermark=old)
    await budgets.look()

    found = await budgets.reserve("a", "1")

    assert (True, True, "route") == (found["granted"], found["stale"], found["step"])
    assert old.isoformat().replace("+00:00", "Z") == found["as_of"]
