"""Answers of Gemini in one piece: models, chats, function calling, embeddings, Vertex AI."""

import gc
from typing import Any

import pytest
from google import genai
from google.auth.credentials import AnonymousCredentials
from google.genai import errors, types
from sdk.python.tests.wrapping.conftest import Events
from sdk.python.tests.wrapping.google_genai.answers import TOKENS, USAGE, calling, content
from sdk.python.tests.wrapping.wire import Answer, WireServer, whole

import tallyroll
from tallyroll import Meter
from tallyroll.recording.recorder import recorder_of

ASK: Any = {"model": "gemini-2.5-flash", "contents": "private question"}


def test_an_answer_is_an_event_and_stays_as_it_is(
    client: genai.Client, provider: WireServer, events: Events
) -> None:
    """The answer is Google's own; the event has its counts, its identity and none of its words."""
    provider.tell(":generateContent", whole(content()))
    answer = client.models.generate_content(**ASK)
    assert type(answer) is types.GenerateContentResponse
    assert answer.text == "secret words"
    (event,) = events()
    assert event["tokens"] == TOKENS
    assert (event["provider"], event["model"]) == ("gcp.gemini", "gemini-2.5-flash-001")
    assert (event["response_id"], event["context_input_tokens"]) == ("r-1", 100)
    assert (event["agent"], event["instrument"]) == ("coder", "wrap.gcp.gemini")
    assert "secret" not in str(event)
    assert "private" not in str(event)


async def test_an_async_answer_too(
    client: genai.Client, provider: WireServer, events: Events
) -> None:
    """`client.aio` is metered with the client."""
    provider.tell(":generateContent", whole(content()))
    async with client.aio as aio:
        answer = await aio.models.generate_content(**ASK)
    assert answer.text == "secret words"
    assert [event["tokens"] for event in events()] == [TOKENS]


async def test_aio_alone_can_be_wrapped(
    plain: genai.Client, provider: WireServer, capturing: Meter, events: Events
) -> None:
    """Who only holds `client.aio` wraps that."""
    provider.tell(":generateContent", whole(content()))
    async with tallyroll.wrap(plain.aio, capturing, agent="coder") as aio:
        await aio.models.generate_content(**ASK)
    assert len(events()) == 1


def test_the_client_looks_as_before_and_the_plain_one_is_not_touched(
    plain: genai.Client, client: genai.Client, provider: WireServer, events: Events
) -> None:
    """An instance of its class, wrapped once; requests of the original are not metered."""
    provider.tell(":generateContent", whole(content()))
    assert isinstance(client, genai.Client)
    assert type(client).__name__ == "Client"
    assert repr(type(client)) == repr(genai.Client)
    assert tallyroll.wrap(client, agent="other") is client
    assert tallyroll.wrap(client.aio, agent="other") is client.aio
    plain.models.generate_content(**ASK)
    assert events() == []


def test_who_keeps_only_the_wrapped_client_can_use_it(
    options: types.HttpOptions, provider: WireServer, capturing: Meter, events: Events
) -> None:
    """Google's client closes its connections when it is collected; the wrapped one keeps it."""
    provider.tell(":generateContent", whole(content()))
    client = tallyroll.wrap(genai.Client(api_key="k", http_options=options), capturing)
    gc.collect()
    client.models.generate_content(**ASK)
    assert len(events()) == 1


def test_a_wrapped_client_that_is_forgotten_closes_nothing(
    plain: genai.Client, provider: WireServer, capturing: Meter
) -> None:
    """The connections are the original's, which goes on."""
    provider.tell(":generateContent", whole(content()))
    tallyroll.wrap(plain, capturing, agent="coder")
    gc.collect()
    assert plain.models.generate_content(**ASK).text == "secret words"


def test_a_chat_is_metered_by_turn(
    client: genai.Client, provider: WireServer, events: Events
) -> None:
    """Each message is a request."""
    answers = [whole(content(response_id=one)) for one in ("r-1", "r-2")]
    provider.tell(":generateContent", *answers)
    chat = client.chats.create(model="gemini-2.5-flash")
    chat.send_message("one")
    chat.send_message("two")
    assert [event["response_id"] for event in events()] == ["r-1", "r-2"]


async def test_each_request_of_automatic_function_calling_is_an_event(
    client: genai.Client, provider: WireServer, events: Events
) -> None:
    """The SDK calls the function and asks again: two requests, both charged."""

    def look() -> str:
        """Look."""
        return "seen"

    first, second = calling("look", response_id="r-1"), content(response_id="r-2")
    provider.tell(":generateContent", *([whole(first), whole(second)] * 2))
    tools = types.GenerateContentConfig(tools=[look])
    answer = client.models.generate_content(**ASK, config=tools)
    assert answer.text == "secret words"
    async with client.aio as aio:
        await aio.models.generate_content(**ASK, config=tools)
    assert [event["response_id"] for event in events()] == ["r-1", "r-2"] * 2


