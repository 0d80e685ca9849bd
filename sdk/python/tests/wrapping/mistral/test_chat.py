"""Chats with Mistral, in one piece and streamed, sync and async."""

import asyncio
import gc
from typing import Any

import pydantic
import pytest
from mistralai.client import Mistral, errors
from sdk.python.tests.wrapping.conftest import Events
from sdk.python.tests.wrapping.mistral.answers import CHAT, TOKENS, chunks
from sdk.python.tests.wrapping.wire import WireServer, sse, whole

import tallyroll
from tallyroll import Meter

PATH = "/v1/chat/completions"
ASK: Any = {
    "model": "mistral-large-latest",
    "messages": [{"role": "user", "content": "private question"}],
}


def assert_partial(events: list[dict[str, Any]]) -> None:
    """One event: something was used, and nobody said how much."""
    (event,) = events
    assert (event["status"], event["tags"]["usage_flags"]) == ("aborted", "partial")
    assert (event["units"], event["response_id"]) == ({"unmeasured_requests": "1"}, "cmpl-1")


def test_an_answer_is_an_event_and_stays_as_it_is(
    client: Mistral, provider: WireServer, events: Events
) -> None:
    """The answer is Mistral's own; the event has its counts, its identity and none of its words."""
    provider.tell(PATH, whole(CHAT))
    answer = client.chat.complete(**ASK)
    assert type(answer).__name__ == "ChatCompletionResponse"
    assert answer.choices[0].message is not None
    assert answer.choices[0].message.content == "secret words"
    (event,) = events()
    assert event["tokens"] == TOKENS
    assert (event["provider"], event["model"]) == ("mistral_ai", "mistral-large-2611")
    assert (event["response_id"], event["service_tier"]) == ("cmpl-1", "priority")
    assert (event["agent"], event["instrument"]) == ("coder", "wrap.mistral_ai")
    assert "secret" not in str(event)
    assert "private" not in str(event)


async def test_an_async_answer_too(aclient: Mistral, provider: WireServer, events: Events) -> None:
    """`complete_async()`."""
    provider.tell(PATH, whole(CHAT))
    await aclient.chat.complete_async(**ASK)
    assert [event["tokens"] for event in events()] == [TOKENS]


def test_a_parsed_answer_is_one_request(
    client: Mistral, provider: WireServer, events: Events
) -> None:
    """`parse()` calls `complete()`."""

    class Shape(pydantic.BaseModel):
        word: str

    message = {"role": "assistant", "content": '{"word": "secret"}'}
    choice = {"index": 0, "finish_reason": "stop", "message": message}
    provider.tell(PATH, whole({**CHAT, "choices": [choice]}))
    answer = client.chat.parse(Shape, **ASK)
    assert answer.choices is not None
    assert answer.choices[0].message is not None
    assert answer.choices[0].message.parsed == Shape(word="secret")
    assert len(events()) == 1


def test_the_client_looks_as_before_and_the_plain_one_is_not_touched(
    plain: Mistral, client: Mistral, provider: WireServer, events: Events
) -> None:
    """An instance of its class, wrapped once; requests of the original are not metered."""
    provider.tell(PATH, whole(CHAT))
    first = client.chat
    assert client.chat is first
    assert isinstance(client, Mistral)
    assert isinstance(client.chat, type(plain.chat))
    assert repr(type(client)) == repr(Mistral)
    assert tallyroll.wrap(client, agent="other") is client
    plain.chat.complete(**ASK)
    assert events() == []


def test_parts_that_were_used_before_are_metered(
    plain: Mistral, capturing: Meter, provider: WireServer, events: Events
) -> None:
    """The SDK makes `chat` once and keeps it."""
    provider.tell(PATH, whole(CHAT))
    plain.chat.complete(**ASK)
    tallyroll.wrap(plain, capturing, agent="coder").chat.complete(**ASK)
    assert len(events()) == 1


