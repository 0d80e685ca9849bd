"""The envelope of a run counts what the run used; a commit counts until that is known by run."""

from datetime import datetime
from typing import Any

import pytest

from services.pricing.envelope_watching import EnvelopeWatcher
from services.pricing.handlers.runs import store_runs
from services.pricing.repository.envelopes.reservations import settle
from services.pricing.repository.envelopes.spending import Watermarks
from shared.clock import FrozenClock
from shared.events.runs_aggregated import RunPart
from tests.support.pricing_runs import part, runs_message, used

from .envelopes_api import TODAY, Budgets, later


def _ran(run: str, tokens: int, **values: Any) -> RunPart:
    """Return a part of a run with so many tokens of the dear model: a dollar each."""
    purpose = values.pop("purpose", "production")
    row = used(
        *(tokens, "output_text"),
        provider="lab",
        model="dear",
        usage_day=TODAY,
        purpose=purpose,
    )
    return part(run, row, **{"agent": "coder", **values})


async def _tell(
    budgets: Budgets, *parts: RunPart, watermark: datetime, version: int = 1, **more: Any
) -> None:
    message = runs_message(budgets.vendor, parts, version=version, **more)
    async with budgets.store.transaction() as connection:
        await store_runs(connection, message.model_copy(update={"watermark": watermark}))


async def _ledger(budgets: Budgets, name: str = "run") -> tuple[str, str]:
    """Return (metered, used) of a ledger of the envelope."""
    answer = await budgets.call("GET", "/v1/envelopes/one-run/state")
    assert answer.is_success, answer.text
    (found,) = [one for one in answer.json()["ledgers"] if one["ledger"] == name]
    return found["metered"], found["used"]


@pytest.fixture(autouse=True)
async def _one_run(budgets: Budgets) -> None:
    await budgets.put("one-run", scope={"run": "r-1"}, amount="500", explore_share="0.2")


async def test_it_counts_its_own_run(budgets: Budgets) -> None:
    """By ledger, over all of its parts; what other runs used, or those below it, is not in it."""
    await _tell(
        budgets,
        _ran("r-1", 100),
        _ran("r-1", 20, status="failed"),
        _ran("r-1", 7, purpose="explore", agent_version="2"),
        _ran("r-2", 1_000),
        _ran("below", 1_000, parent_run_id="r-1"),
        watermark=later(seconds=1),
    )
    await budgets.look(later(seconds=1))

    assert ("120", "120") == await _ledger(budgets)
    assert ("7", "7") == await _ledger(budgets, "explore")


async def test_it_is_looked_at_when_runs_come(budgets: Budgets) -> None:
    """A later look of the same process sees what came since, of its tenant and of others."""
    await budgets.put("elsewhere", scope={"run": "r-1", "tenant": "initech"}, amount="500")
    watcher = EnvelopeWatcher(budgets.store, FrozenClock(later(seconds=1)), 1)
    await _tell(budgets, _ran("r-1", 100), watermark=later(seconds=1))
    await watcher.look()
    first = await _ledger(budgets)
    await _tell(budgets, _ran("r-1", 160), watermark=later(seconds=2), version=2)
    await _tell(budgets, _ran("r-1", 5), watermark=later(seconds=2), tenant="initech")
    await watcher.look()
    elsewhere = (await budgets.call("GET", "/v1/envelopes/elsewhere/state")).json()

    assert (("100", "100"), ("165", "165")) == (first, await _ledger(budgets))
    assert "5" == elsewhere["ledgers"][0]["metered"]


async def test_a_commit_counts_until_its_run_is_known(budgets: Budgets) -> None:
    """Usage by day ends nothing here; usage by run does, and nothing is counted twice."""
    await budgets.reserve("a", "300")
    await budgets.commit("a", "250")
    await budgets.use({"ann": 250}, watermark=later(seconds=1))
    await budgets.look(later(seconds=1))
    by_day = await _ledger(budgets)
    await _tell(budgets, _ran("r-1", 250), watermark=later(seconds=2))
    await budgets.look(later(seconds=2))

    assert (("0", "250"), ("250", "250")) == (by_day, await _ledger(budgets))
    assert "250" == await budgets.used()


async def test_a_commit_that_ends_by_days_alone_is_noticed(
    budgets: Budgets, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The check above fails where the watermark of usage by day is taken for both."""

    async def hasty(connection: Any, account: Any, noted: Watermarks, *, now: datetime) -> int:
        return await settle(connection, account, Watermarks(noted.usage, noted.usage), now=now)

    monkeypatch.setattr("services.pricing.envelope_watching.settle", hasty)
    await budgets.reserve("a", "300")
    await budgets.commit("a", "250")
    await budgets.use({"ann": 250}, watermark=later(seconds=1))
    await budgets.look(later(seconds=1))

    assert ("0", "0") == await _ledger(budgets)


async def test_what_has_no_price_is_listed(budgets: Budgets) -> None:
    """It counts what the envelope says of a million units of it."""
    await budgets.put("one-run", scope={"run": "r-1"}, amount="500", unpriced_per_million="2000000")
    row = used(3, "output_text", provider="lab", model="unknown", usage_day=TODAY)
    await _tell(budgets, part("r-1", row), watermark=later(seconds=1))
    await budgets.look(later(seconds=1))

    state = (await budgets.call("GET", "/v1/envelopes/one-run/state")).json()
    assert "6" == state["ledgers"][0]["metered"]
    assert {"lab/unknown/output_text": "3"} == state["unpriced"]
