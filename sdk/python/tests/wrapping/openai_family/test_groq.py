"""Groq's own SDK: its paths, and usage in `x_groq` of the last chunk."""

from collections.abc import AsyncIterator
from typing import Any

import groq
import httpx
import pytest
from sdk.python.tests.wrapping.conftest import Events
from sdk.python.tests.wrapping.dual import collect, entered, first, settle
from sdk.python.tests.wrapping.openai_family.conftest import to_the
from sdk.python.tests.wrapping.openai_family.shapes import (
    ANSWER,
    ASK,
    TOKENS,
    chunks,
    groq_chunks,
)
from sdk.python.tests.wrapping.wire import WireServer, sse, whole

import tallyroll
from tallyroll import Meter

CHAT = "/openai/v1/chat/completions"


@pytest.fixture(name="client")
async def _client(provider: WireServer, capturing: Meter, is_async: bool) -> AsyncIterator[Any]:
    """Return Groq's client at its real address, which leads to the local server."""
    kind = groq.AsyncGroq if is_async else groq.Groq
    http = to_the(provider, httpx, is_async=is_async)
    plain = kind(api_key="k", http_client=http, max_retries=0)
    yield tallyroll.wrap(plain, capturing, agent="coder")
    await settle(plain.close())


async def test_an_answer_is_metered(client: Any, provider: WireServer, events: Events) -> None:
    """Groq's own types come back; `x_groq` of a whole answer has no usage."""
    provider.tell(CHAT, whole({**ANSWER, "x_groq": {"id": "req_1", "usage": {"dram_cached": 9}}}))
    got = await settle(client.chat.completions.create(**ASK))
    assert type(got).__module__.startswith("groq.")
    (event,) = events()
    assert (event["tokens"], event["provider"]) == (TOKENS, "groq")
    assert event["instrument"] == "wrap.groq"
    assert "secret" not in str(event)


async def test_a_stream_is_metered(client: Any, provider: WireServer, events: Events) -> None:
    """It is not asked for, and the caller gets every chunk."""
    provider.tell(CHAT, sse(groq_chunks()))
    got = await collect(await settle(client.chat.completions.create(**ASK, stream=True)))
    assert len(got) == 3
    assert "stream_options" not in provider.asked[0].body
    (event,) = events()
    assert event["tokens"] == TOKENS
    assert "status" not in event
    assert "secret" not in str(event)


async def test_several_models_are_several_lines(
    client: Any, provider: WireServer, events: Events
) -> None:
    """A compound system lists its models; streamed, in `x_groq` too."""
    half = {"prompt_tokens": 50, "completion_tokens": 15, "total_tokens": 65}
    both = {"prompt_tokens": 100, "completion_tokens": 30, "total_tokens": 130}
    models = [{"model": "a", "usage": half}, {"model": "b", "usage": half}]
    answer = {**ANSWER, "usage": both, "usage_breakdown": {"models": models}}
    x_groq = {"id": "req_1", "usage": both, "usage_breakdown": {"models": models}}
    *said, end = chunks(usage=False)
    provider.tell(CHAT, whole(answer), sse([*said, {**end, "x_groq": x_groq}]))
    await settle(client.chat.completions.create(**ASK))
    await collect(await settle(client.chat.completions.create(**ASK, stream=True)))
    assert [event["model"] for event in events()] == ["a", "b", "a", "b"]
    assert all(event["tokens"] == {"input_uncached": 50, "output_text": 15} for event in events())


async def test_a_stream_that_is_left_is_a_partial_event(
    client: Any, provider: WireServer, events: Events
) -> None:
    """As with OpenAI's."""
    provider.tell(CHAT, sse(groq_chunks()))
    async with entered(await settle(client.chat.completions.create(**ASK, stream=True))) as stream:
        await first(stream)
    (event,) = events()
    assert (event["status"], event["tags"]["usage_flags"]) == ("aborted", "partial")


@pytest.mark.parametrize("mode", ["with_raw_response", "with_streaming_response"])
async def test_raw_answers_are_metered(
    client: Any, provider: WireServer, events: Events, mode: str
) -> None:
    """Parsed by the caller."""
    provider.tell(CHAT, whole(ANSWER), sse(groq_chunks()))
    create = getattr(client.chat.completions, mode).create
    for more in ({}, {"stream": True}):
        if mode == "with_raw_response":
            got = await settle((await settle(create(**ASK, **more))).parse())
            await collect(got) if more else None
        else:
            async with entered(create(**ASK, **more)) as answer:
                await collect(answer.iter_lines())
    assert [event["tokens"] for event in events()] == [TOKENS, TOKENS]


async def test_refusals_and_copies(client: Any, provider: WireServer, events: Events) -> None:
    """Groq's own error, and a copy that is metered."""
    provider.tell(CHAT, whole({"error": {"message": "no"}}, 429))
    with pytest.raises(groq.RateLimitError, match="no"):
        await settle(client.chat.completions.create(**ASK))
    provider.tell(CHAT, whole(ANSWER))
    await settle(client.with_options(timeout=5).chat.completions.create(**ASK))
    assert [event.get("status") for event in events()] == ["failed", None]


async def test_embeddings_and_audio(client: Any, provider: WireServer, events: Events) -> None:
    """Embeddings count; Groq's transcriptions report no usage."""
    usage = {"prompt_tokens": 8, "total_tokens": 8}
    answer = {"object": "list", "model": "embed", "data": [], "usage": usage}
    provider.tell("/embeddings", whole(answer))
    provider.tell("/audio/transcriptions", whole({"text": "secret"}))
    await settle(client.embeddings.create(model="embed", input="hi"))
    audio = ("a.wav", b"RIFF", "audio/wav")
    await settle(client.audio.transcriptions.create(model="whisper", file=audio))
    embedding, heard = events()
    assert embedding["tokens"] == {"input_uncached": 8}
    assert heard["units"] == {"unmeasured_requests": "1"}
    assert "secret" not in str(events())
