"""What else Mistral offers: embeddings, OCR, code, agents, conversations, transcription."""

from typing import Any

from mistralai.azure.client import MistralAzure
from mistralai.client import Mistral
from sdk.python.tests.wrapping.conftest import Events
from sdk.python.tests.wrapping.mistral.answers import (
    CHAT,
    CONVERSATION_TOKENS,
    TOKENS,
    chunks,
    conversation,
    conversation_events,
)
from sdk.python.tests.wrapping.wire import WireServer, sse, whole

import tallyroll
from tallyroll import Meter
from tallyroll.recording.recorder import recorder_of

EMBEDDINGS = {
    "id": "emb-1",
    "object": "list",
    "model": "mistral-embed",
    "data": [{"object": "embedding", "index": 0, "embedding": [0.5]}],
    "usage": {"prompt_tokens": 7, "completion_tokens": 0, "total_tokens": 7},
}
PAGES = {
    "model": "mistral-ocr-2611",
    "pages": [{"index": 0, "markdown": "secret words", "images": [], "dimensions": None}],
    "usage_info": {"pages_processed": 3, "doc_size_bytes": 900},
}
HEARD = {"prompt_tokens": 4, "completion_tokens": 6, "total_tokens": 10, "prompt_audio_seconds": 12}
TRANSCRIPT = {
    "model": "voxtral-mini-2611",
    "text": "secret words",
    "language": "en",
    "usage": HEARD,
}
RESPONSE = {
    "id": "resp_1",
    "object": "response",
    "created_at": 1,
    "model": "mistral-large-2611",
    "status": "completed",
    "output": [],
    "instructions": "secret words",
    "parallel_tool_calls": True,
    "tool_choice": "auto",
    "tools": [],
    "usage": {
        "input_tokens": 100,
        "input_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 0},
        "output_tokens": 30,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 130,
    },
}


def test_embeddings(client: Mistral, provider: WireServer, events: Events) -> None:
    """Input alone."""
    provider.tell("/v1/embeddings", whole(EMBEDDINGS))
    client.embeddings.create(model="mistral-embed", inputs=["private question"])
    (event,) = events()
    assert (event["tokens"], event["response_id"]) == ({"input_uncached": 7}, "emb-1")
    assert "private" not in str(event)


async def test_async_embeddings(aclient: Mistral, provider: WireServer, events: Events) -> None:
    """`create_async()`."""
    provider.tell("/v1/embeddings", whole(EMBEDDINGS))
    await aclient.embeddings.create_async(model="mistral-embed", inputs=["private question"])
    assert [event["tokens"] for event in events()] == [{"input_uncached": 7}]


def test_pages(client: Mistral, provider: WireServer, events: Events) -> None:
    """OCR is charged by the page."""
    provider.tell("/v1/ocr", whole(PAGES))
    document: Any = {"type": "document_url", "document_url": "https://example.org/private.pdf"}
    client.ocr.process(model="mistral-ocr-latest", document=document)
    (event,) = events()
    assert (event["model"], event["units"]) == ("mistral-ocr-2611", {"pages": "3"})
    assert "secret" not in str(event)
    assert "private" not in str(event)


async def test_async_pages(aclient: Mistral, provider: WireServer, events: Events) -> None:
    """`process_async()`."""
    provider.tell("/v1/ocr", whole(PAGES))
    document: Any = {"type": "document_url", "document_url": "https://example.org/private.pdf"}
    await aclient.ocr.process_async(model="mistral-ocr-latest", document=document)
    assert [event["units"] for event in events()] == [{"pages": "3"}]


async def test_code(
    client: Mistral, aclient: Mistral, provider: WireServer, events: Events
) -> None:
    """`fim` counts as chat does."""
    ask: Any = {"model": "codestral-latest", "prompt": "private question"}
    provider.tell("/v1/fim/completions", whole(CHAT), sse(chunks()), whole(CHAT), sse(chunks()))
    client.fim.complete(**ask)
    assert len(list(client.fim.stream(**ask))) == 3
    await aclient.fim.complete_async(**ask)
    assert len([one async for one in await aclient.fim.stream_async(**ask)]) == 3
    assert [event["tokens"] for event in events()] == [TOKENS] * 4
    assert "secret" not in str(events())
    assert "private" not in str(events())


async def test_agents(
    client: Mistral, aclient: Mistral, provider: WireServer, events: Events
) -> None:
    """Who asks an agent names no model; the answer does."""
    ask: Any = {"agent_id": "ag_1", "messages": [{"role": "user", "content": "private question"}]}
    provider.tell("/v1/agents/completions", whole(CHAT), sse(chunks()), whole(CHAT), sse(chunks()))
    client.agents.complete(**ask)
    assert len(list(client.agents.stream(**ask))) == 3
    await aclient.agents.complete_async(**ask)
    assert len([one async for one in await aclient.agents.stream_async(**ask)]) == 3
    assert [(event["tokens"], event["model"]) for event in events()] == [
        (TOKENS, "mistral-large-2611")
    ] * 4
    assert "secret" not in str(events())


