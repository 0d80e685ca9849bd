"""OpenAI's own clients against a server that speaks Chat Completions: whole answers, refusals."""

import json
from typing import Any

import openai
import pytest
from pydantic import BaseModel
from sdk.python.tests.wrapping.conftest import Events
from sdk.python.tests.wrapping.dual import collect, settle
from sdk.python.tests.wrapping.openai_family.conftest import Make
from sdk.python.tests.wrapping.openai_family.shapes import (
    ANSWER,
    ASK,
    HEAD,
    SECRET,
    TOKENS,
    USAGE,
    choice,
    chunks,
)
from sdk.python.tests.wrapping.wire import Answer, WireServer, sse, whole

import tallyroll
from tallyroll import Meter


class City(BaseModel):
    name: str


async def test_an_answer_is_an_event_and_stays_as_it_is(
    client: Any, make: Make, provider: WireServer, events: Events
) -> None:
    """The answer is OpenAI's own; the event has its counts, its identity and none of its words."""
    provider.tell("/chat/completions", whole(ANSWER))
    answer = await settle(client.chat.completions.create(**ASK))
    bare = await settle(make().chat.completions.create(**ASK))
    assert (type(answer), answer, repr(answer)) == (type(bare), bare, repr(bare))
    (event,) = events()
    assert event["tokens"] == TOKENS
    assert (event["model"], event["response_id"]) == ("gpt-5-2026", "chatcmpl-1")
    assert (event["service_tier"], event["context_input_tokens"]) == ("priority", 100)
    assert (event["agent"], event["instrument"]) == ("coder", "wrap.openai")
    assert "secret" not in str(event)


async def test_what_is_sent_is_what_the_caller_sends(
    client: Any, make: Make, provider: WireServer
) -> None:
    """A request that does not stream is the same on the wire, metered or not."""
    provider.tell("/chat/completions", whole(ANSWER))
    extra: Any = {"extra_body": {"mine": 1}, "extra_headers": {"x-mine": "1"}}
    await settle(client.chat.completions.create(**ASK, **extra))
    await settle(make().chat.completions.create(**ASK, **extra))
    one, other = provider.asked
    dropped = {"Idempotency-Key", "idempotency-key", "Connection"}
    assert (one.raw, one.path) == (other.raw, other.path)
    assert {k: v for k, v in one.headers.items() if k not in dropped} == {
        k: v for k, v in other.headers.items() if k not in dropped
    }


async def test_several_choices_are_one_event(
    client: Any, provider: WireServer, events: Events
) -> None:
    """`n=2` is one request with one usage, streamed or not."""
    two = {**ANSWER, "choices": [choice(0), choice(1)]}
    provider.tell("/chat/completions", whole(two), sse(chunks(n=2)))
    await settle(client.chat.completions.create(**ASK, n=2))
    await collect(await settle(client.chat.completions.create(**ASK, n=2, stream=True)))
    assert [event["tokens"] for event in events()] == [TOKENS, TOKENS]
    assert [event.get("status") for event in events()] == [None, None]


async def test_parse_is_metered(client: Any, provider: WireServer, events: Events) -> None:
    """`chat.completions.parse()` gives the parsed object, and one event."""
    answer = {**ANSWER, "choices": [choice(content='{"name": "secret"}')]}
    provider.tell("/chat/completions", whole(answer))
    got = await settle(client.chat.completions.parse(**ASK, response_format=City))
    assert got.choices[0].message.parsed == City(name="secret")
    (event,) = events()
    assert event["tokens"] == TOKENS
    assert "secret" not in str(event)


async def test_parse_that_fails_after_the_answer_is_no_failed_request(
    client: Any, provider: WireServer, events: Events
) -> None:
    """An answer cut at its length was paid for: the error is the SDK's, the event has the usage."""
    answer = {**ANSWER, "choices": [choice(content='{"na', reason="length")]}
    provider.tell("/chat/completions", whole(answer))
    with pytest.raises(openai.LengthFinishReasonError):
        await settle(client.chat.completions.parse(**ASK, response_format=City))
    (event,) = events()
    assert event["tokens"] == TOKENS
    assert "status" not in event


async def test_a_refusal_passes_unchanged_and_counts_nothing(
    client: Any, provider: WireServer, events: Events
) -> None:
    """The caller sees the provider's own error; the event says that a request failed."""
    provider.tell("/chat/completions", whole({"error": {"message": "no"}}, 429))
    with pytest.raises(openai.RateLimitError, match="no") as caught:
        await settle(client.chat.completions.create(**ASK))
    assert type(caught.value.__context__).__name__ == "HTTPStatusError"  # the SDK's own
    (event,) = events()
    assert (event["status"], event["tags"]["error"]) == ("failed", "RateLimitError")
    assert event["units"] == {"failed_requests": "0"}


async def test_what_the_sdk_tries_again_is_one_event(
    make: Make, provider: WireServer, capturing: Meter, events: Events
) -> None:
    """429 and then an answer is one request of the caller's."""
    busy = whole({"error": {"message": "busy"}}, 429, **{"retry-after-ms": "1"})
    provider.tell("/chat/completions", busy, whole(ANSWER))
    client = tallyroll.wrap(make(max_retries=2), capturing, provider="openai")
    await settle(client.chat.completions.create(**ASK))
    assert len(provider.asked) == 2
    assert [event["tokens"] for event in events()] == [TOKENS]


async def test_an_answer_that_is_no_json_is_unmeasured(
    client: Any, provider: WireServer, events: Events
) -> None:
    """What the SDK hands out as text has no usage: the event says so, and nothing breaks."""
    provider.tell("/chat/completions", Answer((b"secret",), content_type="text/plain"))
    assert await settle(client.chat.completions.create(**ASK)) == "secret"
    (event,) = events()
    assert event["units"] == {"unmeasured_requests": "1"}
    assert event["tags"]["usage_flags"] == "unreconciled"


async def test_legacy_completions_are_metered(
    client: Any, provider: WireServer, events: Events
) -> None:
    """`completions.create()`, whole and streamed."""
    body = {**HEAD, "object": "text_completion"}
    text = {"index": 0, "text": SECRET, "finish_reason": "stop", "logprobs": None}
    usage = {**body, "choices": [], "usage": USAGE}
    answer = {**body, "choices": [text], "usage": USAGE}
    provider.tell("/completions", whole(answer), sse([{**body, "choices": [text]}, usage]))
    await settle(client.completions.create(model="gpt-5", prompt="hi"))
    stream = await settle(client.completions.create(model="gpt-5", prompt="hi", stream=True))
    assert len(await collect(stream)) == 1
    assert [event["tokens"] for event in events()] == [TOKENS, TOKENS]
    assert "secret" not in json.dumps(events())