def test_who_keeps_only_the_wrapped_client_can_use_it(
    provider: WireServer, capturing: Meter, events: Events
) -> None:
    """Mistral's client closes its connections when it is collected; the wrapped one keeps it."""
    provider.tell(PATH, whole(CHAT))
    plain = Mistral(api_key="k", server_url=provider.url)
    with tallyroll.wrap(plain, capturing, agent="coder") as client:
        del plain
        gc.collect()
        client.chat.complete(**ASK)
    assert len(events()) == 1


def test_a_stream_counts_what_its_last_chunk_says(
    client: Mistral, provider: WireServer, events: Events
) -> None:
    """The caller gets every chunk as it is."""
    provider.tell(PATH, sse(chunks()))
    with client.chat.stream(**ASK) as stream:
        assert stream.__class__.__name__ == "EventStream"
        assert [one.data.choices[0].delta.content for one in stream] == ["secret", " ", "words"]
    (event,) = events()
    assert event["tokens"] == TOKENS
    assert "status" not in event
    assert "secret" not in str(event)


async def test_an_async_stream_too(aclient: Mistral, provider: WireServer, events: Events) -> None:
    """`stream_async()`."""
    provider.tell(PATH, sse(chunks()))
    async with await aclient.chat.stream_async(**ASK) as stream:
        assert len([one async for one in stream]) == 3
    assert [event["tokens"] for event in events()] == [TOKENS]


def test_a_stream_that_is_left_is_partial(
    client: Mistral, provider: WireServer, events: Events
) -> None:
    """`break` and forget."""
    provider.tell(PATH, sse(chunks()))
    for _ in client.chat.stream(**ASK):
        break
    gc.collect()
    assert_partial(events())


def test_a_stream_that_is_closed_is_partial(
    client: Mistral, provider: WireServer, events: Events
) -> None:
    """The end of `with`, with an error of the reader; once."""

    def read() -> None:
        with client.chat.stream(**ASK) as stream:
            next(stream)
            raise LookupError

    provider.tell(PATH, sse(chunks()))
    with pytest.raises(LookupError):
        read()
    gc.collect()
    assert_partial(events())


def test_a_connection_that_is_cut_leaves_a_partial_event(
    client: Mistral, provider: WireServer, events: Events
) -> None:
    """The error of the connection passes as it is."""
    provider.tell(PATH, sse(chunks()[:2], cut=True))
    with pytest.raises(Exception, match="incomplete chunked read") as caught:
        list(client.chat.stream(**ASK))
    assert type(caught.value).__name__ == "RemoteProtocolError"
    assert_partial(events())


async def test_a_task_that_is_cancelled_leaves_a_partial_event(
    aclient: Mistral, provider: WireServer, events: Events
) -> None:
    """Whoever reads a stream is cancelled while he holds its first chunk."""
    provider.tell(PATH, sse(chunks()))
    got = asyncio.Event()

    async def read() -> None:
        async with await aclient.chat.stream_async(**ASK) as stream:
            async for _ in stream:
                got.set()
                await asyncio.Event().wait()

    task = asyncio.create_task(read())
    await asyncio.wait_for(got.wait(), 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert_partial(events())


@pytest.mark.parametrize("method", ["complete", "stream"])
def test_a_refusal_passes_unchanged_and_counts_nothing(
    client: Mistral, provider: WireServer, events: Events, method: str
) -> None:
    """The caller sees Mistral's own error; the event says that a request failed."""
    provider.tell(PATH, whole({"message": "no"}, 401))
    with pytest.raises(errors.SDKError, match="401") as caught:
        getattr(client.chat, method)(**ASK)
    assert type(caught.value) is errors.SDKError
    (event,) = events()
    assert (event["status"], event["tags"]["error"]) == ("failed", "SDKError")
    assert (event["units"], event["model"]) == ({"failed_requests": "0"}, "mistral-large-latest")
