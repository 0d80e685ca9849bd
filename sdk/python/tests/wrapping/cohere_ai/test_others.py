"""What else Cohere offers: embeddings, reranking, and version 1."""

import json
from typing import Any

import cohere
from sdk.python.tests.wrapping.cohere_ai.answers import CHAT, OLD_CHAT, UNITS, old_events
from sdk.python.tests.wrapping.conftest import Events
from sdk.python.tests.wrapping.wire import Answer, WireServer, whole

import tallyroll
from tallyroll import Meter
from tallyroll.recording.recorder import recorder_of

EMBEDDED: dict[str, Any] = {
    "id": "e-1",
    "response_type": "embeddings_by_type",
    "embeddings": {"float": [[0.5]]},
    "texts": ["private question"],
    "meta": {"billed_units": {"input_tokens": 4, "image_tokens": 0, "images": 2}},
}
RANKED: dict[str, Any] = {
    "id": "r-1",
    "results": [{"index": 0, "relevance_score": 0.9}],
    "meta": {"billed_units": {"search_units": 0.1}},
}


async def test_embeddings(
    client: cohere.ClientV2, aclient: cohere.AsyncClientV2, provider: WireServer, events: Events
) -> None:
    """Texts by token, pictures by piece."""
    provider.tell("/v2/embed", whole(EMBEDDED))
    ask: Any = {"model": "embed-v4.0", "texts": ["private question"], "input_type": "clustering"}
    client.embed(**ask)
    await aclient.embed(**ask)
    got = events()
    assert [one["units"] for one in got] == [{"billed_input_tokens": "4", "images": "2"}] * 2
    assert [(one["model"], one["response_id"]) for one in got] == [("embed-v4.0", "e-1")] * 2
    assert "private" not in str(got)


async def test_reranking(
    client: cohere.ClientV2, aclient: cohere.AsyncClientV2, provider: WireServer, events: Events
) -> None:
    """Search units come in fractions, which stay as they are."""
    provider.tell("/v2/rerank", whole(RANKED))
    ask: Any = {"model": "rerank-v3.5", "query": "private question", "documents": ["secret words"]}
    client.rerank(**ask)
    await aclient.rerank(**ask)
    got = events()
    assert [one["units"] for one in got] == [{"search_units": "0.1"}] * 2
    assert [(one["model"], one["response_id"]) for one in got] == [("rerank-v3.5", "r-1")] * 2
    assert "private" not in str(got)
    assert "secret" not in str(got)


async def test_chats_of_version_1(
    old: cohere.Client, aold: cohere.AsyncClient, provider: WireServer, events: Events
) -> None:
    """`Client` and `AsyncClient`."""
    provider.tell("/v1/chat", whole(OLD_CHAT))
    ask: Any = {"model": "command-r", "message": "private question"}
    assert old.chat(**ask).text == "secret words"
    await aold.chat(**ask)
    got = events()
    assert [(one["units"], one["response_id"]) for one in got] == [(UNITS, "c-1")] * 2
    assert "secret" not in str(got)
    assert "private" not in str(got)


async def test_streams_of_version_1(
    old: cohere.Client, aold: cohere.AsyncClient, provider: WireServer, events: Events
) -> None:
    """A document on each line, the last has the whole answer."""
    lines = tuple(f"{json.dumps(one)}\n".encode() for one in old_events())
    provider.tell("/v1/chat", Answer(lines, content_type="application/stream+json"))
    ask: Any = {"model": "command-r", "message": "private question"}
    assert len(list(old.chat_stream(**ask))) == 3
    assert len([one async for one in aold.chat_stream(**ask)]) == 3
    got = events()
    assert [one["units"] for one in got] == [UNITS] * 2
    assert "status" not in got[0]
    assert "secret" not in str(got)


def test_version_2_of_a_client_of_version_1(
    provider: WireServer, capturing: Meter, events: Events
) -> None:
    """`client.v2` is metered with the client, also if it was used before."""
    provider.tell("/v2/chat", whole(CHAT))
    ask: Any = {"model": "command-r", "messages": [{"role": "user", "content": "hi"}]}
    with cohere.Client("k", base_url=provider.url) as plain:
        plain.v2.chat(**ask)
        client = tallyroll.wrap(plain, capturing, agent="coder")
        client.v2.chat(**ask)
        client.v2.chat(**ask)
        plain.v2.chat(**ask)
    assert [event["units"] for event in events()] == [UNITS, UNITS]


def test_many_texts_at_once_are_embedded_in_the_scope_of_the_caller(
    old: cohere.Client, provider: WireServer, capturing: Meter, events: Events
) -> None:
    """The SDK asks in threads, 96 texts at a time: each request counts, for whoever asked."""
    answer = {**EMBEDDED, "response_type": "embeddings_floats", "embeddings": [[0.5]]}
    provider.tell("/v1/embed", whole(answer))
    with capturing.context(tenant="acme", agent="indexer"):
        old.embed(texts=["private question"] * 200, model="embed-v4.0", input_type="clustering")
    assert [(one["tenant"], one["agent"]) for one in events()] == [("acme", "indexer")] * 3


def test_what_nobody_knows_to_meter_is_counted(client: cohere.ClientV2, capturing: Meter) -> None:
    """Jobs pass unmetered, and that is told."""
    assert type(client.embed_jobs).__name__ == "EmbedJobsClient"
    assert recorder_of(capturing).unmetered_calls == {"embed_jobs": 1}
