"""Envelopes from usage to what they say: metered once, told once, pushed to programs."""

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, text

from services.pricing.envelope_watching import EnvelopeWatcher
from services.pricing.handlers.envelopes import looking
from services.pricing.handlers.envelopes.history import read_parts
from services.pricing.tables import outbox
from shared.accounts.repository import Account
from shared.clock import FrozenClock
from shared.events.spend_crossed import EnvelopeCrossed
from shared.topics import SPEND_CROSSED
from tests.support.pricing_service import NOW

from .envelopes_api import PLATFORM, TODAY, Budgets, later


async def _told(budgets: Budgets) -> list[EnvelopeCrossed]:
    query = select(outbox.c.payload).where(outbox.c.topic == SPEND_CROSSED.name)
    async with budgets.store.transaction() as connection:
        payloads = (await connection.scalars(query.order_by(outbox.c.position))).all()
    whole = [payload for payload in payloads if "envelope" in json.loads(payload)]
    read = map(EnvelopeCrossed.model_validate_json, whole)
    return [one for one in read if one.vendor_id == budgets.vendor]


async def _hints(budgets: Budgets) -> dict[str, Any]:
    answer = await budgets.call("GET", "/v1/budget-hints")
    assert answer.is_success, answer.text
    return {hint["id"]: hint for hint in answer.json()["hints"]}


async def test_usage_of_the_scope_is_metered_in_its_ledger(budgets: Budgets) -> None:
    """Two of the team's users, 300 dollars to run and 50 to explore; other teams are not in it."""
    await budgets.use({"ann": 100, "bob": 200})
    await budgets.use({"ann": 50}, purpose="explore")
    await budgets.put("others", scope={"tenant": "globex", "team": "others"})
    await budgets.look()

    others = (await budgets.call("GET", "/v1/envelopes/others/state")).json()

    assert ("300", "50") == (await budgets.used(), await budgets.used("explore"))
    assert {"0"} == {one["used"] for one in others["ledgers"]}


async def test_a_user_has_its_part_of_the_day(budgets: Budgets) -> None:
    """Who used a third of the tokens used a third of their cost; all parts are the whole."""
    for user in ("ann", "bob", "nobody-else"):
        await budgets.put(user, scope={"tenant": "globex", "user": user})
    await budgets.use({"ann": 100, "bob": 200})
    await budgets.look()

    used = []
    for user in ("ann", "bob", "nobody-else"):
        state = (await budgets.call("GET", f"/v1/envelopes/{user}/state")).json()
        used.append(state["ledgers"][0]["used"])

    assert ["100", "200", "0"] == used


async def test_what_has_no_price_is_listed_and_counts_what_is_assumed(budgets: Budgets) -> None:
    """A kind without a price: 3,000,000 units at an assumed 2 dollars a million are 6."""
    await budgets.put(unpriced_per_million="2")
    await budgets.use({"ann": 3_000_000}, kind="mystery")
    await budgets.look()

    state = (await budgets.call("GET", "/v1/envelopes/platform/state")).json()

    assert "6" == await budgets.used()
    assert {"lab/dear/mystery": "3000000"} == state["unpriced"]


async def test_each_share_is_told_once_a_period(budgets: Budgets) -> None:
    """From nothing to 95 % three shares at once, then none, then all of it."""
    looks = [await budgets.look()]
    for tokens in (760, 760, 800):
        await budgets.use({"ann": tokens})
        looks += [await budgets.look(), await budgets.look()]

    told = await _told(budgets)

    assert [0, 3, 0, 0, 0, 1, 0] == looks
    assert ["0.5", "0.75", "0.9", "1"] == [one.share for one in told]
    assert {("platform", "run", TODAY.replace(day=1))} == {
        (one.envelope, one.ledger, one.period_start) for one in told
    }
    assert 4 == len({one.crossing_id for one in told})


async def test_what_is_held_is_told_as_well(budgets: Budgets) -> None:
    """A hold of 400 reaches half; once it is metered, that is no news."""
    await budgets.reserve("a", "400")
    looks = [await budgets.look()]
    await budgets.commit("a", "400")
    await budgets.use({"ann": 400}, watermark=later(seconds=1))
    looks.append(await budgets.look(later(seconds=1)))

    assert [1, 0] == looks
    assert ["0.5"] == [one.share for one in await _told(budgets)]