def test_counting_tokens_is_free(
    client: genai.Client, provider: WireServer, capturing: Meter, events: Events
) -> None:
    """No event, and nothing that would be missed."""
    provider.tell(":countTokens", whole({"totalTokens": 3}))
    assert client.models.count_tokens(**ASK).total_tokens == 3
    assert events() == []
    assert recorder_of(capturing).unmetered_calls == {}


def test_what_nobody_knows_to_meter_is_counted(
    vertex: genai.Client, provider: WireServer, capturing: Meter, events: Events
) -> None:
    """A film passes unmetered, and that is told."""
    provider.tell(":predictLongRunning", whole({"name": "operations/1"}))
    vertex.models.generate_videos(
        model="veo-3", source=types.GenerateVideosSource(prompt="private question")
    )
    assert events() == []
    assert recorder_of(capturing).unmetered_calls == {"predictLongRunning": 1}


async def test_embeddings_count_their_input(
    client: genai.Client, provider: WireServer, events: Events
) -> None:
    """The model is that of the request, since the answer names none."""
    usage = {"promptTokenCount": 7, "totalTokenCount": 7}
    answer = {"embeddings": [{"values": [0.5]}], "usageMetadata": usage}
    provider.tell(":batchEmbedContents", whole(answer))
    ask: Any = {"model": "gemini-embedding-001", "contents": "private question"}
    client.models.embed_content(**ask)
    async with client.aio as aio:
        await aio.models.embed_content(**ask)
    got = events()
    tokens = {"input_uncached": 7}
    assert [(one["model"], one["tokens"]) for one in got] == [(ask["model"], tokens)] * 2
    assert "private" not in str(got)


def test_a_refusal_passes_unchanged_and_counts_nothing(
    client: genai.Client, provider: WireServer, events: Events
) -> None:
    """The caller sees Google's own error; the event says that a request failed."""
    refusal = {"error": {"code": 400, "message": "no", "status": "INVALID_ARGUMENT"}}
    provider.tell(":generateContent", whole(refusal, 400))
    with pytest.raises(errors.ClientError, match="no") as caught:
        client.models.generate_content(**ASK)
    assert type(caught.value) is errors.ClientError
    (event,) = events()
    assert (event["status"], event["tags"]["error"]) == ("failed", "ClientError")
    assert (event["units"], event["model"]) == ({"failed_requests": "0"}, "gemini-2.5-flash")


def test_an_answer_that_cannot_be_read_was_given_all_the_same(
    client: genai.Client, provider: WireServer, events: Events
) -> None:
    """The SDK raises what it raises; what was used is unknown, not nothing."""
    provider.tell(":generateContent", Answer((b"no json",)))
    with pytest.raises(ValueError, match="Expecting value"):
        client.models.generate_content(**ASK)
    (event,) = events()
    assert (event["model"], event["units"]) == ("gemini-2.5-flash", {"unmeasured_requests": "1"})
    assert "status" not in event


def test_other_packages_of_google_are_refused(capturing: Meter) -> None:
    """Only `google.genai` is known."""
    with pytest.raises(TypeError, match=r"known are .*google\.genai"):
        tallyroll.wrap(AnonymousCredentials(), capturing)  # type: ignore[no-untyped-call]


def test_vertex_ai_is_another_provider_with_a_region_and_a_tier(
    vertex: genai.Client, provider: WireServer, events: Events
) -> None:
    """What it costs depends on where it ran, and on the kind of traffic."""
    answer = content(usage={**USAGE, "trafficType": "PROVISIONED_THROUGHPUT"})
    provider.tell(":generateContent", whole(answer))
    vertex.models.generate_content(**ASK)
    assert "/locations/europe-west4/" in provider.asked[0].path
    (event,) = events()
    assert (event["provider"], event["region"]) == ("gcp.vertex_ai", "europe-west4")
    assert event["service_tier"] == "PROVISIONED_THROUGHPUT"
    assert event["tokens"] == TOKENS


def test_a_provider_that_is_stated_stands(
    plain_vertex: genai.Client, provider: WireServer, capturing: Meter, events: Events
) -> None:
    """A gateway in front of Vertex AI, which counts as that does."""
    provider.tell(":generateContent", whole(content()))
    client = tallyroll.wrap(
        plain_vertex, capturing, provider="gateway", counts_as="gcp.vertex_ai", agent="coder"
    )
    client.models.generate_content(**ASK)
    (event,) = events()
    assert (event["provider"], event["region"]) == ("gateway", "europe-west4")
    assert event["tokens"] == TOKENS


def test_embeddings_of_vertex_ai_are_summed_over_the_texts(
    vertex: genai.Client, provider: WireServer, events: Events
) -> None:
    """Its older models count each text for itself."""
    predictions = [
        {"embeddings": {"values": [0.5], "statistics": {"token_count": count}}}
        for count in (3, 4.0)
    ]
    provider.tell(":predict", whole({"predictions": predictions}))
    vertex.models.embed_content(model="text-embedding-005", contents=["a", "b"])
    (event,) = events()
    assert (event["model"], event["tokens"]) == ("text-embedding-005", {"input_uncached": 7})
