"""Every client asks for its budget before each call: the real SDKs, whole and streamed."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import pytest
from sdk.python.tests.wrapping.budgets.callers import ASKED, CALLERS, OTHER, Caller, close, named
from sdk.python.tests.wrapping.budgets.conftest import Budgeted
from sdk.python.tests.wrapping.wire import WireServer

from tallyroll import BudgetExceededError, Meter

Make = Callable[[Any], Budgeted]
Recorded = Callable[[Budgeted], list[dict[str, Any]]]
KINDS = {
    f"{name} {'async' if is_async else 'sync'} {'streamed' if stream else 'whole'}": (
        caller,
        is_async,
        stream,
    )
    for name, caller in CALLERS.items()
    for is_async in (False, True)
    for stream in (False, True)
    if caller.is_async in (None, is_async)
}


@dataclass(frozen=True)
class Program:
    """What calls a model, again and again in the same way."""

    caller: Caller
    client: Any
    stream: bool
    provider: WireServer

    async def run(self, meter: Meter) -> None:
        """Call it by a metered client."""
        await self.caller.run(self.caller.wrap(self.client, meter), stream=self.stream)

    @property
    def asked(self) -> list[set[str]]:
        """The models that each request named."""
        return [named(one) for one in self.provider.asked]


@pytest.fixture(name="program", params=list(KINDS.values()), ids=list(KINDS))
async def _program(
    request: pytest.FixtureRequest, provider: WireServer, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Program]:
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, "/dev/null")
    caller, is_async, stream = request.param
    caller.answer(provider, stream=stream)
    client = caller.make(provider, is_async)
    yield Program(caller, client, stream, provider)
    await close(client)


async def test_over_its_budget_the_other_model_is_called(
    program: Program, budgeted: Make, recorded: Recorded
) -> None:
    """The request names it everywhere; the event tells what was asked for."""
    budget = budgeted("degrade")
    await program.run(budget.meter)
    budget.say("over")
    await program.run(budget.meter)
    assert program.asked == [{ASKED}, {OTHER}]
    before, after = recorded(budget)
    assert after["tags"] == {"requested_model": ASKED}
    assert "tags" not in before
    assert (after.get("tokens"), after["units"]) == (before.get("tokens"), before["units"])
    assert after["model"] == (OTHER if before["model"] == ASKED else before["model"])
    assert budget.is_fault_free()


async def test_a_closed_budget_refuses_and_nothing_is_sent(
    program: Program, budgeted: Make, recorded: Recorded
) -> None:
    """The caller gets the error itself; there was no request, so there is no event."""
    budget = budgeted("block")
    budget.say("closed", reason="It is used up.")
    with pytest.raises(BudgetExceededError, match="It is used up") as caught:
        await program.run(budget.meter)
    assert caught.value.hint.id == "budget-1"
    assert (program.asked, recorded(budget)) == ([], [])
    assert budget.is_fault_free()


async def test_advice_changes_nothing(program: Program, budgeted: Make, recorded: Recorded) -> None:
    """The program is told, and the model stays."""
    budget = budgeted("advise")
    budget.say("closed")
    await program.run(budget.meter)
    assert program.asked == [{ASKED}]
    assert [(one.action, one.model) for one in budget.advice] == [("advise", ASKED)]
    (event,) = recorded(budget)
    assert "tags" not in event


@pytest.mark.parametrize("enforce", ["degrade", "block"])
async def test_a_run_under_way_goes_on(enforce: str, program: Program, budgeted: Make) -> None:
    """It and its children end with the model they began with; a run that begins is another's."""
    budget = budgeted(enforce)
    budget.say("open")
    with budget.meter.context(run="first"):
        await program.run(budget.meter)
        budget.say("closed")
        await program.run(budget.meter)
        with budget.meter.context(run="child"):
            await program.run(budget.meter)
    assert program.asked == [{ASKED}] * 3
    with budget.meter.context(run="second"):
        if enforce == "degrade":
            await program.run(budget.meter)
            assert program.asked[3:] == [{OTHER}]
        else:
            with pytest.raises(BudgetExceededError):
                await program.run(budget.meter)
            assert len(program.asked) == 3


async def test_without_enforce_nobody_is_asked(program: Program, capturing: Meter) -> None:
    """The model stays, and there is nobody who reads hints."""
    await program.run(capturing)
    assert program.asked == [{ASKED}]
    assert capturing._enforcer is None
