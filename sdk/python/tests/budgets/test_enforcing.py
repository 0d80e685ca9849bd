"""What follows from a hint, call by call and run by run."""

import logging
import pickle
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tallyroll import BudgetExceededError, Decision, Hint
from tallyroll.budgets import polling, runs
from tallyroll.budgets.decision import Enforce
from tallyroll.budgets.enforcing import Enforcer

from .conftest import FixedSource, hint_of

SUGGESTED = {"gpt-5": "gpt-5-mini"}
Make = Callable[..., Enforcer]


class _Budgets:
    """An enforcer whose hints a test says, without a thread."""

    def __init__(self, enforce: Enforce, **more: Any) -> None:
        self.enforcer = Enforcer(FixedSource(), enforce, **more)
        self.enforcer._poller.start = lambda: True

    def say(self, *hints: Hint) -> None:
        self.enforcer._poller._source = FixedSource(*hints)
        self.enforcer._poller._ask()

    def admit(self, run: str | None = None, model: str = "gpt-5", **about: str) -> str:
        fields = about if run is None else {"run_id": run, **about}
        return self.enforcer.admit(model, fields)

    def decide(self, run: str | None = None, model: str = "gpt-5") -> Decision:
        return self.enforcer.decide(model, {} if run is None else {"run_id": run})


@pytest.mark.parametrize(
    ("enforce", "state", "action", "model", "reason"),
    [
        ("advise", "open", "allow", "gpt-5", "within_budget"),
        ("advise", "near", "advise", "gpt-5", "near"),
        ("advise", "over", "advise", "gpt-5", "over"),
        ("degrade", "open", "allow", "gpt-5", "within_budget"),
        ("degrade", "near", "advise", "gpt-5", "near"),
        ("degrade", "over", "degrade", "gpt-5-mini", "over"),
        ("block", "open", "allow", "gpt-5", "within_budget"),
        ("block", "near", "advise", "gpt-5", "near"),
        ("block", "over", "degrade", "gpt-5-mini", "over"),
        ("advise", "closed", "advise", "gpt-5", "closed"),
        ("degrade", "closed", "degrade", "gpt-5-mini", "closed"),
        ("block", "closed", "block", "gpt-5", "closed"),
    ],
)
def test_what_follows_for_a_run_that_begins(
    enforce: Enforce, state: str, action: str, model: str, reason: str
) -> None:
    """Only what the user chose: another model with degrade, a refusal with block."""
    budgets = _Budgets(enforce)
    hint = hint_of(state, suggested=SUGGESTED)
    budgets.say(hint)

    assert (action, model, hint, reason) == budgets.decide("r-1")


def test_a_model_without_a_suggestion_is_called() -> None:
    """Degrading is no refusal."""
    budgets = _Budgets("degrade")
    budgets.say(hint_of(suggested={"other": "cheaper", "same": "same"}))

    assert ("gpt-5", "same") == (budgets.admit(), budgets.admit(model="same"))
    assert "no_suggestion" == budgets.decide().reason


def test_a_refusal_says_which_budget() -> None:
    """It has the hint and a stable code, and the server's reason as its text."""
    budgets = _Budgets("block")
    budgets.say(hint_of("closed", reason="Team search has used 100 % of July."))

    with pytest.raises(BudgetExceededError, match="Team search") as refused:
        budgets.admit("r-1")
    assert ("budget_exceeded", "budget-1") == (refused.value.code, refused.value.hint.id)
    again = pickle.loads(pickle.dumps(refused.value))  # noqa: S301  as task queues do
    assert (refused.value.hint, str(refused.value)) == (again.hint, str(again))


@pytest.mark.parametrize("enforce", ["advise", "degrade", "block"])
def test_a_running_run_goes_on(enforce: Enforce) -> None:
    """What began within its budget ends with the models it began with, children included."""
    budgets = _Budgets(enforce)
    budgets.say(hint_of("open"))
    budgets.admit("r-1")
    budgets.say(hint_of("closed", suggested=SUGGESTED))

    assert "gpt-5" == budgets.admit("r-1")
    assert "gpt-5" == budgets.admit("r-2", parent_run_id="r-1")
    assert "gpt-5" == budgets.admit("r-3", parent_run_id="r-2")
    assert ("advise", "run_goes_on") == (budgets.decide("r-1").action, budgets.decide("r-1").reason)


def test_new_runs_are_blocked_while_others_go_on() -> None:
    """Block refuses what begins; a refused run stays refused, and a call without a run begins."""
    budgets = _Budgets("block")
    budgets.admit("r-1")  # nothing is known yet: allowed
    budgets.say(hint_of("closed"))
    budgets.admit("r-1")

    for run in ("r-2", "r-2", None):
        with pytest.raises(BudgetExceededError):
            budgets.admit(run)


def test_a_run_that_began_over_goes_on_when_it_closes() -> None:
    """It was let begin on the cheaper model, and ends on it."""
    budgets = _Budgets("block")
    budgets.say(hint_of("over", suggested=SUGGESTED))
    began = budgets.admit("r-1")
    budgets.say(hint_of("closed", suggested=SUGGESTED))

    assert ["gpt-5-mini"] * 2 == [began, budgets.admit("r-1")]
    assert "opus" == budgets.admit("r-1", model="opus")


def test_a_hard_stop_ends_running_runs() -> None:
    """A loop is no budget: with `stop` not even a running run goes on, others do."""
    budgets = _Budgets("block")
    budgets.admit("r-1")
    budgets.admit("r-2")
    budgets.say(hint_of("over", scope={"run": "r-1"}, stop=True))

    with pytest.raises(BudgetExceededError):
        budgets.admit("r-1")
    budgets.admit("r-2")
    assert "stop" == budgets.decide("r-1").reason


