"""OpenAI's Agents SDK itself, against a server that answers as OpenAI does."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import agents
import openai
import pytest
from agents import Agent, OpenAIChatCompletionsModel, OpenAIResponsesModel, RunConfig, Runner
from agents.tracing import get_trace_provider
from sdk.python.tests.wrapping.conftest import Events
from sdk.python.tests.wrapping.openai_family.shapes import ANSWER, TOKENS, USAGE, chunks
from sdk.python.tests.wrapping.wire import WireServer, sse, whole

from tallyroll import Meter
from tallyroll.bridges.openai_agents import TallyrollTracingProcessor
from tallyroll.testing import CapturingTransport

RESPONSE: dict[str, Any] = {
    "id": "resp_1",
    "object": "response",
    "created_at": 1,
    "model": "gpt-5-2026",
    "status": "completed",
    "output": [],
    "parallel_tool_calls": True,
    "tool_choice": "auto",
    "tools": [],
    "service_tier": "priority",
    "usage": {
        "input_tokens": 100,
        "input_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 0},
        "output_tokens": 30,
        "output_tokens_details": {"reasoning_tokens": 10},
        "total_tokens": 130,
    },
}


def saying(text: str, **changed: Any) -> dict[str, Any]:
    """Return a response that ends an agent's turn."""
    content = [{"type": "output_text", "text": text, "annotations": []}]
    message = {
        "type": "message",
        "id": "m",
        "role": "assistant",
        "status": "completed",
        "content": content,
    }
    return {**RESPONSE, "output": [message], **changed}


def calling(tool: str, arguments: str = "{}", **changed: Any) -> dict[str, Any]:
    """Return a response that asks for a tool, or for another agent."""
    call = {
        "type": "function_call",
        "id": "f",
        "call_id": "c",
        "name": tool,
        "arguments": arguments,
        "status": "completed",
    }
    return {**RESPONSE, "output": [call], **changed}


@pytest.fixture(autouse=True)
def _processor(capturing: Meter) -> Iterator[None]:
    agents.set_trace_processors([TallyrollTracingProcessor(capturing, agent="somebody")])
    yield
    agents.set_trace_processors([])


@pytest.fixture(name="client")
async def _client(provider: WireServer) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=provider.url, api_key="k", max_retries=0) as client:
        yield client


@pytest.fixture(name="model")
def _model(client: openai.AsyncOpenAI) -> OpenAIResponsesModel:
    return OpenAIResponsesModel("gpt-5", client)


async def test_a_response_is_an_event(
    provider: WireServer, model: OpenAIResponsesModel, capturing: Meter, events: Events
) -> None:
    """Counts, identity, price context and the agent's run; none of its words."""
    provider.tell("/responses", whole(saying("secret words")))
    agent = Agent(name="Triage Agent", instructions="secret", model=model)
    with capturing.context(tenant="acme"):
        result = await Runner.run(agent, "secret question")
    assert result.final_output == "secret words"
    (event,) = events()
    assert event["tokens"] == TOKENS
    assert (event["provider"], event["model"]) == ("openai", "gpt-5-2026")
    assert (event["response_id"], event["instrument"]) == ("resp_1", "openai_agents")
    assert (event["service_tier"], event["tenant"]) == ("priority", "acme")
    assert event["agent"] == "Triage-Agent"
    assert event["run_id"].startswith("span_")
    assert event["parent_run_id"].startswith("trace_")
    assert "secret" not in str(event)


async def test_a_streamed_response_too(
    provider: WireServer, model: OpenAIResponsesModel, events: Events
) -> None:
    """Once, by the event that ends it."""
    done = saying("secret words")
    said = [
        {"type": "response.created", "response": {**done, "output": [], "usage": None}},
        {"type": "response.completed", "response": done},
    ]
    numbered = [{**event, "sequence_number": number} for number, event in enumerate(said)]
    provider.tell("/responses", sse(numbered, done=False, named=True))
    result = Runner.run_streamed(Agent(name="a", model=model), "secret")
    async for _ in result.stream_events():
        pass
    (event,) = events()
    assert (event["tokens"], event["response_id"]) == (TOKENS, "resp_1")


async def test_chat_completions_have_no_id(
    provider: WireServer, client: openai.AsyncOpenAI, events: Events
) -> None:
    """Their spans do not keep it; whole or streamed, the counts are the same."""
    provider.tell("/chat/completions", whole(ANSWER), sse(chunks(usage=True)))
    agent = Agent(name="a", model=OpenAIChatCompletionsModel("gpt-5", client))
    await Runner.run(agent, "secret")
    result = Runner.run_streamed(agent, "secret")
    async for _ in result.stream_events():
        pass
    for event in events():
        assert (event["tokens"], event["model"]) == (TOKENS, "gpt-5")
        assert "response_id" not in event
        assert "secret" not in str(event)
    assert len(events()) == 2


