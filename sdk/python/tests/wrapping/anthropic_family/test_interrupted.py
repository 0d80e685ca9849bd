"""Streams of Anthropic's client that break off: one event with what was said until then."""

import asyncio
import gc
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import anthropic
import pytest
from sdk.python.tests.wrapping.anthropic_family.spoken import (
    ASK,
    SAID,
    TOKENS,
    said_of,
)
from sdk.python.tests.wrapping.anthropic_family.spoken import (
    events as chunks,
)
from sdk.python.tests.wrapping.conftest import Events
from sdk.python.tests.wrapping.wire import Answer, WireServer, sse

from tallyroll import Meter
from tallyroll.recording.recorder import recorder_of

PATH = "/v1/messages"
UNTIL_THEN = {
    **{name: said for name, said in SAID.items() if name != "units"},
    "units": {},
    "tokens": {
        **{name: count for name, count in TOKENS.items() if "reas" not in name},
        "output_text": 1,
    },
    "status": "aborted",
    "tags": {"usage_flags": "partial"},
}
"""What `message_start` says: the whole input, and the first token of the output."""
STREAM = sse(chunks(), done=False, named=True)
CUT = sse(chunks()[:4], done=False, named=True, cut=True)


class Stop(Exception):  # noqa: N818  what a program throws in the middle
    pass


def break_off(client: anthropic.Anthropic) -> None:
    for event in client.messages.create(**ASK, stream=True):
        if event.type == "content_block_delta":
            break
    gc.collect()


def close(client: anthropic.Anthropic) -> None:
    stream = client.messages.create(**ASK, stream=True)
    next(stream)
    stream.close()


def throw(client: anthropic.Anthropic) -> None:
    with suppress(Stop), client.messages.create(**ASK, stream=True) as stream:
        next(stream)
        raise Stop


def throw_in_manager(client: anthropic.Anthropic) -> None:
    with suppress(Stop), client.messages.stream(**ASK) as stream:
        next(stream)
        raise Stop


def leave_text(client: anthropic.Anthropic) -> None:
    with client.beta.messages.stream(**ASK) as stream:
        assert next(iter(stream.text_stream)) == "secret"


def forget(client: anthropic.Anthropic) -> None:
    stream = client.messages.create(**ASK, stream=True)
    next(stream)
    del stream
    gc.collect()


def lose(client: anthropic.Anthropic) -> None:
    with pytest.raises(Exception, match="peer closed"):
        list(client.messages.create(**ASK, stream=True))