async def test_old_figures_close_nothing_that_a_reservation_would_grant(budgets: Budgets) -> None:
    """At 110 % of two minutes ago a program is told what a reservation is: the cheaper model."""
    await budgets.use({"ann": 880}, watermark=NOW - timedelta(minutes=2))
    await budgets.look()

    assert "over" == (await _hints(budgets))["platform/run"]["state"]


async def test_programs_are_told_where_it_stands(budgets: Budgets) -> None:
    """Open, near, over with the cheaper model, closed; the exploration beside it stays open."""
    states = []
    for tokens in (100, 720, 800, 880):
        await budgets.use({"ann": tokens})
        await budgets.look()
        states.append((await _hints(budgets))["platform/run"]["state"])
    hints = await _hints(budgets)

    assert ["open", "near", "over", "closed"] == states
    assert "open" == hints["platform/explore"]["state"]
    assert {"dear": "cheap"} == hints["platform/run"]["suggested"]
    assert "2024-01-01T00:00:00Z" == hints["platform/run"]["expires_at"]


async def test_what_has_not_changed_is_not_sent_again(budgets: Budgets) -> None:
    """Under its tag it is a 304 that says as of when; after usage it is another."""
    await budgets.look()
    first = await budgets.call("GET", "/v1/budget-hints")
    tagged = budgets.headers | {"If-None-Match": first.headers["etag"]}

    await budgets.look(later(seconds=5))
    same = await budgets.client.get("/v1/budget-hints", headers=tagged)
    await budgets.use({"ann": 800})
    await budgets.look(later(seconds=10))
    other = await budgets.client.get("/v1/budget-hints", headers=tagged)

    assert (304, b"") == (same.status_code, same.content)
    assert same.headers["tallyroll-as-of"] == later(seconds=5).isoformat()
    assert 200 == other.status_code


async def test_who_waits_learns_at_once(budgets: Budgets) -> None:
    """A question under the known tag is held until a program would decide otherwise.

    More usage in the same state changes nothing for it; another state answers before the time is
    over, and where nothing changes the same holds as of a later time.
    """
    await budgets.look()
    known = (await budgets.call("GET", "/v1/budget-hints")).headers["etag"]
    tagged = budgets.headers | {"If-None-Match": known, "Prefer": "wait=30"}
    asked = budgets.client.get("/v1/budget-hints", headers=tagged)
    waiting = asyncio.create_task(asked)
    await budgets.use({"ann": 10})
    await budgets.look(later(seconds=5))
    held = await budgets.client.get("/v1/budget-hints", headers=tagged | {"Prefer": "wait=2"})
    assert not waiting.done()
    await budgets.use({"ann": 800})
    await budgets.look(later(seconds=10))
    answer = await asyncio.wait_for(waiting, 25)

    assert (304, "wait=2") == (held.status_code, held.headers["preference-applied"])
    assert later(seconds=5).isoformat() == held.headers["tallyroll-as-of"]
    assert (200, "wait=30") == (answer.status_code, answer.headers["preference-applied"])
    states = {hint["id"]: hint["state"] for hint in answer.json()["hints"]}
    assert "over" == states["platform/run"]


async def test_a_tenant_waits_for_its_own(budgets: Budgets) -> None:
    """News of another tenant is none; of its own, and of what is everybody's, it is."""
    await budgets.put("other", scope={"tenant": "initech"})
    await budgets.look()
    body = {"name": "bound", "tenant_id": "globex", "scopes": ["events:write"]}
    made = await budgets.call("POST", "/v1/api-keys", body, key="bound")
    bound = {"Authorization": f"Bearer {made.json()['api_key']}", "Prefer": "wait=2"}
    first = await budgets.client.get("/v1/budget-hints", headers=bound)
    bound["If-None-Match"] = first.headers["etag"]

    await budgets.put("other", scope={"tenant": "initech"}, suggestions={"a": "b"})
    same = await budgets.client.get("/v1/budget-hints", headers=bound)
    await budgets.put("everybody", scope={"agent": "coder"})
    other = await budgets.client.get("/v1/budget-hints", headers=bound)

    assert {"globex"} == {hint["scope"]["tenant"] for hint in first.json()["hints"]}
    assert (304, 200) == (same.status_code, other.status_code)
    named = {hint["id"].partition("/")[0] for hint in other.json()["hints"]}
    assert {"platform", "everybody"} == named


