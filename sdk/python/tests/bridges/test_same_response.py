"""One response, seen by the wrapped client, by OpenTelemetry and by LiteLLM: one to the server.

The server counts the first of those that have the same tenant, provider, response and line.
"""

from collections.abc import Iterator
from typing import Any

import anthropic
import litellm
import openai
import pytest
from opentelemetry.sdk.trace import TracerProvider
from sdk.python.tests.bridges.litellm_calls import CLAUDE, CLAUDE_TOKENS, IGNORED, Logger, use
from sdk.python.tests.wrapping.conftest import Events
from sdk.python.tests.wrapping.openai_family.shapes import ANSWER, ASK, TOKENS, chunks
from sdk.python.tests.wrapping.wire import WireServer, sse, whole

import tallyroll
from tallyroll import Meter
from tallyroll.bridges.opentelemetry import TallyrollSpanProcessor

pytestmark = IGNORED
KEY = ("tenant", "provider", "response_id", "line")


def traced(meter: Meter, answer: Any, usage: Any) -> None:
    """Write the span that opentelemetry-instrumentation-genai-openai 1.2b0 writes of an answer."""
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(TallyrollSpanProcessor(meter, agent="coder"))
    tracer = provider.get_tracer("opentelemetry.instrumentation.genai.openai", "1.2b0")
    with tracer.start_as_current_span("chat gpt-5") as span:
        span.set_attributes(
            {
                "gen_ai.operation.name": "chat",
                "gen_ai.provider.name": "openai",
                "gen_ai.request.model": "gpt-5",
                "gen_ai.response.model": answer.model,
                "gen_ai.response.id": answer.id,
                "gen_ai.usage.input_tokens": usage.prompt_tokens,
                "gen_ai.usage.cache_read.input_tokens": usage.prompt_tokens_details.cached_tokens,
                "gen_ai.usage.output_tokens": usage.completion_tokens,
                "gen_ai.usage.reasoning.output_tokens": (
                    usage.completion_tokens_details.reasoning_tokens
                ),
            }
        )


@pytest.fixture(name="logger")
def _logger(capturing: Meter) -> Iterator[Logger]:
    yield from use(Logger(capturing))


@pytest.mark.parametrize("streamed", [False, True])
def test_three_instruments_see_one_response(
    provider: WireServer, capturing: Meter, events: Events, logger: Logger, *, streamed: bool
) -> None:
    """Three events with the same key, character by character, the same counts, three names."""
    provider.tell("/chat/completions", sse(chunks(usage=True)) if streamed else whole(ANSWER))
    with (
        capturing.context(tenant="acme", agent="coder"),
        openai.OpenAI(base_url=provider.url, api_key="k") as plain,
    ):
        client = tallyroll.wrap(plain, capturing, provider="openai")
        said: Any = client.chat.completions.create(**ASK, stream=streamed)
        traced(
            capturing,
            list(said)[-1] if streamed else said,
            openai.types.CompletionUsage.model_validate(ANSWER["usage"]),
        )
        answer: Any = litellm.completion(
            model="openai/gpt-5",
            messages=ASK["messages"],
            stream=streamed,
            api_base=provider.url,
            api_key="k",
        )
        list(answer if streamed else ())
        assert logger.told.acquire(timeout=10)
    assert len({tuple(event.get(name) for name in KEY) for event in events()}) == 1
    assert [event["instrument"] for event in events()] == [
        "wrap.openai",
        "opentelemetry",
        "litellm",
    ]
    assert [event["tokens"] for event in events()] == [TOKENS] * 3
    assert {event["provider"] for event in events()} == {"openai"}
    assert {event["response_id"] for event in events()} == {ANSWER["id"]}


def test_anthropics_answers_too(
    provider: WireServer, capturing: Meter, events: Events, logger: Logger
) -> None:
    """LiteLLM gives them an id of its own: the event has Anthropic's all the same."""
    provider.tell("/v1/messages", whole(CLAUDE))
    ask: Any = {"model": "claude-sonnet-5", "messages": ASK["messages"], "max_tokens": 5}
    with (
        capturing.context(tenant="acme", agent="coder"),
        anthropic.Anthropic(base_url=provider.url, api_key="k") as plain,
    ):
        tallyroll.wrap(plain, capturing, provider="anthropic").messages.create(**ask)
        traces = TracerProvider(shutdown_on_exit=False)
        traces.add_span_processor(TallyrollSpanProcessor(capturing))
        scope = ("opentelemetry.instrumentation.genai.anthropic", "1.3b0")
        with traces.get_tracer(*scope).start_as_current_span("chat claude-sonnet-5") as span:
            span.set_attributes(
                {
                    "gen_ai.operation.name": "chat",
                    "gen_ai.provider.name": "anthropic",
                    "gen_ai.response.model": "claude-sonnet-5",
                    "gen_ai.response.id": "msg_01",
                    "gen_ai.usage.input_tokens": 985,
                    "gen_ai.usage.cache_read.input_tokens": 900,
                    "gen_ai.usage.cache_write.input_tokens": 75,
                    "gen_ai.usage.output_tokens": 50,
                    "gen_ai.usage.reasoning.output_tokens": 30,
                }
            )
        litellm.completion(
            model="anthropic/claude-sonnet-5",
            messages=ask["messages"],
            api_base=provider.url,
            api_key="k",
        )
        assert logger.told.acquire(timeout=10)
    wrapped, traced_event, called = events()
    assert len({tuple(event.get(name) for name in KEY) for event in events()}) == 1
    assert wrapped["tokens"] == called["tokens"] == CLAUDE_TOKENS
    assert traced_event["tokens"]["input_cache_write"] == 75  # spans do not say for how long
    instruments = [event["instrument"] for event in (wrapped, traced_event, called)]
    assert instruments == ["wrap.anthropic", "opentelemetry", "litellm"]
