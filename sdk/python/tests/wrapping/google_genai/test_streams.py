"""Streams of Gemini, to their end and broken off, sync and async."""

import asyncio
import gc
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from google import genai
from google.genai import errors, types
from sdk.python.tests.wrapping.conftest import Events
from sdk.python.tests.wrapping.google_genai.answers import EARLY_TOKENS, TOKENS, USAGE, chunks
from sdk.python.tests.wrapping.wire import Answer, WireServer, sse, whole

import tallyroll
from tallyroll import Meter
from tallyroll.wrapping.google_routes import CONTENT

ASK: Any = {"model": "gemini-2.5-flash", "contents": "private question"}
STREAM = ":streamGenerateContent"


def assert_partial(events: list[dict[str, Any]]) -> None:
    """One event, of what was known until then."""
    (event,) = events
    assert (event["status"], event["tags"]["usage_flags"]) == ("aborted", "partial")
    assert (event["tokens"], event["response_id"]) == (EARLY_TOKENS, "r-1")
    assert "secret" not in str(event)


def test_the_last_usage_of_a_stream_wins(
    client: genai.Client, provider: WireServer, events: Events
) -> None:
    """Each chunk has the usage so far; the caller gets every chunk as it is."""
    provider.tell(STREAM, sse(chunks(), done=False))
    got = list(client.models.generate_content_stream(**ASK))
    assert [type(one) for one in got] == [types.GenerateContentResponse] * 2
    assert [one.text for one in got] == ["secret", " words"]
    (event,) = events()
    assert event["tokens"] == TOKENS
    assert "status" not in event
    assert "secret" not in str(event)


def test_a_long_stream_keeps_one_usage() -> None:
    """Each chunk has a new one: all of them would be read again at the end."""
    see = CONTENT.watch()
    kept = [see(one)[0] for one in chunks()]
    assert kept[0] is kept[1]
    assert kept[0] == {
        "responseId": "r-1",
        "modelVersion": "gemini-2.5-flash-001",
        "usageMetadata": USAGE,
        "candidates": [{"finishReason": "STOP"}],
    }


async def test_an_async_stream_too(
    client: genai.Client, provider: WireServer, events: Events
) -> None:
    """`client.aio.models.generate_content_stream()`."""
    provider.tell(STREAM, sse(chunks(), done=False))
    async with client.aio as aio:
        stream = await aio.models.generate_content_stream(**ASK)
        assert [one.text async for one in stream] == ["secret", " words"]
    assert [event["tokens"] for event in events()] == [TOKENS]


async def test_an_async_stream_over_httpx_too(
    provider: WireServer, capturing: Meter, events: Events
) -> None:
    """The SDK prefers aiohttp where it is installed, if nobody names a transport."""
    provider.tell(STREAM, sse(chunks(), done=False))
    arguments = {"transport": httpx.AsyncHTTPTransport()}
    options = types.HttpOptions(base_url=provider.url, async_client_args=arguments)
    with genai.Client(api_key="k", http_options=options) as plain:
        async with tallyroll.wrap(plain, capturing, agent="coder").aio as aio:
            stream = await aio.models.generate_content_stream(**ASK)
            assert [one.text async for one in stream] == ["secret", " words"]
    assert [event["tokens"] for event in events()] == [TOKENS]


async def test_streams_of_vertex_ai_too(
    vertex: genai.Client, provider: WireServer, events: Events
) -> None:
    """Both ways."""
    provider.tell(STREAM, sse(chunks(), done=False))
    assert len(list(vertex.models.generate_content_stream(**ASK))) == 2
    async with vertex.aio as aio:
        stream = await aio.models.generate_content_stream(**ASK)
        assert len([one async for one in stream]) == 2
    got = events()
    assert [event["tokens"] for event in got] == [TOKENS, TOKENS]
    assert {(event["provider"], event["region"]) for event in got} == {
        ("gcp.vertex_ai", "europe-west4")
    }


async def test_a_stream_of_a_chat_too(
    client: genai.Client, provider: WireServer, events: Events
) -> None:
    """`send_message_stream()`."""
    provider.tell(STREAM, sse(chunks(), done=False))
    chat = client.chats.create(model="gemini-2.5-flash")
    assert len(list(chat.send_message_stream("hi"))) == 2
    async with client.aio as aio:
        stream = await aio.chats.create(model="gemini-2.5-flash").send_message_stream("hi")
        assert len([one async for one in stream]) == 2
    assert [event["tokens"] for event in events()] == [TOKENS, TOKENS]


