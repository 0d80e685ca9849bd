"""LiteLLM itself, against a server that answers as the providers do."""

import sys
from types import ModuleType
from typing import Any

import litellm
import pytest
from litellm.anthropic_interface import messages
from litellm.caching.caching import Cache
from litellm.exceptions import AuthenticationError, MidStreamFallbackError, RateLimitError
from litellm.integrations.opentelemetry import OpenTelemetry, OpenTelemetryConfig
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from sdk.python.tests.bridges.litellm_calls import (
    ASK,
    CLAUDE,
    CLAUDE_TOKENS,
    IGNORED,
    AsyncRecorded,
    Logger,
    Recorded,
    _arecorded,
    _at,
    _logger,
    _recorded,
)
from sdk.python.tests.wrapping.openai_family.shapes import ANSWER, TOKENS, chunks
from sdk.python.tests.wrapping.wire import WireServer, sse, whole

from tallyroll import Meter
from tallyroll.bridges.opentelemetry import TallyrollSpanProcessor

__all__ = ["_arecorded", "_at", "_logger", "_recorded"]
pytestmark = IGNORED
RESPONSE = {
    "id": "resp_1",
    "object": "response",
    "created_at": 1,
    "model": "gpt-5-2026",
    "status": "completed",
    "output": [
        {
            "type": "message",
            "id": "m",
            "role": "assistant",
            "status": "completed",
            "content": [{"type": "output_text", "text": "secret", "annotations": []}],
        }
    ],
    "parallel_tool_calls": True,
    "tool_choice": "auto",
    "tools": [],
    "service_tier": "priority",
    "usage": {
        "input_tokens": 100,
        "input_tokens_details": {"cached_tokens": 60},
        "output_tokens": 30,
        "output_tokens_details": {"reasoning_tokens": 10},
        "total_tokens": 130,
    },
}


def test_an_answer_is_an_event_in_the_scope_of_its_call(
    provider: WireServer, capturing: Meter, at: dict[str, Any], recorded: Recorded
) -> None:
    """Counts, identity, price context and place; none of its words."""
    provider.tell("/chat/completions", whole(ANSWER))
    with capturing.context(tenant="acme", agent="writer", run="r1"):
        litellm.completion(model="openai/gpt-5", messages=ASK, **at)
    (event,) = recorded(1)
    assert event["tokens"] == TOKENS
    assert (event["provider"], event["model"]) == ("openai", "gpt-5-2026")
    assert (event["response_id"], event["instrument"]) == ("chatcmpl-1", "litellm")
    assert (event["service_tier"], event["context_input_tokens"]) == ("priority", 100)
    assert (event["tenant"], event["agent"], event["run_id"]) == ("acme", "writer", "r1")
    assert "tags" not in event
    assert "secret" not in str(event)


async def test_async_calls_too(
    provider: WireServer, capturing: Meter, at: dict[str, Any], arecorded: AsyncRecorded
) -> None:
    """Each is reported once, in its own scope; embeddings have no output."""
    provider.tell("/chat/completions", whole(ANSWER))
    answer = {
        "object": "list",
        "model": "text-embedding-3-small",
        "data": [{"object": "embedding", "index": 0, "embedding": [0.1]}],
        "usage": {"prompt_tokens": 5, "total_tokens": 5},
    }
    provider.tell("/embeddings", whole(answer))
    with capturing.context(tenant="acme"):
        await litellm.acompletion(model="openai/gpt-5", messages=ASK, **at)
    with capturing.context(tenant="hooli"):
        await litellm.aembedding(model="openai/text-embedding-3-small", input=["secret"], **at)
    chat, embeddings = sorted(await arecorded(2), key=lambda event: event["tenant"])
    assert (chat["tokens"], chat["tenant"]) == (TOKENS, "acme")
    assert (embeddings["tokens"], embeddings["tenant"]) == ({"input_uncached": 5}, "hooli")
    assert embeddings["model"] == "text-embedding-3-small"


