"""Answers that the caller parses or reads: `with_raw_response`, `with_streaming_response`."""

import gzip
import json
from typing import Any

import openai
import pytest
from openai.types.chat import ChatCompletionChunk
from sdk.python.tests.wrapping.conftest import Events
from sdk.python.tests.wrapping.dual import collect, entered, first, settle
from sdk.python.tests.wrapping.openai_family.shapes import ANSWER, ASK, TOKENS, chunks
from sdk.python.tests.wrapping.wire import Answer, WireServer, sse, whole

PATH = "/chat/completions"


async def test_a_raw_answer_is_metered(client: Any, provider: WireServer, events: Events) -> None:
    """Parsed or not, it is one event, and it parses as ever."""
    provider.tell(PATH, whole(ANSWER))
    raw = await settle(client.chat.completions.with_raw_response.create(**ASK))
    assert [event["tokens"] for event in events()] == [TOKENS]
    assert type(raw).__name__ == "LegacyAPIResponse"
    assert raw.parse().choices[0].message.content == "secret words"
    assert json.loads(raw.text) == ANSWER
    assert len(events()) == 1


async def test_a_raw_stream_is_metered(client: Any, provider: WireServer, events: Events) -> None:
    """Of a raw stream that the SDK parses, the chunk that we asked for is hidden."""
    provider.tell(PATH, sse(chunks()))
    raw = await settle(client.chat.completions.with_raw_response.create(**ASK, stream=True))
    assert len(await collect(raw.parse())) == 3
    assert [event["tokens"] for event in events()] == [TOKENS]


async def test_a_raw_stream_that_is_left_is_a_partial_event(
    client: Any, provider: WireServer, events: Events
) -> None:
    """Parsed by the SDK, and closed half-way."""
    provider.tell(PATH, sse(chunks()))
    raw = await settle(client.chat.completions.with_raw_response.create(**ASK, stream=True))
    stream = raw.parse()
    await first(stream)
    await settle(stream.close())
    assert [event["status"] for event in events()] == ["aborted"]


async def test_a_raw_stream_read_as_lines_is_metered(
    client: Any, provider: WireServer, events: Events
) -> None:
    """Who reads the lines sees all of them: the chunk of usage too."""
    provider.tell(PATH, sse(chunks()))
    raw = await settle(client.chat.completions.with_raw_response.create(**ASK, stream=True))
    response = raw.http_response
    is_async = hasattr(client, "__aenter__")
    lines = await collect(response.aiter_lines() if is_async else response.iter_lines())
    assert sum('"choices": []' in line for line in lines) == 1
    assert [event["tokens"] for event in events()] == [TOKENS]


@pytest.mark.parametrize("read", ["parse", "json", "text", "read", "iter_bytes", "iter_lines"])
async def test_a_streamed_answer_is_metered(
    client: Any, provider: WireServer, events: Events, read: str
) -> None:
    """`with_streaming_response`, however the caller reads the body of a whole answer."""
    provider.tell(PATH, whole(ANSWER))
    create = client.chat.completions.with_streaming_response.create
    async with entered(create(**ASK)) as response:
        got = getattr(response, read)()
        got = await collect(got) if read.startswith("iter") else await settle(got)
    assert got
    (event,) = events()
    assert event["tokens"] == TOKENS
    assert "secret" not in str(event)


@pytest.mark.parametrize("read", ["parse", "iter_lines", "iter_bytes", "read"])
async def test_a_streamed_stream_is_metered(
    client: Any, provider: WireServer, events: Events, read: str
) -> None:
    """`with_streaming_response` of a stream: hidden where the SDK parses, seen in raw bytes."""
    provider.tell(PATH, sse(chunks()))
    create = client.chat.completions.with_streaming_response.create
    async with entered(create(**ASK, stream=True)) as response:
        got = await settle(getattr(response, read)())
        got = got if read == "read" else await collect(got)
    if read == "parse":
        assert len(got) == 3
    else:
        joined = got if read == "read" else (b"" if read == "iter_bytes" else "").join(got)
        assert str(joined).count("total_tokens") == 1
    (event,) = events()
    assert event["tokens"] == TOKENS
    assert "secret" not in str(event)


async def test_a_streamed_stream_left_half_way_is_a_partial_event(
    client: Any, provider: WireServer, events: Events
) -> None:
    """What had been read says which response it was."""
    provider.tell(PATH, sse(chunks()[:1], cut=True))
    create = client.chat.completions.with_streaming_response.create
    with pytest.raises(Exception, match=r"peer closed|incomplete"):
        async with entered(create(**ASK, stream=True)) as response:
            await collect(response.iter_lines())
    (event,) = events()
    assert (event["status"], event["response_id"]) == ("aborted", "chatcmpl-1")


async def test_a_body_that_nobody_reads_is_unmeasured(
    client: Any, provider: WireServer, events: Events
) -> None:
    """It was answered, and so it was used: the event says that nobody knows how much."""
    provider.tell(PATH, whole(ANSWER))
    async with entered(client.chat.completions.with_streaming_response.create(**ASK)):
        pass
    (event,) = events()
    assert event["units"] == {"unmeasured_requests": "1"}
    assert event["status"] == "aborted"


async def test_a_compressed_body_is_metered(
    client: Any, provider: WireServer, events: Events
) -> None:
    """The bytes are unpacked before they are read for their usage."""
    packed = gzip.compress(json.dumps(ANSWER).encode())
    provider.tell(PATH, Answer((packed,), headers={"Content-Encoding": "gzip"}))
    create = client.chat.completions.with_streaming_response.create
    async with entered(create(**ASK)) as response:
        assert json.loads(await settle(response.text())) == ANSWER
    assert [event["tokens"] for event in events()] == [TOKENS]


async def test_a_refusal_is_raised_before_the_body(
    client: Any, provider: WireServer, events: Events
) -> None:
    """A raw refusal is an error as ever, and one failed event."""
    provider.tell(PATH, whole({"error": {"message": "no"}}, 401))
    with pytest.raises(openai.AuthenticationError):
        await settle(client.chat.completions.with_raw_response.create(**ASK))
    assert [event["status"] for event in events()] == ["failed"]


class ReadsAhead(openai.Stream[ChatCompletionChunk]):
    """A stream class of the caller's own, which has the whole body before the first chunk."""

    def _iter_events(self) -> Any:
        body = list(self.response.iter_bytes())
        yield from self._decoder.iter_bytes(iter(body))


class ReadsAheadAsync(openai.AsyncStream[ChatCompletionChunk]):
    async def _iter_events(self) -> Any:
        body = [part async for part in self.response.aiter_bytes()]
        for event in self._decoder.iter_bytes(iter(body)):
            yield event


async def test_a_stream_that_reads_ahead_is_counted_to_its_end(
    client: Any, provider: WireServer, events: Events, is_async: bool
) -> None:
    """The body is closed before its chunks are parsed: they count all the same."""
    provider.tell(PATH, sse(chunks()))
    raw = await settle(client.chat.completions.with_raw_response.create(**ASK, stream=True))
    stream = raw.parse(to=ReadsAheadAsync if is_async else ReadsAhead)
    assert len(await collect(stream)) == 3
    assert [event["tokens"] for event in events()] == [TOKENS]
