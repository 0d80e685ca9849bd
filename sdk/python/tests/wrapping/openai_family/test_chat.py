"""OpenAI's own client against a server that speaks Chat Completions."""

from collections.abc import Iterator
from typing import Any

import openai
import pytest
from sdk.python.tests.wrapping.conftest import Events
from sdk.python.tests.wrapping.wire import WireServer, sse, whole

import tallyroll
from tallyroll import Meter

USAGE = {
    "prompt_tokens": 100,
    "completion_tokens": 30,
    "total_tokens": 130,
    "prompt_tokens_details": {"cached_tokens": 60},
    "completion_tokens_details": {"reasoning_tokens": 10},
}
TOKENS = {
    "input_uncached": 40,
    "input_cache_read": 60,
    "output_text": 20,
    "output_reasoning": 10,
}
HEAD = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "gpt-5-2026"}
ANSWER = {
    **HEAD,
    "service_tier": "priority",
    "choices": [
        {
            "index": 0,
            "finish_reason": "stop",
            "message": {"role": "assistant", "content": "secret words"},
        }
    ],
    "usage": USAGE,
}
ASK: Any = {"model": "gpt-5", "messages": [{"role": "user", "content": "hi"}]}


def chunks(*, usage: bool) -> list[dict[str, Any]]:
    head = {**HEAD, "object": "chat.completion.chunk"}
    said = [
        {**head, "choices": [{"index": 0, "delta": {"content": word}, "finish_reason": None}]}
        for word in ("secret", " words")
    ]
    end = {**head, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
    return [*said, end, *([{**head, "choices": [], "usage": USAGE}] if usage else [])]


@pytest.fixture(name="client")
def _client(provider: WireServer, capturing: Meter) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=provider.url, api_key="k", max_retries=0) as client:
        yield tallyroll.wrap(client, capturing, provider="openai", agent="coder")


def test_an_answer_is_an_event_and_stays_as_it_is(
    client: openai.OpenAI, provider: WireServer, events: Events
) -> None:
    """The answer is OpenAI's own; the event has its counts, its identity and none of its words."""
    provider.tell("/chat/completions", whole(ANSWER))
    answer = client.chat.completions.create(**ASK)
    assert type(answer).__name__ == "ChatCompletion"
    assert answer.choices[0].message.content == "secret words"
    (event,) = events()
    assert event["tokens"] == TOKENS
    assert (event["model"], event["response_id"]) == ("gpt-5-2026", "chatcmpl-1")
    assert (event["service_tier"], event["context_input_tokens"]) == ("priority", 100)
    assert (event["agent"], event["instrument"]) == ("coder", "wrap.openai")
    assert "secret" not in str(event)


def test_a_stream_is_asked_for_its_usage_which_the_caller_does_not_see(
    client: openai.OpenAI, provider: WireServer, events: Events
) -> None:
    """Usage only comes when asked for; who did not ask does not get the chunk."""
    provider.tell("/chat/completions", sse(chunks(usage=True)))
    with client.chat.completions.create(**ASK, stream=True) as stream:
        got = list(stream)
    assert provider.asked[0].body["stream_options"] == {"include_usage": True}
    assert [len(chunk.choices) for chunk in got] == [1, 1, 1]
    (event,) = events()
    assert event["tokens"] == TOKENS
    assert "status" not in event


def test_a_stream_that_is_left_half_way_is_a_partial_event(
    client: openai.OpenAI, provider: WireServer, events: Events
) -> None:
    """What was used until then is unknown: an event says so, and a correction can say it later."""
    provider.tell("/chat/completions", sse(chunks(usage=True)))
    with client.chat.completions.create(**ASK, stream=True) as stream:
        next(stream)
    (event,) = events()
    assert (event["status"], event["tags"]["usage_flags"]) == ("aborted", "partial")
    assert event["units"] == {"unmeasured_requests": "1"}
    assert event["response_id"] == "chatcmpl-1"


async def test_an_async_client_too(provider: WireServer, capturing: Meter, events: Events) -> None:
    """`AsyncOpenAI` is metered in the same way."""
    provider.tell("/chat/completions", whole(ANSWER), sse(chunks(usage=True)))
    async with openai.AsyncOpenAI(base_url=provider.url, api_key="k") as plain:
        client = tallyroll.wrap(plain, capturing, provider="openai", agent="coder")
        await client.chat.completions.create(**ASK)
        stream = await client.chat.completions.create(**ASK, stream=True)
        assert len([chunk async for chunk in stream]) == 3
    assert [event["tokens"] for event in events()] == [TOKENS, TOKENS]


def test_a_refusal_passes_unchanged_and_counts_nothing(
    client: openai.OpenAI, provider: WireServer, events: Events
) -> None:
    """The caller sees the provider's own error; the event says that a request failed."""
    provider.tell("/chat/completions", whole({"error": {"message": "no"}}, 429))
    with pytest.raises(openai.RateLimitError, match="no"):
        client.chat.completions.create(**ASK)
    (event,) = events()
    assert (event["status"], event["tags"]["error"]) == ("failed", "RateLimitError")
    assert event["units"] == {"failed_requests": "0"}
