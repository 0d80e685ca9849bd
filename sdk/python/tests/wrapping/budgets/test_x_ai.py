"""xAI's client asks for its budget before each call: sampled, streamed, deferred."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import xai_sdk
from sdk.python.tests.wrapping.budgets.callers import ASKED, OTHER
from sdk.python.tests.wrapping.budgets.conftest import Budgeted
from sdk.python.tests.wrapping.dual import collect, settle
from sdk.python.tests.wrapping.x_ai.server import ChatServer
from xai_sdk.chat import user

import tallyroll
from tallyroll import BudgetExceededError

Recorded = Callable[[Budgeted], list[dict[str, Any]]]
Run = Callable[[Any], Awaitable[Any]]


async def sample(chat: Any) -> Any:
    return await settle(chat.sample())


async def stream(chat: Any) -> Any:
    return await collect(chat.stream())


async def defer(chat: Any) -> Any:
    return await settle(chat.defer())


RUNS = pytest.mark.parametrize("run", [sample, stream, defer])


@pytest.fixture(name="server")
def _server() -> Any:
    with ChatServer() as server:
        yield server


@pytest.fixture(name="plain", params=[False, True], ids=["sync", "async"])
async def _plain(server: ChatServer, request: pytest.FixtureRequest) -> AsyncIterator[Any]:
    place: Any = {"api_key": "k", "api_host": server.address, "use_insecure_channel": True}
    client = (xai_sdk.AsyncClient if request.param else xai_sdk.Client)(**place)
    yield client
    await settle(client.close())


def ask(client: Any) -> Any:
    return client.chat.create(model=ASKED, messages=[user("hi")])


@RUNS
async def test_over_its_budget_the_other_model_is_called(
    run: Run, plain: Any, server: ChatServer, budgeted: Any, recorded: Recorded
) -> None:
    """The chat itself, which is asked again and again, keeps what its maker said."""
    budget = budgeted("degrade")
    budget.say("over")
    chat = ask(tallyroll.wrap(plain, budget.meter, agent="coder"))
    await run(chat)
    budget.say("open")
    await run(chat)
    assert server.asked[0] == OTHER
    assert server.asked[-1] == chat.proto.model == ASKED
    tags = [event.get("tags") for event in recorded(budget)]
    assert tags == [{"requested_model": ASKED}, None]
    assert budget.is_fault_free()


@RUNS
async def test_a_closed_budget_refuses_what_begins(
    run: Run, plain: Any, server: ChatServer, budgeted: Any, recorded: Recorded
) -> None:
    """Nothing is sent and nothing recorded; a run under way goes on."""
    budget = budgeted("block")
    budget.say("open")
    chat = ask(tallyroll.wrap(plain, budget.meter, agent="coder"))
    with budget.meter.context(run="first"):
        await run(chat)
        budget.say("closed")
        await run(chat)
    before = list(server.asked), len(recorded(budget))
    with pytest.raises(BudgetExceededError):
        await run(chat)
    assert before == (server.asked, len(recorded(budget)))
    assert set(server.asked) == {ASKED}
    assert budget.is_fault_free()


async def test_advice_changes_nothing(plain: Any, server: ChatServer, budgeted: Any) -> None:
    """The program is told."""
    budget = budgeted("advise")
    budget.say("closed")
    await sample(ask(tallyroll.wrap(plain, budget.meter, agent="coder")))
    assert server.asked == [ASKED]
    assert [one.action for one in budget.advice] == ["advise"]
