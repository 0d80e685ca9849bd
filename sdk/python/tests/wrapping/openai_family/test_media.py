"""Embeddings, images and audio."""

import json
from typing import Any

import pytest
from sdk.python.tests.wrapping.conftest import Events
from sdk.python.tests.wrapping.dual import collect, entered, settle
from sdk.python.tests.wrapping.wire import Answer, WireServer, sse, whole

EMBEDDING = {
    "object": "list",
    "model": "text-embedding-4",
    "data": [{"object": "embedding", "index": 0, "embedding": [0.5, 0.25]}],
    "usage": {"prompt_tokens": 8, "total_tokens": 8},
}
IMAGE_USAGE = {
    "input_tokens": 50,
    "input_tokens_details": {"text_tokens": 10, "image_tokens": 40},
    "output_tokens": 60,
    "total_tokens": 110,
}
IMAGE = {"created": 1, "data": [{"b64_json": "secret"}], "usage": IMAGE_USAGE}
IMAGE_TOKENS = {"input_uncached": 50, "output_text": 60}
SPOKEN = {
    "type": "tokens",
    "input_tokens": 14,
    "input_token_details": {"text_tokens": 0, "audio_tokens": 14},
    "output_tokens": 45,
    "total_tokens": 59,
}
UNMEASURED = {"unmeasured_requests": "1"}
FILE = ("a.wav", b"RIFF", "audio/wav")


async def test_embeddings_are_metered(client: Any, provider: WireServer, events: Events) -> None:
    """Input alone; vectors arrive as ever."""
    provider.tell("/embeddings", whole(EMBEDDING))
    got = await settle(client.embeddings.create(model="text-embedding-4", input="secret"))
    assert got.data[0].embedding == [0.5, 0.25]
    (event,) = events()
    assert (event["tokens"], event["model"]) == ({"input_uncached": 8}, "text-embedding-4")
    assert "secret" not in str(event)


@pytest.mark.parametrize("method", ["generate", "edit"])
async def test_images_are_metered(
    client: Any, provider: WireServer, events: Events, method: str
) -> None:
    """Whole and streamed; the model is the one that was asked for, which the answer leaves out."""
    path = "/images/generations" if method == "generate" else "/images/edits"
    kind = "image_generation" if method == "generate" else "image_edit"
    look = {"background": "auto", "output_format": "png", "quality": "low", "size": "1024x1024"}
    image = {"b64_json": "secret", "created_at": 1, **look}
    preview = {"type": f"{kind}.partial_image", "partial_image_index": 0, **image}
    done = {"type": f"{kind}.completed", "usage": IMAGE_USAGE, **image}
    provider.tell(path, whole(IMAGE), sse([preview, done], named=True, done=False))
    ask: Any = {"model": "gpt-image-2", "prompt": "secret"}
    if method == "edit":
        ask["image"] = ("a.png", b"PNG", "image/png")
    call = getattr(client.images, method)
    assert (await settle(call(**ask))).data[0].b64_json == "secret"
    assert len(await collect(await settle(call(**ask, stream=True)))) == 2
    assert [event["tokens"] for event in events()] == [IMAGE_TOKENS, IMAGE_TOKENS]
    assert {event["model"] for event in events()} == {"gpt-image-2"}
    assert "secret" not in json.dumps(events())


async def test_an_image_without_usage_is_unmeasured(
    client: Any, provider: WireServer, events: Events
) -> None:
    """Older models report nothing: no zero."""
    provider.tell("/images/generations", whole({"created": 1, "data": []}))
    await settle(client.images.generate(model="dall-e-3", prompt="secret"))
    (event,) = events()
    assert (event["units"], event["model"]) == (UNMEASURED, "dall-e-3")


async def test_transcriptions_count_tokens_or_seconds(
    client: Any, provider: WireServer, events: Events
) -> None:
    """Which of the two, the model decides."""
    by_time = {"text": "secret", "usage": {"type": "duration", "seconds": 7}}
    provider.tell(
        "/audio/transcriptions", whole({"text": "secret", "usage": SPOKEN}), whole(by_time)
    )
    for _ in range(2):
        got = await settle(client.audio.transcriptions.create(model="gpt-hear", file=FILE))
        assert got.text == "secret"
    by_tokens, by_seconds = events()
    assert by_tokens["tokens"] == {"input_uncached": 14, "output_text": 45}
    assert by_tokens["model"] == "gpt-hear"
    assert by_seconds["units"] == {"audio_seconds": "7"}
    assert "secret" not in json.dumps(events())


async def test_a_transcription_streams(client: Any, provider: WireServer, events: Events) -> None:
    """The event at the end has the usage."""
    said = {"type": "transcript.text.delta", "delta": "secret"}
    done = {"type": "transcript.text.done", "text": "secret", "usage": SPOKEN}
    provider.tell("/audio/transcriptions", sse([said, done], named=True, done=False))
    create = client.audio.transcriptions.create
    stream = await settle(create(model="gpt-hear", file=FILE, stream=True))
    assert len(await collect(stream)) == 2
    (event,) = events()
    assert event["tokens"] == {"input_uncached": 14, "output_text": 45}
    assert "secret" not in str(event)


@pytest.mark.parametrize("form", ["text", "srt", "vtt"])
async def test_a_transcription_as_text_is_unmeasured(
    client: Any, provider: WireServer, events: Events, form: Any
) -> None:
    """Text has no place for usage: the event says that something was used, and none of it."""
    provider.tell("/audio/transcriptions", Answer((b"secret",), content_type="text/plain"))
    create = client.audio.transcriptions.create
    got = await settle(create(model="whisper-1", file=FILE, response_format=form))
    assert got == "secret"
    (event,) = events()
    assert (event["units"], event["model"]) == (UNMEASURED, "whisper-1")
    assert "secret" not in str(event)


async def test_speech_is_unmeasured(client: Any, provider: WireServer, events: Events) -> None:
    """Sound has no usage in it, as a file or as a stream of bytes."""
    provider.tell("/audio/speech", Answer((b"secret", b"sound"), content_type="audio/mpeg"))
    ask: Any = {"model": "tts-2", "voice": "alloy", "input": "secret"}
    assert (await settle(client.audio.speech.create(**ask))).content == b"secretsound"
    async with entered(client.audio.speech.with_streaming_response.create(**ask)) as answer:
        assert b"".join(await collect(answer.iter_bytes())) == b"secretsound"
    assert [event["units"] for event in events()] == [UNMEASURED, UNMEASURED]
    assert "secret" not in json.dumps(events())