def test_a_stream_is_one_event_of_the_whole(
    provider: WireServer, capturing: Meter, at: dict[str, Any], recorded: Recorded
) -> None:
    """Its final assembled response has the usage; the scope is that of the call."""
    provider.tell("/chat/completions", sse(chunks(usage=True)))
    with capturing.context(tenant="acme"):
        stream = litellm.completion(model="openai/gpt-5", messages=ASK, stream=True, **at)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in stream) == "secret words"
    (event,) = recorded(1)
    assert (event["tokens"], event["tenant"]) == (TOKENS, "acme")
    assert event["response_id"] == "chatcmpl-1"


async def test_an_async_stream_too(
    provider: WireServer, at: dict[str, Any], arecorded: AsyncRecorded
) -> None:
    """Once, with the same counts."""
    provider.tell("/chat/completions", sse(chunks(usage=True)))
    stream = await litellm.acompletion(model="openai/gpt-5", messages=ASK, stream=True, **at)
    assert len([chunk async for chunk in stream]) > 2
    (event,) = await arecorded(1)
    assert event["tokens"] == TOKENS


def test_a_stream_without_usage_is_flagged(
    provider: WireServer, at: dict[str, Any], recorded: Recorded
) -> None:
    """LiteLLM counts the words then, and does not say so."""
    provider.tell("/chat/completions", sse(chunks(usage=False)))
    list(litellm.completion(model="openai/gpt-5", messages=ASK, stream=True, **at))
    (event,) = recorded(1)
    assert event["tags"]["usage_flags"] == "maybe_estimated"


def test_a_stream_that_breaks_is_a_partial_event(
    provider: WireServer, at: dict[str, Any], recorded: Recorded
) -> None:
    """Some of it came, so something was used; LiteLLM does not say what."""
    provider.tell("/chat/completions", sse(chunks(usage=True)[:1], cut=True))
    stream = litellm.completion(model="openai/gpt-5", messages=ASK, stream=True, **at)
    with pytest.raises(MidStreamFallbackError):
        list(stream)
    (event,) = recorded(1)
    assert (event["status"], event["units"]) == ("aborted", {"unmeasured_requests": "1"})
    assert event["model"] == "gpt-5"


def test_a_failure_counts_nothing(
    provider: WireServer, at: dict[str, Any], recorded: Recorded
) -> None:
    """The caller sees LiteLLM's own error; the event says that a request failed."""
    provider.tell("/chat/completions", whole({"error": {"message": "secret"}}, 429))
    with pytest.raises(RateLimitError):
        litellm.completion(model="openai/gpt-5", messages=ASK, **at)
    (event,) = recorded(1)
    assert (event["status"], event["tags"]["error"]) == ("failed", "RateLimitError")
    assert (event["model"], event["units"]) == ("gpt-5", {"failed_requests": "0"})
    assert "secret" not in str(event)


async def test_an_async_failure_too(
    provider: WireServer, at: dict[str, Any], arecorded: AsyncRecorded
) -> None:
    """Once."""
    provider.tell("/chat/completions", whole({"error": {"message": "secret"}}, 401))
    with pytest.raises(AuthenticationError):
        await litellm.acompletion(model="openai/gpt-5", messages=ASK, **at)
    (event,) = await arecorded(1)
    assert event["tags"]["error"] == "AuthenticationError"