@pytest.mark.parametrize("prefer", ["wait=0", "wait=soon", "respond-async", "wait=-1", ""])
async def test_another_preference_is_no_fault(budgets: Budgets, prefer: str) -> None:
    """What is no time to wait is not waited for."""
    await budgets.look()
    known = (await budgets.call("GET", "/v1/budget-hints")).headers["etag"]
    tagged = budgets.headers | {"If-None-Match": known, "Prefer": prefer}

    answer = await asyncio.wait_for(budgets.client.get("/v1/budget-hints", headers=tagged), 25)

    assert 304 == answer.status_code
    assert "preference-applied" not in answer.headers


async def test_the_overdraft_is_repaid_by_the_next_period(budgets: Budgets) -> None:
    """860 of 800 in November: December begins with 60 less; what was explored is lost, not owed."""
    november = NOW - timedelta(days=2)
    await budgets.use({"ann": 860}, day=november.date(), watermark=november)
    await budgets.look(november)
    await budgets.use({"ann": 1})
    await budgets.look()

    state = await budgets.state()

    assert ("740", "60", "1") == (state["limit"], state["overdrawn_before"], state["used"])
    assert "200" == (await budgets.state("explore"))["limit"]


async def test_late_usage_of_the_period_before_is_repaid_too(budgets: Budgets) -> None:
    """780 when November was looked at last, 80 more of it on the first day of December."""
    november = NOW - timedelta(days=2)
    await budgets.use({"ann": 780}, day=november.date(), watermark=november)
    await budgets.look(november)
    await budgets.use({"ann": 860}, day=november.date())
    await budgets.look()

    state = await budgets.state()

    assert ("740", "60") == (state["limit"], state["overdrawn_before"])


async def test_a_raise_has_a_reason_and_an_end(budgets: Budgets) -> None:
    """It counts until then; sent twice under its key it is one; in the past it is refused."""
    body = {"ledger": "run", "amount": "100", "reason": "launch", "until": "2023-12-03T00:00:00Z"}
    for _ in range(2):
        answer = await budgets.call("POST", "/v1/envelopes/platform/raises", body, key="launch")
        assert 201 == answer.status_code, answer.text
    past = body | {"until": "2023-12-01T00:00:00Z"}

    refused = await budgets.call("POST", "/v1/envelopes/platform/raises", past, key="past")

    assert "900" == (await budgets.state())["limit"]
    assert (400, "ended_before") == (refused.status_code, refused.json()["code"])


async def test_only_a_transfer_moves_money_between_ledgers(budgets: Budgets) -> None:
    """Both change by the same; more than there is left is refused."""
    body = {"source": "run", "amount": "50", "reason": "trial", "until": "2024-01-01T00:00:00Z"}
    path = "/v1/envelopes/platform/transfers"

    moved = await budgets.call("POST", path, body, key="one")
    much = await budgets.call("POST", path, body | {"amount": "751"}, key="two")

    assert 201 == moved.status_code, moved.text
    limits = [(await budgets.state(ledger))["limit"] for ledger in ("run", "explore")]
    assert ["750", "250"] == limits
    assert (409, "not_left") == (much.status_code, much.json()["code"])


async def test_movements_are_never_changed(budgets: Budgets) -> None:
    """The database refuses it: a correction is another movement."""
    body = {"ledger": "run", "amount": "1", "reason": "x", "until": "2024-01-01T00:00:00Z"}
    await budgets.call("POST", "/v1/envelopes/platform/raises", body, key="x")

    refused = ""
    try:
        async with budgets.store.transaction() as connection:
            await connection.execute(text("update pricing.envelope_movement set amount_exact = 9"))
    except Exception as error:  # noqa: BLE001  whatever the driver makes of it
        refused = str(error)

    assert "refuse" in refused or "never" in refused or "immutable" in refused


