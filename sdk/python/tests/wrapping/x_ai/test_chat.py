"""Chats with xAI over gRPC: sampled, streamed, parsed and deferred, sync and async."""

import asyncio
import gc
import logging
from datetime import timedelta
from typing import Any

import grpc
import pydantic
import pytest
import xai_sdk
from sdk.python.tests.wrapping.conftest import Events
from sdk.python.tests.wrapping.x_ai.server import EARLY_TOKENS, TOKENS, ChatServer, chunks
from xai_sdk.chat import user

import tallyroll
from tallyroll import Meter
from tallyroll.recording.recorder import recorder_of
from tallyroll.wrapping.x_ai_answers import watch


def ask(client: Any) -> Any:
    """Return a chat with a question in it."""
    return client.chat.create(model="grok-4", messages=[user("private question")])


def assert_partial(events: list[dict[str, Any]]) -> None:
    """One event, of what was known until then."""
    (event,) = events
    assert (event["status"], event["tags"]["usage_flags"]) == ("aborted", "partial")
    assert (event["tokens"], event["response_id"]) == (EARLY_TOKENS, "x-1")
    assert "secret" not in str(event)


def test_an_answer_is_an_event_and_stays_as_it_is(client: xai_sdk.Client, events: Events) -> None:
    """The answer is xAI's own; the event has its counts, its identity and none of its words."""
    answer = ask(client).sample()
    assert type(answer).__name__ == "Response"
    assert answer.content == "secret words"
    (event,) = events()
    assert (event["tokens"], event["units"]) == (TOKENS, {"web_search_requests": "1"})
    assert (event["provider"], event["model"]) == ("x_ai", "grok-4-1120")
    assert (event["response_id"], event["service_tier"]) == ("x-1", "priority")
    assert (event["agent"], event["instrument"]) == ("coder", "wrap.x_ai")
    assert "secret" not in str(event)
    assert "private" not in str(event)


async def test_an_async_answer_too(aclient: xai_sdk.AsyncClient, events: Events) -> None:
    """`AsyncClient` is metered in the same way."""
    assert (await ask(aclient).sample()).content == "secret words"
    assert [event["tokens"] for event in events()] == [TOKENS]


def test_the_client_looks_as_before_and_the_plain_one_is_not_touched(
    plain: xai_sdk.Client, client: xai_sdk.Client, events: Events
) -> None:
    """An instance of its class, wrapped once; requests of the original are not metered."""
    assert isinstance(client, xai_sdk.Client)
    assert isinstance(client.chat, type(plain.chat))
    assert repr(type(client)) == repr(xai_sdk.Client)
    assert tallyroll.wrap(client, agent="other") is client
    ask(plain).sample()
    assert events() == []


def test_who_keeps_only_the_wrapped_client_can_use_it(
    settings: dict[str, Any], capturing: Meter, events: Events
) -> None:
    """The channel is shared."""
    with tallyroll.wrap(xai_sdk.Client(**settings), capturing, agent="coder") as client:
        gc.collect()
        ask(client).sample()
    assert len(events()) == 1


class Shape(pydantic.BaseModel):
    """What an answer shall be like."""

    word: str


async def test_a_parsed_answer_is_a_request_even_if_it_does_not_fit(
    client: xai_sdk.Client, aclient: xai_sdk.AsyncClient, events: Events
) -> None:
    """`parse()` fails after the answer came, which was used all the same."""
    with pytest.raises(pydantic.ValidationError):
        ask(client).parse(Shape)
    with pytest.raises(pydantic.ValidationError):
        await ask(aclient).parse(Shape)
    assert [event["tokens"] for event in events()] == [TOKENS, TOKENS]


def test_the_last_usage_of_a_stream_wins(client: xai_sdk.Client, events: Events) -> None:
    """Each chunk has the usage so far."""
    got = [chunk.content for _, chunk in ask(client).stream()]
    assert got == ["secret", " words"]
    (event,) = events()
    assert event["tokens"] == TOKENS
    assert "status" not in event
    assert "secret" not in str(event)


def test_a_long_stream_keeps_one_usage() -> None:
    """Each chunk has a new one: all of them would be read again at the end."""
    see = watch()
    kept = [see(one)[0] for one in chunks()]
    assert kept[0] is kept[1]
    assert "secret" not in str(kept)


async def test_an_async_stream_too(aclient: xai_sdk.AsyncClient, events: Events) -> None:
    """`AsyncClient`'s `stream()`."""
    assert len([chunk async for _, chunk in ask(aclient).stream()]) == 2
    assert [event["tokens"] for event in events()] == [TOKENS]


def test_a_stream_that_is_left_is_partial(client: xai_sdk.Client, events: Events) -> None:
    """`break` and forget."""
    for _ in ask(client).stream():
        break
    gc.collect()
    assert_partial(events())