def test_litellms_cache_costs_nothing(
    provider: WireServer,
    at: dict[str, Any],
    recorded: Recorded,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The second answer has the usage of the first and used nothing; a third one is asked for."""
    monkeypatch.setitem(sys.modules, "soundfile", ModuleType("soundfile"))  # its cache imports it
    monkeypatch.setattr(litellm, "cache", Cache())
    provider.tell("/chat/completions", whole(ANSWER), whole({**ANSWER, "id": "chatcmpl-2"}))
    for _ in range(2):
        litellm.completion(model="openai/gpt-5", messages=ASK, caching=True, **at)
    litellm.completion(model="openai/gpt-6", messages=ASK, caching=True, **at)
    ids = [event["response_id"] for event in recorded(3)]
    assert (ids, len(provider.asked)) == (["chatcmpl-1", "chatcmpl-2"], 2)


def test_claudes_cache_is_inside_litellms_totals(
    provider: WireServer, at: dict[str, Any], recorded: Recorded
) -> None:
    """It comes out again, by how long it is kept; the id is read from what Anthropic answered."""
    provider.tell("/v1/messages", whole(CLAUDE))
    answer = litellm.completion(model="anthropic/claude-sonnet-5", messages=ASK, **at)
    assert answer.usage.prompt_tokens == 985
    assert answer.id != "msg_01"
    (event,) = recorded(1)
    assert event["tokens"] == CLAUDE_TOKENS
    assert event["units"] == {"web_search_requests": "2"}
    assert (event["provider"], event["response_id"]) == ("anthropic", "msg_01")


def test_claudes_streams_have_no_id(
    provider: WireServer, at: dict[str, Any], recorded: Recorded
) -> None:
    """LiteLLM puts its own in its place: an event does not pretend that it is Anthropic's."""
    start = {**CLAUDE, "content": [], "usage": {**CLAUDE["usage"], "output_tokens": 1}}  # type: ignore[dict-item]
    said = [
        {"type": "message_start", "message": start},
        {
            "type": "content_block_start",
            "index": 0,
            "content_block": {"type": "text", "text": ""},
        },
        {
            "type": "content_block_delta",
            "index": 0,
            "delta": {"type": "text_delta", "text": "secret"},
        },
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn"},
            "usage": {"output_tokens": 50},
        },
        {"type": "message_stop"},
    ]
    provider.tell("/v1/messages", sse(said, done=False, named=True))
    list(litellm.completion(model="anthropic/claude-sonnet-5", messages=ASK, stream=True, **at))
    (event,) = recorded(1)
    assert (event["tokens"], "response_id" in event) == (CLAUDE_TOKENS, False)


def test_an_adviser_is_a_line_of_its_own(
    provider: WireServer, at: dict[str, Any], recorded: Recorded
) -> None:
    """LiteLLM's totals have its tokens in them, at the price of the wrong model."""
    iterations = [
        {
            "type": "message",
            "input_tokens": 10,
            "cache_read_input_tokens": 900,
            "output_tokens": 50,
        },
        {
            "type": "advisor_message",
            "model": "claude-opus-5",
            "input_tokens": 800,
            "output_tokens": 400,
        },
    ]
    usage = {
        "input_tokens": 10,
        "cache_read_input_tokens": 900,
        "output_tokens": 50,
        "iterations": iterations,
    }
    provider.tell("/v1/messages", whole({**CLAUDE, "usage": usage}))
    litellm.completion(model="anthropic/claude-sonnet-5", messages=ASK, **at)
    main, adviser = sorted(recorded(1), key=lambda event: event.get("line", 0))
    assert main["tokens"] == {"input_uncached": 10, "input_cache_read": 900, "output_text": 50}
    assert (adviser["model"], adviser["line"]) == ("claude-opus-5", 2)
    assert adviser["tokens"] == {"input_uncached": 800, "output_text": 400}
    assert {main["response_id"], adviser["response_id"]} == {"msg_01"}


async def test_anthropics_own_format(
    provider: WireServer, at: dict[str, Any], arecorded: AsyncRecorded
) -> None:
    """`litellm.anthropic.messages` keeps the id."""
    provider.tell("/v1/messages", whole(CLAUDE))
    ask = {"model": "anthropic/claude-sonnet-5", "messages": ASK, "max_tokens": 5}
    await messages.acreate(**ask, api_base=at["api_base"], api_key="k")
    (event,) = await arecorded(1)
    assert (event["tokens"], event["response_id"]) == (CLAUDE_TOKENS, "msg_01")