async def test_a_handoff_is_another_agents_run(
    provider: WireServer, model: OpenAIResponsesModel, events: Events
) -> None:
    """Both are inside the run of their trace."""
    provider.tell(
        "/responses", whole(calling("transfer_to_billing")), whole(saying("done", id="resp_2"))
    )
    billing: Agent[Any] = Agent(name="billing", model=model)
    triage: Agent[Any] = Agent(name="triage", model=model, handoffs=[billing])
    assert (await Runner.run(triage, "secret")).last_agent is billing
    first, second = events()
    assert (first["agent"], second["agent"]) == ("triage", "billing")
    assert first["run_id"] != second["run_id"]
    assert first["parent_run_id"] == second["parent_run_id"]
    assert first["parent_run_id"].startswith("trace_")


async def test_an_agent_as_a_tool_is_inside_the_others_run(
    provider: WireServer, model: OpenAIResponsesModel, events: Events
) -> None:
    """Its run is a child of the one that called it."""
    provider.tell(
        "/responses",
        whole(calling("ask", '{"input": "secret"}')),
        whole(saying("inner", id="resp_2")),
        whole(saying("outer", id="resp_3")),
    )
    inner: Agent[Any] = Agent(name="inner", model=model)
    tool = inner.as_tool(tool_name="ask", tool_description="ask")
    await Runner.run(Agent(name="outer", model=model, tools=[tool]), "secret")
    first, second, third = events()
    assert [event["agent"] for event in (first, second, third)] == ["outer", "inner", "outer"]
    assert second["parent_run_id"] == first["run_id"] == third["run_id"]


async def test_a_run_of_the_program_wins(
    provider: WireServer, model: OpenAIResponsesModel, capturing: Meter, events: Events
) -> None:
    """The trace's agents and runs are for programs that name none."""
    provider.tell("/responses", whole(saying("done")))
    with capturing.context(agent="coder", run="r1"):
        await Runner.run(Agent(name="a", model=model), "secret")
    (event,) = events()
    assert (event["agent"], event["run_id"], "parent_run_id" in event) == ("coder", "r1", False)


async def test_without_sensitive_data_the_model_is_unknown(
    provider: WireServer, model: OpenAIResponsesModel, events: Events
) -> None:
    """The span has counts only; a server that is not OpenAI's own is not named either."""
    provider.tell("/responses", whole(saying("done")))
    config = RunConfig(trace_include_sensitive_data=False)
    await Runner.run(Agent(name="a", model=model), "secret", run_config=config)
    (event,) = events()
    assert (event["tokens"], event["model"]) == (TOKENS, "unknown")
    assert "response_id" not in event


@pytest.mark.parametrize("api", ["responses", "chat"])
async def test_a_failure_counts_nothing(
    provider: WireServer, client: openai.AsyncOpenAI, events: Events, api: str
) -> None:
    """The caller sees OpenAI's own error; the event says that a request failed."""
    refused = whole({"error": {"message": "secret"}}, 429)
    provider.tell("/responses", refused)
    provider.tell("/chat/completions", refused)
    kind: Any = OpenAIResponsesModel if api == "responses" else OpenAIChatCompletionsModel
    with pytest.raises(openai.RateLimitError):
        await Runner.run(Agent(name="a", model=kind("gpt-5", client)), "secret")
    (event,) = events()
    assert (event["status"], event["tags"]["error"]) == ("failed", "model_error")
    assert event["units"] == {"failed_requests": "0"}
    assert "secret" not in str(event)


async def test_another_provider(
    provider: WireServer, client: openai.AsyncOpenAI, capturing: Meter, events: Events
) -> None:
    """Who answers at another address is for the program to say."""
    agents.set_trace_processors([TallyrollTracingProcessor(capturing, provider="deepseek")])
    plain = {name: USAGE[name] for name in ("prompt_tokens", "completion_tokens", "total_tokens")}
    provider.tell("/chat/completions", whole({**ANSWER, "usage": plain}))
    model = OpenAIChatCompletionsModel("deepseek-chat", client)
    await Runner.run(Agent(name="a", model=model), "secret")
    (event,) = events()
    assert (event["provider"], event["model"]) == ("deepseek", "deepseek-chat")
    assert event["tokens"] == {"input_uncached": 100, "output_text": 30}


async def test_tasks_keep_their_own_scope(
    provider: WireServer, model: OpenAIResponsesModel, capturing: Meter, events: Events
) -> None:
    """Runs of many tasks at once are not mixed."""
    provider.tell("/responses", whole(saying("done")))

    async def one(tenant: str) -> None:
        with capturing.context(tenant=tenant):
            await Runner.run(Agent(name=tenant, model=model), "secret")

    await asyncio.gather(*(one(f"t{number}") for number in range(10)))
    assert sorted(event["tenant"] for event in events()) == [f"t{n}" for n in range(10)]
    assert all(event["tenant"] == event["agent"] for event in events())


async def test_a_broken_meter_breaks_nothing(
    provider: WireServer, model: OpenAIResponsesModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run goes on as ever, and so does the flush."""
    provider.tell("/responses", whole(saying("done")))
    with Meter(transport=CapturingTransport()) as meter:
        agents.set_trace_processors([TallyrollTracingProcessor(meter)])

        def fail(*_args: Any, **_kwargs: Any) -> None:
            raise RuntimeError("broken")

        with monkeypatch.context() as patch:
            for name in ("attribution", "record", "flush"):
                patch.setattr(meter, name, fail)
            assert (await Runner.run(Agent(name="a", model=model), "hi")).final_output == "done"
            get_trace_provider().force_flush()
