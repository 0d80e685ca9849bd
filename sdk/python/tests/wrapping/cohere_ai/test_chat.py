"""Chats with Cohere, in one piece and streamed, sync and async."""

import asyncio
import gc
from typing import Any

import cohere
import pytest
from cohere.errors import TooManyRequestsError
from sdk.python.tests.wrapping.cohere_ai.answers import CHAT, UNITS
from sdk.python.tests.wrapping.cohere_ai.answers import events as said
from sdk.python.tests.wrapping.conftest import Events
from sdk.python.tests.wrapping.wire import WireServer, sse, whole

import tallyroll
from tallyroll import Meter

PATH = "/v2/chat"
ASK: Any = {
    "model": "command-a-03-2025",
    "messages": [{"role": "user", "content": "private question"}],
}


def assert_partial(events: list[dict[str, Any]]) -> None:
    """One event: something was used, and nobody said how much."""
    (event,) = events
    assert (event["status"], event["tags"]["usage_flags"]) == ("aborted", "partial")
    assert (event["units"], event["response_id"]) == ({"unmeasured_requests": "1"}, "c-1")


def test_an_answer_is_an_event_and_stays_as_it_is(
    client: cohere.ClientV2, provider: WireServer, events: Events
) -> None:
    """The answer is Cohere's own; the event has what is billed, exactly, and none of its words."""
    provider.tell(PATH, whole(CHAT))
    answer = client.chat(**ASK)
    assert type(answer).__name__ == "V2ChatResponse"
    assert "secret words" in str(answer)
    (event,) = events()
    assert event["units"] == UNITS
    assert "tokens" not in event
    assert (event["provider"], event["model"]) == ("cohere", "command-a-03-2025")
    assert (event["response_id"], event["agent"]) == ("c-1", "coder")
    assert event["instrument"] == "wrap.cohere"
    assert "secret" not in str(event)
    assert "private" not in str(event)


async def test_an_async_answer_too(
    aclient: cohere.AsyncClientV2, provider: WireServer, events: Events
) -> None:
    """`AsyncClientV2` is metered in the same way."""
    provider.tell(PATH, whole(CHAT))
    await aclient.chat(**ASK)
    assert [event["units"] for event in events()] == [UNITS]


def test_a_raw_answer_is_one_request(
    client: cohere.ClientV2, provider: WireServer, events: Events
) -> None:
    """`with_raw_response` has the answer and its headers."""
    provider.tell(PATH, whole(CHAT, x_debug="1"))
    raw = client.with_raw_response.chat(**ASK)
    assert (raw.data.id, raw.headers["x_debug"]) == ("c-1", "1")
    assert [event["units"] for event in events()] == [UNITS]


def test_the_client_looks_as_before_and_the_plain_one_is_not_touched(
    plain: cohere.ClientV2, client: cohere.ClientV2, provider: WireServer, events: Events
) -> None:
    """An instance of its class, wrapped once; requests of the original are not metered."""
    provider.tell(PATH, whole(CHAT))
    assert isinstance(client, cohere.ClientV2)
    assert repr(type(client)) == repr(cohere.ClientV2)
    assert tallyroll.wrap(client, agent="other") is client
    plain.chat(**ASK)
    plain.v2.chat(**ASK)
    assert events() == []


def test_a_stream_counts_what_its_last_event_says(
    client: cohere.ClientV2, provider: WireServer, events: Events
) -> None:
    """The caller gets every event as it is."""
    provider.tell(PATH, sse(said()))
    got = list(client.chat_stream(**ASK))
    assert [one.type for one in got] == ["message-start", "content-delta", "message-end"]
    (event,) = events()
    assert (event["units"], event["response_id"]) == (UNITS, "c-1")
    assert "status" not in event
    assert "secret" not in str(event)


async def test_an_async_stream_too(
    aclient: cohere.AsyncClientV2, provider: WireServer, events: Events
) -> None:
    """`AsyncClientV2.chat_stream()`."""
    provider.tell(PATH, sse(said()))
    assert len([one async for one in aclient.chat_stream(**ASK)]) == 3
    assert [event["units"] for event in events()] == [UNITS]


def test_a_raw_stream_too(client: cohere.ClientV2, provider: WireServer, events: Events) -> None:
    """`with_raw_response.chat_stream()` is a context with the stream in it."""
    provider.tell(PATH, sse(said()))
    with client.with_raw_response.chat_stream(**ASK) as raw:
        assert len(list(raw.data)) == 3
    assert [event["units"] for event in events()] == [UNITS]


def test_a_stream_that_is_left_is_partial(
    client: cohere.ClientV2, provider: WireServer, events: Events
) -> None:
    """`break` and forget."""
    provider.tell(PATH, sse(said()))
    for _ in client.chat_stream(**ASK):
        break
    gc.collect()
    assert_partial(events())


def test_a_stream_that_is_closed_or_whose_reader_fails_is_partial(
    client: cohere.ClientV2, provider: WireServer, events: Events
) -> None:
    """Once, whatever comes behind."""

    def read() -> None:
        with client.with_raw_response.chat_stream(**ASK) as raw:
            next(iter(raw.data))
            raise LookupError

    provider.tell(PATH, sse(said()))
    with pytest.raises(LookupError):
        read()
    gc.collect()
    assert_partial(events())


def test_a_connection_that_is_cut_leaves_a_partial_event(
    client: cohere.ClientV2, provider: WireServer, events: Events
) -> None:
    """The error of the connection passes as it is."""
    provider.tell(PATH, sse(said()[:2], cut=True))
    with pytest.raises(Exception, match="incomplete chunked read") as caught:
        list(client.chat_stream(**ASK))
    assert type(caught.value).__name__ == "RemoteProtocolError"
    assert_partial(events())


async def test_a_task_that_is_cancelled_leaves_a_partial_event(
    aclient: cohere.AsyncClientV2, provider: WireServer, events: Events
) -> None:
    """Whoever reads a stream is cancelled while he holds its first event."""
    provider.tell(PATH, sse(said()))
    got = asyncio.Event()

    async def read() -> None:
        async with aclient.with_raw_response.chat_stream(**ASK) as raw:
            async for _ in raw.data:
                got.set()
                await asyncio.Event().wait()

    task = asyncio.create_task(read())
    await asyncio.wait_for(got.wait(), 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert_partial(events())


@pytest.mark.parametrize("streams", [False, True])
def test_a_refusal_passes_unchanged_and_counts_nothing(
    client: cohere.ClientV2, provider: WireServer, events: Events, *, streams: bool
) -> None:
    """The caller sees Cohere's own error; the event says that a request failed."""
    provider.tell(PATH, whole({"message": "no"}, 429))
    with pytest.raises(TooManyRequestsError, match="no") as caught:
        list(client.chat_stream(**ASK)) if streams else client.chat(**ASK)
    assert type(caught.value) is TooManyRequestsError
    (event,) = events()
    assert (event["status"], event["tags"]["error"]) == ("failed", "TooManyRequestsError")
    assert (event["units"], event["model"]) == ({"failed_requests": "0"}, "command-a-03-2025")


def test_a_request_that_is_tried_again_is_one(
    provider: WireServer, capturing: Meter, events: Events
) -> None:
    """Cohere's client retries by itself."""
    provider.tell(PATH, whole({}, 503, **{"retry-after-ms": "1"}), whole(CHAT))
    with cohere.ClientV2("k", base_url=provider.url) as plain:
        tallyroll.wrap(plain, capturing, agent="coder").chat(**ASK)
    assert len(provider.asked) == 2
    assert [event["units"] for event in events()] == [UNITS]