def test_a_stream_that_is_left_is_partial(
    client: genai.Client, provider: WireServer, events: Events
) -> None:
    """`break`: the stream is forgotten half-way."""
    provider.tell(STREAM, sse(chunks(), done=False))
    for _ in client.models.generate_content_stream(**ASK):
        break
    gc.collect()
    assert_partial(events())


def test_a_stream_that_is_closed_is_partial(
    client: genai.Client, provider: WireServer, events: Events
) -> None:
    """`close()`, as any generator has it."""
    provider.tell(STREAM, sse(chunks(), done=False))
    stream: Any = client.models.generate_content_stream(**ASK)
    next(stream)
    stream.close()
    assert_partial(events())
    del stream
    gc.collect()
    assert len(events()) == 1


def test_a_stream_whose_reader_fails_is_partial(
    client: genai.Client, provider: WireServer, events: Events
) -> None:
    """The reader's own error leaves it."""

    def read() -> None:
        for _ in client.models.generate_content_stream(**ASK):
            raise LookupError

    provider.tell(STREAM, sse(chunks(), done=False))
    with pytest.raises(LookupError):
        read()
    gc.collect()
    assert_partial(events())


def test_a_connection_that_is_cut_leaves_a_partial_event(
    client: genai.Client, provider: WireServer, events: Events
) -> None:
    """The error of the connection passes as it is."""
    provider.tell(STREAM, sse(chunks()[:1], cut=True))
    with pytest.raises(Exception, match="incomplete chunked read") as caught:
        list(client.models.generate_content_stream(**ASK))
    assert type(caught.value).__name__ == "RemoteProtocolError"
    assert_partial(events())


async def test_an_async_connection_that_is_cut_too(
    client: genai.Client, provider: WireServer, events: Events
) -> None:
    """The same of `aio`."""
    provider.tell(STREAM, sse(chunks()[:1], cut=True))
    async with client.aio as aio:
        stream = await aio.models.generate_content_stream(**ASK)
        with pytest.raises(Exception, match="payload"):
            [one async for one in stream]
    assert_partial(events())


async def test_a_task_that_is_cancelled_leaves_a_partial_event(
    client: genai.Client, provider: WireServer, events: Events
) -> None:
    """Whoever reads a stream is cancelled while he holds its first chunk."""
    provider.tell(STREAM, sse(chunks(), done=False))
    got = asyncio.Event()

    async def read() -> None:
        async for _ in await client.aio.models.generate_content_stream(**ASK):
            got.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(read())
    await asyncio.wait_for(got.wait(), 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    del task
    async with asyncio.timeout(10):
        while not events():  # noqa: ASYNC110  the loop closes generators in its own time
            await asyncio.sleep(0)
    await client.aio.aclose()
    assert_partial(events())


async def test_a_task_that_waits_for_a_chunk_is_cancelled(
    client: genai.Client, provider: WireServer, events: Events
) -> None:
    """The event is there with the cancellation."""
    first, release = next(iter(sse(chunks()[:1], done=False).parts)), threading.Event()

    def parts() -> Iterator[bytes]:
        yield first
        release.wait(10)

    held: Any = parts()
    provider.tell(STREAM, Answer(held, content_type="text/event-stream", cut=True))
    got = asyncio.Event()

    async def read() -> None:
        async for _ in await client.aio.models.generate_content_stream(**ASK):
            got.set()

    task = asyncio.create_task(read())
    await asyncio.wait_for(got.wait(), 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert_partial(events())
    release.set()
    await client.aio.aclose()


def test_a_refused_stream_failed(
    client: genai.Client, provider: WireServer, events: Events
) -> None:
    """Nothing was streamed: a failed request, no partial one."""
    provider.tell(STREAM, whole({"error": {"code": 400, "message": "no"}}, 400))
    with pytest.raises(errors.ClientError, match="no"):
        list(client.models.generate_content_stream(**ASK))
    (event,) = events()
    assert (event["status"], event["units"]) == ("failed", {"failed_requests": "0"})
