"""What was committed counts until it is metered: once, and never nowhere."""

from fractions import Fraction
from typing import Any

import pytest

from services.pricing import envelope_watching
from services.pricing.envelope_watching import EnvelopeWatcher
from services.pricing.handlers.envelopes.looking import Looked, look
from services.pricing.handlers.envelopes.settling import commit
from services.pricing.repository.envelopes.reservations import settle
from services.pricing.repository.envelopes.spending import Watermarks, read_feed
from shared.accounts.repository import Account
from shared.clock import FrozenClock
from shared.database import Database

from .envelopes_api import Budgets, later


async def test_what_was_committed_counts_until_it_is_metered(budgets: Budgets) -> None:
    """300 held, 250 committed, then 250 metered: never 500, never nothing."""
    await budgets.reserve("a", "300")
    answer = await budgets.commit("a", "250")
    assert answer.is_success, answer.text
    used = [await budgets.used()]
    await budgets.use({"ann": 250}, watermark=later(seconds=1))
    await budgets.look(later(seconds=1))
    used.append(await budgets.used())

    state = (await budgets.call("GET", "/v1/reservations/a")).json()

    assert ["250", "250"] == used
    assert "metered" == state["state"]


async def test_a_hold_expires_and_a_late_commit_still_counts(budgets: Budgets, vendor: str) -> None:
    """After its time it is nobody's; what was used was used, also when it is told late."""
    await budgets.reserve("a", "300", ttl_seconds=60)
    await budgets.look(later(seconds=61))
    expired = (await budgets.call("GET", "/v1/reservations/a")).json()["state"]
    freed = await budgets.used()
    async with budgets.store.transaction() as connection:
        account = Account(vendor, "test")
        await commit(connection, account, "a", Fraction(120), now=later(seconds=70))

    assert ("expired", "0", "120") == (expired, freed, await budgets.used())


async def test_between_noting_and_ending_a_commit_still_counts(
    budgets: Budgets, crowd: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Usage that came after the look is not noted: the commit is not ended by it."""
    await budgets.reserve("a", "300")
    await budgets.commit("a", "250")
    came = []

    async def meanwhile(*arguments: Any, **options: Any) -> Looked:
        looked = await look(*arguments, **options)
        if arguments[1].vendor_id == budgets.vendor:
            await budgets.use({"ann": 250}, watermark=later(seconds=1))
            came.append(looked)
        return looked

    monkeypatch.setattr(envelope_watching, "look", meanwhile)
    # Its own connections: those of `budgets` are two, and the look holds both.
    watcher = EnvelopeWatcher(crowd, FrozenClock(later(seconds=1)), 1)
    await watcher.look()
    between = await budgets.used()
    await watcher.look()

    assert (2, "250", "250") == (len(came), between, await budgets.used())


class SettlesFirst(EnvelopeWatcher):
    """The other way round: what was committed ends by usage that is there, and not noted yet."""

    async def _look_at(self, account: Account) -> int:
        async with self.database.transaction() as connection:
            feed = await read_feed(connection, account)
            now = self.clock.now()
            await settle(connection, account, Watermarks(feed.watermark, None), now=now)
        return await super()._look_at(account)


@pytest.mark.parametrize(
    ("watcher", "before"), [(EnvelopeWatcher, "250"), (SettlesFirst, "0")], ids=["ours", "reversed"]
)
async def test_a_commit_counts_until_its_usage_is_noted(
    budgets: Budgets,
    monkeypatch: pytest.MonkeyPatch,
    watcher: type[EnvelopeWatcher],
    before: str,
) -> None:
    """Usage has come: as a look begins the commit still counts; settled first, nothing would."""
    await budgets.reserve("a", "300")
    await budgets.commit("a", "250")
    await budgets.use({"ann": 250}, watermark=later(seconds=1))
    used = []

    async def noting(*arguments: Any, **options: Any) -> Looked:
        if arguments[1].vendor_id == budgets.vendor:
            used.append(await budgets.used())
        return await look(*arguments, **options)

    monkeypatch.setattr(envelope_watching, "look", noting)
    await watcher(budgets.store, FrozenClock(later(seconds=1)), 1).look()

    assert [before, "250"] == [*used, await budgets.used()]


async def test_an_envelope_of_one_run_counts_its_commits(budgets: Budgets) -> None:
    """Usage by day has no run: what was committed stays until usage by run is known."""
    await budgets.put("one-run", scope={"run": "r-1"}, amount="500", explore_share="0")
    await budgets.reserve("a", "300")
    await budgets.commit("a", "250")
    await budgets.use({"ann": 250}, watermark=later(seconds=1))
    await budgets.look(later(seconds=1))

    state = (await budgets.call("GET", "/v1/envelopes/one-run/state")).json()

    assert ("250", "250") == (state["ledgers"][0]["used"], await budgets.used())
