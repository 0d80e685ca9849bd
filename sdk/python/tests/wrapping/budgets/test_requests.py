"""Which requests are asked about, and those that name their model in a way of their own."""

import json
from collections.abc import Callable
from typing import Any

import anthropic
import openai
import pytest
from google import genai
from google.genai.types import HttpOptions
from mistralai.client import Mistral
from sdk.python.tests.wrapping.anthropic_family.spoken import message
from sdk.python.tests.wrapping.budgets.callers import ASKED, CALLERS, OTHER, azure, close, named
from sdk.python.tests.wrapping.budgets.conftest import Budgeted
from sdk.python.tests.wrapping.google_genai.answers import content
from sdk.python.tests.wrapping.mistral.answers import CHAT
from sdk.python.tests.wrapping.openai_family.shapes import (
    ANSWER,
    ASK,
    chunks,
    response,
    response_events,
)
from sdk.python.tests.wrapping.wire import WireServer, sse, whole

from tallyroll import BudgetExceededError
from tallyroll.testing import CapturingTransport

Make = Callable[[Any], Budgeted]
Recorded = Callable[[Budgeted], list[dict[str, Any]]]
OPENAI = CALLERS["openai"]


@pytest.fixture(name="plain")
def _plain(provider: WireServer) -> Any:
    with openai.OpenAI(base_url=provider.url, api_key="k", max_retries=0) as client:
        yield client


def test_what_only_looks_is_not_asked_about(
    plain: Any, provider: WireServer, budgeted: Make
) -> None:
    """Responses, chats and batches that are fetched pass a budget that is closed."""
    provider.tell("/responses/resp_1", whole(response()))
    provider.tell("/chat/completions/chatcmpl-1", whole(ANSWER))
    provider.tell("/batches/b", whole({"id": "b", "object": "batch", "status": "completed"}))
    budget = budgeted("block")
    budget.say("closed")
    client = OPENAI.wrap(plain, budget.meter)
    client.responses.retrieve("resp_1")
    client.chat.completions.retrieve("chatcmpl-1")
    client.batches.retrieve("b")
    assert len(provider.asked) == 3


def test_what_counts_tokens_or_fetches_results_is_not_asked_about(
    provider: WireServer, budgeted: Make, recorded: Recorded
) -> None:
    """Anthropic's free requests, and the results of a batch, which are recorded all the same."""
    line = {"custom_id": "1", "result": {"type": "succeeded", "message": message()}}
    path = "/v1/messages/batches/b/results"
    batch = {"id": "b", "type": "message_batch", "results_url": f"{provider.url}{path}"}
    provider.tell("/v1/messages/count_tokens", whole({"input_tokens": 3}))
    provider.tell(path, whole(line))
    provider.tell("/v1/messages/batches/b", whole({**batch, "processing_status": "ended"}))
    budget = budgeted("block")
    budget.say("closed")
    with anthropic.Anthropic(base_url=provider.url, api_key="k", max_retries=0) as plain:
        client = CALLERS["anthropic"].wrap(plain, budget.meter)
        client.messages.count_tokens(model=ASKED, messages=[{"role": "user", "content": "hi"}])
        assert len(list(client.messages.batches.results("b"))) == 1
    assert [event["batch"] for event in recorded(budget)] == [True]
    assert budget.is_fault_free()


def test_a_request_that_names_no_model_is_refused_too(provider: WireServer, budgeted: Make) -> None:
    """Mistral's agents have theirs at the provider; over the budget there is none to suggest."""
    provider.tell("/v1/agents/completions", whole(CHAT))
    ask: Any = {"agent_id": "a", "messages": [{"role": "user", "content": "hi"}]}
    with Mistral(api_key="k", server_url=provider.url) as plain:
        budget = budgeted("block")
        client = CALLERS["mistral"].wrap(plain, budget.meter)
        budget.say("over")
        client.agents.complete(**ask)
        budget.say("closed")
        with pytest.raises(BudgetExceededError):
            client.agents.complete(**ask)
    assert [named(one) for one in provider.asked] == [set()]


def test_another_try_keeps_the_model_and_is_not_asked_about_again(
    plain: Any, provider: WireServer, budgeted: Make, recorded: Recorded
) -> None:
    """A server that refuses `stream_options` is asked without them, for the admitted model."""
    refusal = whole({"error": {"message": "stream_options is unknown"}}, 400)
    provider.tell("/chat/completions", refusal, sse(chunks(usage=False)))
    budget = budgeted("degrade")
    budget.say("over")
    asked: list[str] = []
    admit = budget.meter.admit

    def counting(model: str, attribution: Any = None) -> str:
        asked.append(model)
        return admit(model, attribution)

    budget.meter.admit = counting  # type: ignore[method-assign]
    client = OPENAI.wrap(plain, budget.meter)
    list(client.chat.completions.create(**{**ASK, "model": ASKED}, stream=True))
    assert [named(one) for one in provider.asked] == [{OTHER}, {OTHER}]
    assert ["stream_options" in one.body for one in provider.asked] == [True, False]
    assert asked == [ASKED]
    assert recorded(budget)[0]["tags"]["requested_model"] == ASKED


