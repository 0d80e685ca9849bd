"""Chat Completions as streams: usage asked for and hidden, and every way in which one ends."""

import asyncio
import gc
import gzip
import json
import threading
from typing import Any

import openai
import pytest
from sdk.python.tests.wrapping.conftest import Events
from sdk.python.tests.wrapping.dual import collect, entered, first, settle
from sdk.python.tests.wrapping.openai_family.conftest import Make
from sdk.python.tests.wrapping.openai_family.shapes import ANSWER, ASK, TOKENS, chunks
from sdk.python.tests.wrapping.wire import Answer, WireServer, sse, whole

import tallyroll
from tallyroll import Meter

PATH = "/chat/completions"


async def begun(client: Any, **more: Any) -> Any:
    return await settle(client.chat.completions.create(**ASK, stream=True, **more))


def assert_partial(found: list[dict[str, Any]]) -> None:
    """One event, which says that its usage is not known."""
    (event,) = found
    assert (event["status"], event["tags"]["usage_flags"]) == ("aborted", "partial")
    assert event["units"] == {"unmeasured_requests": "1"}
    assert event["response_id"] == "chatcmpl-1"


async def test_a_stream_is_asked_for_its_usage_which_the_caller_does_not_see(
    client: Any, make: Make, provider: WireServer, events: Events
) -> None:
    """Usage only comes when asked for; who did not ask does not get the chunk."""
    provider.tell(PATH, sse(chunks()), sse(chunks(usage=False)))
    stream = await begun(client)
    async with entered(stream):
        got = await collect(stream)
    bare = await begun(make())
    assert isinstance(stream, type(bare))
    assert got == await collect(bare)
    assert provider.asked[0].body["stream_options"] == {"include_usage": True}
    (event,) = events()
    assert event["tokens"] == TOKENS
    assert event["service_tier"] == "priority"
    assert "status" not in event
    assert "secret" not in str(event)


@pytest.mark.parametrize("place", ["stream_options", "extra_body"])
async def test_who_asks_for_usage_gets_it(
    client: Any, provider: WireServer, events: Events, place: str
) -> None:
    """A caller's own `include_usage` is sent as it is, and its chunk arrives."""
    provider.tell(PATH, sse(chunks()))
    asked: Any = {"include_usage": True, "include_obfuscation": False}
    more = {place: asked if place == "stream_options" else {"stream_options": asked}}
    got = await collect(await begun(client, **more))
    assert got[-1].usage.total_tokens == 130
    assert provider.asked[0].body["stream_options"] == asked
    assert [event["tokens"] for event in events()] == [TOKENS]


@pytest.mark.parametrize("place", ["stream_options", "extra_body"])
async def test_other_options_of_the_caller_stay(
    client: Any, provider: WireServer, place: str
) -> None:
    """Asking for usage leaves what else the caller wants of the stream, and the caller's dict."""
    provider.tell(PATH, sse(chunks()))
    asked: Any = {"include_obfuscation": False}
    more = {place: asked if place == "stream_options" else {"stream_options": asked}}
    assert len(await collect(await begun(client, **more))) == 3
    sent = provider.asked[0].body["stream_options"]
    assert sent == {"include_obfuscation": False, "include_usage": True}
    assert asked == {"include_obfuscation": False}


@pytest.mark.parametrize("status", [400, 422])
async def test_a_server_that_refuses_to_be_asked_gets_the_request_without(
    client: Any, provider: WireServer, events: Events, status: int
) -> None:
    """The caller's request is answered; the next one does not ask again."""
    refusal = whole({"error": {"message": "Unrecognized argument: stream_options"}}, status)
    other = [{**chunk, "id": "chatcmpl-2"} for chunk in chunks(usage=False)]
    provider.tell(PATH, refusal, sse(chunks(usage=False)), sse(other))
    assert len(await collect(await begun(client))) == 3
    assert len(await collect(await begun(client))) == 3
    asked = ["stream_options" in one.body for one in provider.asked]
    assert asked == [True, False, False]
    assert [event["status"] for event in events()] == ["aborted", "aborted"]
    assert all(event["units"] == {"unmeasured_requests": "1"} for event in events())


async def test_a_request_that_is_wrong_in_itself_fails_as_it_would(
    client: Any, provider: WireServer, events: Events
) -> None:
    """400 for another reason is the caller's error, without one of ours in its context."""
    provider.tell(PATH, whole({"error": {"message": "bad model"}}, 400))
    with pytest.raises(openai.BadRequestError, match="bad model") as caught:
        await begun(client)
    assert caught.value.__context__ is not None  # the SDK's own
    assert caught.value.__context__.__context__ is None
    (event,) = events()
    assert (event["status"], event["tags"]["error"]) == ("failed", "BadRequestError")
    provider.tell(PATH, sse(chunks()))
    await collect(await begun(client))
    assert events()[-1]["tokens"] == TOKENS