async def test_signs_of_a_cap(budgets: Budgets) -> None:
    """Half was explored before, a tenth since; one of two is gone."""
    before, since = TODAY - timedelta(days=10), TODAY - timedelta(days=1)
    await budgets.use({"ann": 25, "bob": 25}, day=before)
    await budgets.use({"ann": 50}, day=before, purpose="explore")
    await budgets.use({"ann": 90}, day=since)
    await budgets.use({"ann": 10}, day=since, purpose="explore")
    capped = (TODAY - timedelta(days=5)).isoformat()

    answer = await budgets.call("GET", f"/v1/envelopes/platform/bias?capped_on={capped}")

    found = answer.json()
    assert ("0.5", "0.1", "-0.4") == tuple(found["explored"].values())
    assert ("0.5", ["bob"]) == (found["gone"], found["gone_users"])
    assert "signs, not causes" in found["caution"]


async def test_all_faults_of_an_envelope_are_told(budgets: Budgets) -> None:
    """Nobody's scope, a share above all, a ladder that falls: one answer, nothing stored."""
    body = PLATFORM | {
        "scope": {},
        "explore_share": "2",
        "ladder": {"route": "1.2", "slow": "1.1"},
    }

    answer = await budgets.call("PUT", "/v1/envelopes/wrong", body)

    codes = {fault["code"] for fault in answer.json()["faults"]}
    assert (400, True) == (
        answer.status_code,
        {"scope_of_nobody", "not_a_share", "ladder_falls"} <= codes,
    )
    assert 404 == (await budgets.call("GET", "/v1/envelopes/wrong")).status_code


async def test_an_ended_envelope_is_in_nobodys_way(budgets: Budgets) -> None:
    """It is listed no more, and grants nothing and refuses nothing."""
    answer = await budgets.call("DELETE", "/v1/envelopes/platform")

    listed = (await budgets.call("GET", "/v1/envelopes")).json()["envelopes"]
    granted = await budgets.reserve("a", "1000000")

    assert (204, []) == (answer.status_code, listed)
    assert (True, None) == (granted["granted"], granted["envelope"])


async def test_a_look_reads_what_changed(budgets: Budgets, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing new: nothing is read. One tenant's usage: its own alone, and all envelopes agree."""
    await budgets.put("all", scope={"team": "platform"})
    await budgets.put("idle", scope={"tenant": "initech", "team": "platform"})
    read: list[str] = []

    async def reading(connection: Any, account: Account, tenants: Any, **options: Any) -> Any:
        if account.vendor_id == budgets.vendor:
            read.extend(tenants)
        return await read_parts(connection, account, tenants, **options)

    monkeypatch.setattr(looking, "read_parts", reading)
    watcher = EnvelopeWatcher(budgets.store, FrozenClock(NOW), 1)
    seen = []
    for tokens in (100, None, 300):
        if tokens:
            await budgets.use({"ann": tokens})
        await watcher.look()
        seen.append(sorted(read))
        read.clear()
    used = [await _used(budgets, name) for name in ("platform", "all", "idle")]
    await budgets.look()

    assert [["globex", "initech"], [], ["globex"]] == seen
    assert ["300", "300", "0"] == used
    assert used == [await _used(budgets, name) for name in ("platform", "all", "idle")]


async def test_what_was_kept_for_an_ended_envelope_is_not_what_a_new_one_used(
    budgets: Budgets,
) -> None:
    """Usage that came while no envelope was of all tenants is in the next one that is."""
    watcher = EnvelopeWatcher(budgets.store, FrozenClock(NOW), 1)
    await budgets.put("all", scope={"team": "platform"})
    await budgets.use({"ann": 100})
    await watcher.look()
    await budgets.call("DELETE", "/v1/envelopes/all")
    await budgets.use({"ann": 300})
    await watcher.look()
    await budgets.put("all-again", scope={"team": "platform"})
    await watcher.look()

    assert "300" == await _used(budgets, "all-again")


async def test_a_new_price_is_looked_at_again(budgets: Budgets) -> None:
    """Usage that came before costs what it costs by now."""
    watcher = EnvelopeWatcher(budgets.store, FrozenClock(NOW), 1)
    await budgets.use({"ann": 10})
    await watcher.look()
    before = await budgets.used()
    await budgets.price("3")
    await watcher.look()

    assert ("10", "30") == (before, await budgets.used())


async def _used(budgets: Budgets, name: str) -> str:
    state = (await budgets.call("GET", f"/v1/envelopes/{name}/state")).json()
    return str(state["ledgers"][0]["used"])