def test_the_model_of_an_extra_body_is_replaced(
    plain: Any, provider: WireServer, budgeted: Make
) -> None:
    """It stands above the argument, and stays the caller's."""
    provider.tell("/chat/completions", whole(ANSWER))
    budget = budgeted("degrade")
    budget.say("over")
    extra = {"model": ASKED, "top_k": 3}
    client = OPENAI.wrap(plain, budget.meter)
    client.chat.completions.create(**ASK, extra_body=extra)
    assert (provider.asked[0].body["model"], provider.asked[0].body["top_k"]) == (OTHER, 3)
    assert extra == {"model": ASKED, "top_k": 3}


async def test_a_client_of_one_deployment_keeps_it_for_other_models(
    provider: WireServer, budgeted: Make
) -> None:
    """Only what is over its budget goes to another deployment; the client goes on as it was."""
    provider.tell("/chat/completions", whole(ANSWER))
    budget = budgeted("degrade")
    budget.say("over")
    plain = azure(provider, False, azure_deployment=ASKED)  # noqa: FBT003  sync
    client = OPENAI.wrap(plain, budget.meter)
    for model in (ASKED, "gpt-5"):
        client.chat.completions.create(**{**ASK, "model": model})
    places = [one.path.partition("/openai")[2] for one in provider.asked]
    query = "/chat/completions?api-version=2026-10-01"
    assert places == [f"/deployments/{OTHER}{query}", f"/deployments/{ASKED}{query}"]
    await close(plain)


def test_gemini_s_embeddings_and_tuned_models_name_the_other_model(
    provider: WireServer, budgeted: Make, recorded: Recorded
) -> None:
    """Each text names its model; a tuned one stands at a place of its own."""
    provider.tell(":batchEmbedContents", whole({"embeddings": [{"values": [0.5]}]}))
    provider.tell(":generateContent", whole(content()))
    budget = budgeted("degrade")
    budget.say("over")
    with genai.Client(api_key="k", http_options=HttpOptions(base_url=provider.url)) as plain:
        client = CALLERS["gemini"].wrap(plain, budget.meter)
        client.models.embed_content(model=ASKED, contents=["one", "two"])
        client.models.generate_content(model=f"tunedModels/{ASKED}", contents="hi")
    assert [named(one) for one in provider.asked] == [{OTHER}, {OTHER}]
    assert [event["tags"]["requested_model"] for event in recorded(budget)] == [ASKED, ASKED]
    assert budget.is_fault_free()


def test_a_response_that_is_completed_later_still_tells_what_was_asked_for(
    plain: Any, provider: WireServer, budgeted: Make, transport: CapturingTransport
) -> None:
    """The stream broke off; whoever fetches the response does not know."""
    provider.tell("/responses", sse(response_events(), named=True, done=False))
    provider.tell("/responses/resp_1", whole(response()))
    budget = budgeted("degrade")
    budget.say("over")
    client = OPENAI.wrap(plain, budget.meter)
    with client.responses.create(model=ASKED, input="hi", stream=True) as stream:
        next(stream)
    client.responses.retrieve("resp_1")
    assert budget.meter.flush(10)
    sent = [event for body in transport.bodies for event in json.loads(body)["events"]]
    assert [event.get("revision") for event in sent] == [None, 1]
    assert [event["tags"]["requested_model"] for event in sent] == [ASKED, ASKED]


def test_a_refused_request_tells_the_route_too(
    plain: Any, provider: WireServer, budgeted: Make, recorded: Recorded
) -> None:
    """Beside the tags of the scope. The budget is that of the agent and team of the request."""
    provider.tell("/chat/completions", whole({"error": {"message": "no"}}, 429))
    budget = budgeted("degrade")
    budget.say("over", scope={"agent": "coder", "team": "search"})
    client = OPENAI.wrap(plain, budget.meter)
    with (
        budget.meter.context(team="search", tags={"job": "1"}),
        pytest.raises(Exception, match="no"),
    ):
        client.chat.completions.create(**{**ASK, "model": ASKED})
    (event,) = recorded(budget)
    assert (event["status"], event["model"]) == ("failed", OTHER)
    assert event["tags"] == {"job": "1", "requested_model": ASKED, "error": "RateLimitError"}