def test_geminis_tool_prompt_and_thinking(
    provider: WireServer, at: dict[str, Any], recorded: Recorded
) -> None:
    """LiteLLM adds both to its totals; they come out as what they are."""
    usage = {
        "promptTokenCount": 100,
        "cachedContentTokenCount": 60,
        "candidatesTokenCount": 20,
        "thoughtsTokenCount": 10,
        "toolUsePromptTokenCount": 7,
        "totalTokenCount": 137,
    }
    content = {"role": "model", "parts": [{"text": "secret"}]}
    answer = {
        "responseId": "gem-1",
        "modelVersion": "gemini-3-pro",
        "candidates": [{"content": content, "finishReason": "STOP", "index": 0}],
        "usageMetadata": usage,
    }
    provider.tell(":generateContent", whole(answer))
    litellm.completion(model="gemini/gemini-3-pro", messages=ASK, **at)
    (event,) = recorded(1)
    assert event["tokens"] == {
        "input_uncached": 40,
        "input_cache_read": 60,
        "input_tool": 7,
        "output_text": 20,
        "output_reasoning": 10,
    }
    assert (event["provider"], event["response_id"]) == ("gcp.gemini", "gem-1")


def test_the_responses_api(provider: WireServer, at: dict[str, Any], recorded: Recorded) -> None:
    """LiteLLM hides OpenAI's id in one of its own: it is taken out again."""
    provider.tell("/responses", whole(RESPONSE))
    answer: Any = litellm.responses(model="openai/gpt-5", input="secret", **at)
    assert answer.id != "resp_1"
    (event,) = recorded(1)
    assert (event["tokens"], event["response_id"]) == (TOKENS, "resp_1")
    assert event["service_tier"] == "priority"


def test_a_broken_meter_breaks_nothing(
    provider: WireServer,
    logger: Logger,
    at: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The answer comes as ever, and LiteLLM has no error to report."""
    provider.tell("/chat/completions", whole(ANSWER))

    def fail(*_args: Any, **_kwargs: Any) -> None:
        raise RuntimeError("broken")

    with monkeypatch.context() as patch:
        patch.setattr(logger._bridge.meter, "attribution", fail)
        patch.setattr(logger._bridge.meter, "record", fail)
        answer = litellm.completion(model="openai/gpt-5", messages=ASK, **at)
        assert logger.told.acquire(timeout=10)
    assert answer.choices[0].message.content == "secret words"
    assert logger._bridge._recorder.faults == 2
    assert "LoggingError" not in caplog.text


async def test_litellms_own_spans_are_counted_by_the_other_bridge(
    provider: WireServer,
    logger: Logger,
    at: dict[str, Any],
    capturing: Meter,
    arecorded: AsyncRecorded,
) -> None:
    """LiteLLM's OpenTelemetry integration names the call, and does not tell what was cached."""
    provider.tell("/chat/completions", whole(ANSWER))
    tracing = TracerProvider(shutdown_on_exit=False)
    tracing.add_span_processor(TallyrollSpanProcessor(capturing))
    config = OpenTelemetryConfig(exporter=InMemorySpanExporter())
    own: Any = OpenTelemetry(config=config, tracer_provider=tracing)
    own.turn_off_message_logging = own.message_logging = False
    litellm.callbacks = [own, logger]
    await litellm.acompletion(model="openai/gpt-5", messages=ASK, **at)
    seen = {event["instrument"]: event for event in await arecorded(1)}
    assert set(seen) == {"litellm", "opentelemetry"}
    span, callback = seen["opentelemetry"], seen["litellm"]
    assert (span["provider"], span["response_id"]) == (
        callback["provider"],
        callback["response_id"],
    )
    assert span["tokens"] == {"input_uncached": 100, "output_text": 30}
    assert span["tags"]["usage_flags"] == "cache_untold"
    assert "secret" not in str(span)