async def test_a_stream_that_is_left_half_way_is_a_partial_event(
    client: Any, provider: WireServer, events: Events
) -> None:
    """What was used until then is unknown: an event says so, and a correction can say it later."""
    provider.tell(PATH, sse(chunks()))
    stream = await begun(client)
    async with entered(stream):
        await first(stream)
    assert_partial(events())


async def broken(client: Any) -> None:
    async with entered(await begun(client)) as stream:
        await first(stream)
        _ = 1 / 0


async def test_an_error_in_the_loop_is_a_partial_event(
    client: Any, provider: WireServer, events: Events
) -> None:
    """The caller's own error passes, and the stream that it ended is told."""
    provider.tell(PATH, sse(chunks()))
    with pytest.raises(ZeroDivisionError):
        await broken(client)
    assert_partial(events())


async def test_a_stream_that_is_closed_is_a_partial_event(
    client: Any, provider: WireServer, events: Events
) -> None:
    """`close()`, more than once, is told once."""
    provider.tell(PATH, sse(chunks()))
    stream = await begun(client)
    await first(stream)
    await settle(stream.close())
    await settle(stream.close())
    assert_partial(events())


async def test_a_stream_whose_response_is_closed_is_a_partial_event(
    client: Any, provider: WireServer, events: Events
) -> None:
    """Closing the HTTP response below it ends it too, while the stream is still held."""
    provider.tell(PATH, sse(chunks()))
    stream = await begun(client)
    await first(stream)
    close = getattr(stream.response, "aclose" if hasattr(stream, "__anext__") else "close")
    await settle(close())
    assert_partial(events())


async def test_a_stream_that_is_forgotten_is_a_partial_event(
    client: Any, provider: WireServer, events: Events
) -> None:
    """Nobody closes it: it is told when it is collected."""
    provider.tell(PATH, sse(chunks()))
    stream = await begun(client)
    await first(stream)
    await settle(stream.response.aclose() if hasattr(stream, "__anext__") else None)
    del stream
    gc.collect()
    assert_partial(events())


async def test_a_stream_that_is_never_read_is_a_partial_event(
    client: Any, provider: WireServer, events: Events
) -> None:
    """The provider may have worked for nothing, but it has worked: one event, without an id."""
    provider.tell(PATH, sse(chunks()))
    async with entered(await begun(client)):
        pass
    (event,) = events()
    assert (event["status"], event["units"]) == ("aborted", {"unmeasured_requests": "1"})


async def test_a_connection_that_breaks_is_a_partial_event(
    client: Any, provider: WireServer, events: Events
) -> None:
    """The SDK raises its own error, and what came is told."""
    provider.tell(PATH, sse(chunks(usage=False), cut=True))
    with pytest.raises(openai.APIConnectionError):
        await collect(await begun(client))
    assert_partial(events())


async def test_an_error_in_the_stream_is_a_partial_event(
    client: Any, provider: WireServer, events: Events
) -> None:
    """An `error` event in the midst of the stream is raised as the SDK does."""
    provider.tell(PATH, sse([*chunks()[:1], {"error": {"message": "overloaded"}}]))
    with pytest.raises(openai.APIError, match="overloaded"):
        await collect(await begun(client))
    assert_partial(events())


async def test_a_task_that_is_cancelled_is_a_partial_event(
    provider: WireServer, capturing: Meter, events: Events
) -> None:
    """Cancelled while it waits for the next chunk."""
    hold = threading.Event()
    parts = sse(chunks()[:1], done=False).parts
    provider.tell(PATH, Answer(parts, content_type="text/event-stream", hold=hold))
    got: asyncio.Queue[Any] = asyncio.Queue()

    async def read(client: Any) -> None:
        async for chunk in await begun(client):
            got.put_nowait(chunk)

    async with openai.AsyncOpenAI(base_url=provider.url, api_key="k") as plain:
        task = asyncio.create_task(read(tallyroll.wrap(plain, capturing, provider="openai")))
        await got.get()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        hold.set()
    assert_partial(events())