def test_a_stream_that_is_closed_is_partial(client: xai_sdk.Client, events: Events) -> None:
    """`close()`, as any generator has it; once."""
    stream = ask(client).stream()
    next(stream)
    stream.close()
    assert_partial(events())
    del stream
    gc.collect()
    assert len(events()) == 1


def test_a_stream_whose_reader_fails_is_partial(client: xai_sdk.Client, events: Events) -> None:
    """The reader's own error leaves it."""

    def read() -> None:
        for _ in ask(client).stream():
            raise LookupError

    with pytest.raises(LookupError):
        read()
    gc.collect()
    assert_partial(events())


def test_a_connection_that_is_cut_leaves_a_partial_event(
    client: xai_sdk.Client, server: ChatServer, events: Events
) -> None:
    """The error of gRPC passes as it is."""
    server.breaks = True
    with pytest.raises(grpc.RpcError, match="cut"):
        list(ask(client).stream())
    assert_partial(events())


async def test_an_async_connection_that_is_cut_too(
    aclient: xai_sdk.AsyncClient, server: ChatServer, events: Events
) -> None:
    """The same of `grpc.aio`."""
    server.breaks = True
    with pytest.raises(grpc.RpcError, match="cut"):
        [one async for one in ask(aclient).stream()]
    assert_partial(events())


async def test_a_task_that_waits_for_a_chunk_is_cancelled(
    aclient: xai_sdk.AsyncClient, server: ChatServer, events: Events
) -> None:
    """The event is there with the cancellation."""
    server.released.clear()
    got = asyncio.Event()

    async def read() -> None:
        async for _ in ask(aclient).stream():
            got.set()

    task = asyncio.create_task(read())
    await asyncio.wait_for(got.wait(), 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert_partial(events())


async def test_a_task_that_holds_a_chunk_is_cancelled(
    aclient: xai_sdk.AsyncClient, events: Events, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stream is forgotten with the task."""
    # OpenTelemetry, in the SDK, logs how the generator ends: a captured log would keep its frames.
    monkeypatch.setattr(logging.getLogger("opentelemetry.context"), "disabled", True)
    got = asyncio.Event()

    async def read() -> None:
        async for _ in ask(aclient).stream():
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
    assert_partial(events())


@pytest.mark.parametrize("streams", [False, True])
def test_a_refusal_passes_unchanged_and_counts_nothing(
    client: xai_sdk.Client, server: ChatServer, events: Events, *, streams: bool
) -> None:
    """The caller sees gRPC's own error; the event says that a request failed."""
    server.refuses = True
    with pytest.raises(grpc.RpcError, match="no") as caught:
        list(ask(client).stream()) if streams else ask(client).sample()
    (event,) = events()
    assert (event["status"], event["tags"]["error"]) == ("failed", type(caught.value).__name__)
    assert (event["units"], event["model"]) == ({"failed_requests": "0"}, "grok-4")


@pytest.mark.parametrize("streams", [False, True])
async def test_an_async_refusal_too(
    aclient: xai_sdk.AsyncClient, server: ChatServer, events: Events, *, streams: bool
) -> None:
    """The same of `grpc.aio`."""
    server.refuses = True
    with pytest.raises(grpc.RpcError, match="no"):
        [one async for one in ask(aclient).stream()] if streams else await ask(aclient).sample()
    (event,) = events()
    assert (event["status"], event["units"]) == ("failed", {"failed_requests": "0"})


async def test_a_deferred_answer_is_one_request(
    client: xai_sdk.Client, aclient: xai_sdk.AsyncClient, events: Events
) -> None:
    """However often it is looked for."""
    soon = timedelta(milliseconds=1)
    assert ask(client).defer(interval=soon).content == "secret words"
    await ask(aclient).defer(interval=soon)
    got = events()
    assert [(one["tokens"], one["response_id"]) for one in got] == [(TOKENS, "x-1")] * 2
    assert "secret" not in str(got)


async def test_compacting_a_conversation_is_a_request(
    client: xai_sdk.Client, aclient: xai_sdk.AsyncClient, events: Events
) -> None:
    """Its answer names no model: that of the request counts."""
    ask(client).compact()
    await ask(aclient).compact()
    got = events()
    assert [(one["tokens"], one["model"]) for one in got] == [(TOKENS, "grok-4")] * 2
    assert "secret" not in str(got)


def test_what_nobody_knows_to_meter_is_counted(client: xai_sdk.Client, capturing: Meter) -> None:
    """Pictures pass unmetered, and that is told."""
    assert type(client.image).__module__ == "xai_sdk.sync.image"
    assert recorder_of(capturing).unmetered_calls == {"image": 1}