@pytest.mark.parametrize("enforce", ["advise", "degrade"])
def test_only_block_refuses(enforce: Enforce) -> None:
    """Not even a hard stop refuses a call where the user did not choose it."""
    budgets = _Budgets(enforce)
    budgets.say(hint_of("over", stop=True))

    assert "gpt-5" == budgets.admit("r-1")


def test_a_degraded_run_keeps_its_models() -> None:
    """It does not change models back in the middle, and its other models are degraded too."""
    budgets = _Budgets("degrade")
    budgets.say(hint_of("over", suggested=SUGGESTED | {"opus": "haiku"}))
    assert "gpt-5-mini" == budgets.admit("r-1")
    assert "haiku" == budgets.admit("r-1", model="opus")
    budgets.say(hint_of("open"))

    assert "gpt-5-mini" == budgets.admit("r-1")
    assert "gpt-5-mini" == budgets.admit("r-9", parent_run_id="r-1")
    assert "gpt-5" == budgets.admit("r-2")


def test_runs_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory holds two generations of runs; a run is remembered through one of others at least."""
    monkeypatch.setattr(runs, "RUNS_MAX", 100)
    budgets = _Budgets("block")
    for number in range(1_000):
        budgets.admit(f"r-{number}")
    known = budgets.enforcer._runs
    budgets.say(hint_of("closed"))

    assert len(known._recent) + len(known._older) <= 200
    budgets.admit("r-900")
    with pytest.raises(BudgetExceededError):
        budgets.admit("r-1")


def test_nothing_known_allows() -> None:
    """Fail open: before the first answer every call is allowed."""
    budgets = _Budgets("block")

    assert ("allow", "gpt-5", None, "no_hint") == budgets.decide()
    assert "gpt-5" == budgets.admit()


@pytest.fixture(name="warnings")
def _warnings(caplog: pytest.LogCaptureFixture) -> Iterator[Callable[[], list[str]]]:
    with caplog.at_level(logging.WARNING, logger="tallyroll"):
        yield lambda: [record.getMessage() for record in caplog.records]


def test_stale_hints_allow_and_are_told_once(
    monkeypatch: pytest.MonkeyPatch, warnings: Callable[[], list[str]]
) -> None:
    """Older than 60 s, a hint blocks nothing any more; one line says so."""
    budgets = _Budgets("block")
    budgets.say(hint_of("closed"))
    with pytest.raises(BudgetExceededError):
        budgets.admit()
    later = time.monotonic() + 61
    monkeypatch.setattr("tallyroll.budgets.hints.monotonic", lambda: later)

    assert ("allow", "gpt-5", None, "stale") == budgets.decide()
    assert ["gpt-5"] * 3 == [budgets.admit() for _ in range(3)]
    assert 1 == sum("budget_hints_stale" in line for line in warnings())


def test_a_budget_is_told_once_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    """For each hint and state; the callback gets the decision."""
    told: list[Decision] = []
    budgets = _Budgets("advise", on_advice=told.append)
    now = time.monotonic()
    budgets.say(hint_of("near"), hint_of("over", id="budget-2", scope={"agent": "a"}))

    def call(seconds: float, **about: str) -> list[str]:
        monkeypatch.setattr("tallyroll.budgets.enforcing.monotonic", lambda: now + seconds)
        monkeypatch.setattr("tallyroll.budgets.hints.monotonic", lambda: now)
        told.clear()
        budgets.admit(**about)
        return [decision.hint.id for decision in told if decision.hint is not None]

    assert ["budget-1"] == call(0)
    assert [] == call(59)
    assert ["budget-2"] == call(59, agent="a")
    assert ["budget-1"] == call(61)
    budgets.say(hint_of("over"))
    assert ["budget-1"] == call(62)


def test_a_callback_that_raises_breaks_nothing(warnings: Callable[[], list[str]]) -> None:
    """It stands in the middle of a call of the user's."""

    def broken(_decision: Decision) -> None:
        raise RuntimeError("broken")

    budgets = _Budgets("advise", on_advice=broken)
    budgets.say(hint_of("near"))

    assert "gpt-5" == budgets.admit()
    assert any("on_advice raised RuntimeError" in line for line in warnings())


def test_without_a_callback_a_line_is_logged(warnings: Callable[[], list[str]]) -> None:
    """Once for each state."""
    budgets = _Budgets("advise")
    for state in ("near", "over", "over"):
        budgets.say(hint_of(state))
        budgets.admit()

    kinds = [line.partition("[")[2] for line in warnings()]
    assert ["budget_near; logged once]", "budget_over; logged once]"] == kinds


@pytest.mark.parametrize("enforce", ["advise", "degrade", "block"])
def test_whatever_goes_wrong_allows(
    enforce: Enforce, monkeypatch: pytest.MonkeyPatch, warnings: Callable[[], list[str]]
) -> None:
    """A fault inside, or attribution that cannot be looked up, refuses no call."""
    budgets = _Budgets(enforce)
    budgets.say(hint_of("over", scope={"agent": "a"}))
    assert "gpt-5" == budgets.enforcer.admit("gpt-5", {"agent": ["no", "text"]})

    def broken(*_args: object) -> None:
        raise MemoryError

    monkeypatch.setattr(budgets.enforcer.hints, "find", broken)
    assert ("allow", "gpt-5", None, "internal") == budgets.decide()
    assert "gpt-5" == budgets.admit()
    assert 1 == sum("budget_internal" in line for line in warnings())


def test_the_interval_leaves_room_for_failures() -> None:
    """Several questions fit into the time that a hint holds."""
    assert polling.INTERVAL_SECONDS * (1 + polling.INTERVAL_JITTER) * 4 < 60