async def test_a_task_that_is_cancelled_before_the_answer_is_a_failed_event(
    provider: WireServer, capturing: Meter, events: Events
) -> None:
    """No answer came: the event says what ended the request."""
    hold = threading.Event()
    provider.tell(PATH, Answer((), hold=hold))
    async with openai.AsyncOpenAI(base_url=provider.url, api_key="k") as plain:
        client = tallyroll.wrap(plain, capturing, provider="openai")
        task = asyncio.create_task(settle(client.chat.completions.create(**ASK)))
        await asyncio.to_thread(provider.arrived.wait, 10)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        hold.set()
    (event,) = events()
    assert (event["status"], event["tags"]["error"]) == ("failed", "CancelledError")


async def test_a_compressed_stream_is_counted_to_its_end(
    client: Any, provider: WireServer, events: Events
) -> None:
    """What the decoder gives after the last byte has come counts too."""
    packed = gzip.compress(b"".join(sse(chunks(), done=False).parts))
    headers = {"Content-Encoding": "gzip"}
    provider.tell(PATH, Answer((packed,), content_type="text/event-stream", headers=headers))
    assert len(await collect(await begun(client))) == 3
    assert [event["tokens"] for event in events()] == [TOKENS]


async def test_stream_is_metered(client: Any, provider: WireServer, events: Events) -> None:
    """`chat.completions.stream()` gives its events and the final completion."""
    provider.tell(PATH, sse(chunks()))
    async with entered(client.chat.completions.stream(**ASK)) as stream:
        kinds = [event.type for event in await collect(stream)]
        final = await settle(stream.get_final_completion())
    assert "content.done" in kinds
    assert final.choices[0].message.content == "secret words"
    assert [event["tokens"] for event in events()] == [TOKENS]
    assert "secret" not in json.dumps(events())


async def test_stream_until_done_is_metered(
    client: Any, provider: WireServer, events: Events
) -> None:
    """`until_done()` reads to the end."""
    provider.tell(PATH, sse(chunks()))
    async with entered(client.chat.completions.stream(**ASK)) as stream:
        await settle(stream.until_done())
    assert [event["tokens"] for event in events()] == [TOKENS]


async def test_stream_that_is_left_is_a_partial_event(
    client: Any, provider: WireServer, events: Events
) -> None:
    """Leaving the manager tells it, while the stream is still held."""
    provider.tell(PATH, sse(chunks()))
    async with entered(client.chat.completions.stream(**ASK)) as stream:
        await first(stream)
    assert_partial(events())
    assert stream is not None


async def test_a_stored_chat_that_broke_off_is_completed_by_a_retrieve(
    client: Any, provider: WireServer, sent: Events
) -> None:
    """The partial event becomes what was used; a retrieve of any other chat counts nothing."""
    provider.tell(PATH, sse(chunks()))
    provider.tell(f"{PATH}/chatcmpl-1", whole(ANSWER))
    provider.tell(f"{PATH}/chatcmpl-2", whole({**ANSWER, "id": "chatcmpl-2"}))
    async with entered(await begun(client, store=True)) as stream:
        await first(stream)
    for id_ in ("chatcmpl-1", "chatcmpl-1", "chatcmpl-2"):
        await settle(client.chat.completions.retrieve(id_))
    partial, complete = sent()
    assert (complete["event_id"], complete["revision"]) == (partial["event_id"], 1)
    assert complete["tokens"] == TOKENS


async def test_a_stream_belongs_to_the_scope_that_asked_for_it(
    client: Any, provider: WireServer, capturing: Meter, events: Events
) -> None:
    """Made for one tenant, read by a web server that knows of none."""
    provider.tell(PATH, sse(chunks()))
    with capturing.context(tenant="acme", agent="writer"):
        stream = await begun(client)
    with capturing.context(tenant="other"):
        await collect(stream)
    (event,) = events()
    assert (event["tenant"], event["agent"]) == ("acme", "writer")


async def test_many_tasks_keep_their_own_scopes(
    provider: WireServer, capturing: Meter, events: Events
) -> None:
    """Streams that are read side by side."""
    provider.tell(PATH, sse(chunks()))

    async def read(client: Any, tenant: str) -> None:
        with capturing.context(tenant=tenant):
            await collect(await begun(client))

    tenants = [f"tenant-{number}" for number in range(100)]
    async with openai.AsyncOpenAI(base_url=provider.url, api_key="k") as plain:
        client = tallyroll.wrap(plain, capturing, provider="openai")
        await asyncio.gather(*(read(client, tenant) for tenant in tenants))
    assert sorted(event["tenant"] for event in events()) == sorted(tenants)
    assert all(event["tokens"] == TOKENS for event in events())