WAYS: dict[str, tuple[Callable[[anthropic.Anthropic], None], Answer]] = {
    "break": (break_off, STREAM),
    "close": (close, STREAM),
    "exception": (throw, STREAM),
    "exception in stream()": (throw_in_manager, STREAM),
    "text_stream left": (leave_text, STREAM),
    "forgotten": (forget, STREAM),
    "connection cut": (lose, CUT),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_stream_that_breaks_off_is_one_event_of_what_was_said(
    way: str, client: anthropic.Anthropic, provider: WireServer, events: Events
) -> None:
    """Not nothing, and not the full price: what the provider had said, marked as such."""
    leave, answer = WAYS[way]
    provider.tell(PATH, answer)
    leave(client)
    (event,) = events()
    assert said_of(event) == UNTIL_THEN
    assert "secret" not in str(event)


async def close_async(client: anthropic.AsyncAnthropic) -> None:
    stream = await client.messages.create(**ASK, stream=True)
    await anext(stream)
    await stream.close()


async def throw_async(client: anthropic.AsyncAnthropic) -> None:
    with suppress(Stop):
        async with await client.messages.create(**ASK, stream=True) as stream:
            await anext(stream)
            raise Stop


async def leave_text_async(client: anthropic.AsyncAnthropic) -> None:
    async with client.messages.stream(**ASK) as stream:
        assert await anext(aiter(stream.text_stream)) == "secret"


async def forget_async(client: anthropic.AsyncAnthropic) -> None:
    stream = await client.messages.create(**ASK, stream=True)
    await anext(stream)
    await stream.response.aclose()
    del stream
    gc.collect()


async def lose_async(client: anthropic.AsyncAnthropic) -> None:
    with pytest.raises(Exception, match="peer closed"):
        _ = [event async for event in await client.messages.create(**ASK, stream=True)]


ASYNC_WAYS = {
    "close": (close_async, STREAM),
    "exception": (throw_async, STREAM),
    "text_stream left": (leave_text_async, STREAM),
    "forgotten": (forget_async, STREAM),
    "connection cut": (lose_async, CUT),
}


@pytest.mark.parametrize("way", ASYNC_WAYS)
async def test_an_async_stream_that_breaks_off_too(
    way: str, async_client: anthropic.AsyncAnthropic, provider: WireServer, events: Events
) -> None:
    """`AsyncAnthropic` tells the same."""
    leave, answer = ASYNC_WAYS[way]
    provider.tell(PATH, answer)
    await leave(async_client)
    (event,) = events()
    assert said_of(event) == UNTIL_THEN


async def test_a_task_that_is_cancelled_half_way_is_one_event(
    async_client: anthropic.AsyncAnthropic, provider: WireServer, events: Events
) -> None:
    """Cancelled while it waits for the next event of the stream."""
    heard, silence = asyncio.Event(), threading.Event()
    parts = tuple(STREAM.parts)[:4]
    provider.tell(PATH, Answer(parts, content_type="text/event-stream", hold=silence))

    async def listen() -> None:
        async for event in await async_client.messages.create(**ASK, stream=True):
            if event.type == "content_block_delta":
                heard.set()

    task = asyncio.create_task(listen())
    await heard.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    silence.set()
    (event,) = events()
    assert said_of(event) == UNTIL_THEN


@pytest.mark.parametrize("raw", [False, True])
def test_a_response_that_its_caller_reads_and_leaves_is_one_event(
    raw: bool, client: anthropic.Anthropic, provider: WireServer, events: Events
) -> None:
    """Of `with_streaming_response` as of `with_raw_response`: what was read counts."""
    silence = threading.Event()
    parts = tuple(STREAM.parts)[:4]
    provider.tell(PATH, Answer(parts, content_type="text/event-stream", hold=silence))
    if raw:
        stream: Any = client.messages.with_raw_response.create(**ASK, stream=True).parse()
        next(event for event in stream if event.type == "content_block_delta")
        stream.close()
    else:
        with client.messages.with_streaming_response.create(**ASK, stream=True) as response:
            next(line for line in response.iter_lines() if "text_delta" in line)
    silence.set()
    gc.collect()
    (event,) = events()
    assert said_of(event) == UNTIL_THEN


async def test_a_request_that_is_cancelled_before_its_answer_counts_nothing(
    async_client: anthropic.AsyncAnthropic, provider: WireServer, events: Events
) -> None:
    """Nobody knows what it used; the event says that it was made."""
    asked, silence = threading.Event(), threading.Event()

    def nothing() -> Iterator[bytes]:
        asked.set()
        silence.wait(10)
        yield b"{}"

    provider.tell(PATH, Answer(nothing()))
    task = asyncio.create_task(async_client.messages.create(**ASK))
    assert await asyncio.to_thread(asked.wait, 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    silence.set()
    (event,) = events()
    assert (event["status"], event["units"]) == ("failed", {"failed_requests": "0"})


def test_a_stream_that_ended_is_not_told_again(
    client: anthropic.Anthropic, provider: WireServer, events: Events, capturing: Meter
) -> None:
    """Its end, its close and its collection are one event, and it is complete."""
    provider.tell(PATH, STREAM)
    with client.messages.create(**ASK, stream=True) as stream:
        seen: list[Any] = list(stream)
        stream.close()
    assert seen[-1].type == "message_stop"
    del stream
    gc.collect()
    (event,) = events()
    assert said_of(event) == SAID
    assert recorder_of(capturing).faults == 0