async def test_conversations(
    client: Mistral, aclient: Mistral, provider: WireServer, events: Events
) -> None:
    """What a connector returned is input beside the prompt, and each of its calls a unit."""
    provider.tell("/v1/conversations", whole(conversation()))
    provider.tell("/v1/conversations/conv_1", whole(conversation()))
    client.beta.conversations.start(agent_id="ag_1", inputs="private question")
    client.beta.conversations.append(conversation_id="conv_1", inputs="private question")
    await aclient.beta.conversations.start_async(agent_id="ag_1", inputs="private question")
    got = events()
    assert [event["tokens"] for event in got] == [CONVERSATION_TOKENS] * 3
    assert {(event["model"], event["units"]["web_search_requests"]) for event in got} == {
        ("mistral-medium-2611", "1")
    }
    assert "secret" not in str(got)
    assert "private" not in str(got)


def test_a_conversation_that_names_no_model(
    client: Mistral, provider: WireServer, events: Events
) -> None:
    """That of the request counts; what the SDK marks as not set is no name."""
    answer = conversation()
    del answer["outputs"][0]["model"]
    provider.tell("/v1/conversations", whole(answer))
    client.beta.conversations.start(model="mistral-medium-latest", inputs="private question")
    assert [event["model"] for event in events()] == ["mistral-medium-latest"]


async def test_streamed_conversations(
    client: Mistral, aclient: Mistral, provider: WireServer, events: Events
) -> None:
    """The event at the end has the usage."""
    provider.tell("/v1/conversations", sse(conversation_events(), done=False, named=True))
    beta, abeta = client.beta.conversations, aclient.beta.conversations
    assert len(list(beta.start_stream(agent_id="ag_1", inputs="private question"))) == 3
    stream = await abeta.start_stream_async(agent_id="ag_1", inputs="private question")
    assert len([one async for one in stream]) == 3
    got = events()
    assert [event["tokens"] for event in got] == [CONVERSATION_TOKENS] * 2
    assert {event["model"] for event in got} == {"mistral-medium-2611"}
    assert "secret" not in str(got)


async def test_transcription(
    client: Mistral, aclient: Mistral, provider: WireServer, events: Events
) -> None:
    """Tokens, and the seconds that were heard."""
    done = {"type": "transcription.done", **TRANSCRIPT}
    spoken = [{"type": "transcription.text.delta", "text": "secret"}, done]
    stream = sse(spoken, done=False, named=True)
    provider.tell("/v1/audio/transcriptions", whole(TRANSCRIPT), stream, whole(TRANSCRIPT), stream)
    ask: Any = {"model": "voxtral-mini-latest", "file_url": "https://example.org/private.mp3"}
    client.audio.transcriptions.complete(**ask)
    assert len(list(client.audio.transcriptions.stream(**ask))) == 2
    await aclient.audio.transcriptions.complete_async(**ask)
    heard = await aclient.audio.transcriptions.stream_async(**ask)
    assert len([one async for one in heard]) == 2
    got = events()
    tokens = {"input_uncached": 4, "output_text": 6}
    assert [(one["tokens"], one["units"]) for one in got] == [(tokens, {"audio_seconds": "12"})] * 4
    assert {one["model"] for one in got} == {"voxtral-mini-2611"}
    assert "secret" not in str(got)
    assert "private" not in str(got)


async def test_responses(
    client: Mistral, aclient: Mistral, provider: WireServer, events: Events
) -> None:
    """Mistral speaks OpenAI's Responses API with the same conventions."""
    said = [
        {"type": "response.created", "response": {**RESPONSE, "usage": None}},
        {"type": "response.completed", "response": RESPONSE},
    ]
    stream = sse(
        [{**one, "sequence_number": at} for at, one in enumerate(said)], done=False, named=True
    )
    provider.tell("/v1/responses", whole(RESPONSE), stream, whole(RESPONSE), stream)
    ask: Any = {"model": "mistral-large-latest", "input": "private question"}
    client.responses.create(**ask)
    assert len(list(client.responses.create(**ask, stream=True))) == 2
    await aclient.responses.create_async(**ask)
    heard = await aclient.responses.create_async(**ask, stream=True)
    assert len([one async for one in heard]) == 2
    got = events()
    tokens = {"input_uncached": 40, "input_cache_read": 60, "output_text": 30}
    assert [(one["tokens"], one["response_id"]) for one in got] == [(tokens, "resp_1")] * 4
    assert "secret" not in str(got)
    assert "private" not in str(got)


def test_mistral_on_azure(provider: WireServer, capturing: Meter, events: Events) -> None:
    """The client says whose address it is; it counts as Mistral does."""
    provider.tell("/chat/completions", whole(CHAT))
    with MistralAzure(api_key="k", server_url=provider.url) as plain:
        client = tallyroll.wrap(
            plain, capturing, provider="azure.ai.inference", counts_as="mistral_ai", agent="coder"
        )
        client.chat.complete(
            model="mistral-large", messages=[{"role": "user", "content": "private question"}]
        )
    (event,) = events()
    assert (event["provider"], event["tokens"]) == ("azure.ai.inference", TOKENS)


def test_what_nobody_knows_to_meter_is_counted(
    client: Mistral, provider: WireServer, capturing: Meter, events: Events
) -> None:
    """Moderation passes unmetered, and that is told."""
    answer = {"id": "mod-1", "model": "mistral-moderation", "results": []}
    provider.tell("/v1/moderations", whole(answer))
    client.classifiers.moderate(model="mistral-moderation-latest", inputs=["private question"])
    assert events() == []
    assert recorder_of(capturing).unmetered_calls == {"moderations_v1_moderations_post": 1}
