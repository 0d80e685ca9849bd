"""Azure's clients: deployments in the path, Azure's id of a provider."""

from collections.abc import AsyncIterator
from typing import Any

import httpx2
import openai
import pytest
from sdk.python.tests.wrapping.conftest import Events
from sdk.python.tests.wrapping.dual import collect, entered, settle
from sdk.python.tests.wrapping.openai_family.conftest import to_the
from sdk.python.tests.wrapping.openai_family.shapes import (
    ANSWER,
    ASK,
    TOKENS,
    chunks,
    response,
    response_events,
)
from sdk.python.tests.wrapping.wire import WireServer, sse, whole

import tallyroll
from tallyroll import Meter

CHAT = "/openai/deployments/gpt-5/chat/completions"


@pytest.fixture(name="azure")
async def _azure(provider: WireServer, capturing: Meter, is_async: bool) -> AsyncIterator[Any]:
    kind = openai.AsyncAzureOpenAI if is_async else openai.AzureOpenAI
    plain = kind(
        azure_endpoint="https://gateway.example.com",  # the client tells whose it is
        api_version="2026-10-01",
        api_key="k",
        http_client=to_the(provider, httpx2, is_async=is_async),
    )
    yield tallyroll.wrap(plain, capturing)
    await settle(plain.close())


async def test_a_chat_is_metered(azure: Any, provider: WireServer, events: Events) -> None:
    """Whole and streamed, at the deployment's own path; Azure's first chunk has no choices."""
    filtered = {**chunks()[0], "id": "", "model": "", "choices": []}
    provider.tell(CHAT, whole(ANSWER), sse([filtered, *chunks()]))
    await settle(azure.chat.completions.create(**ASK))
    got = await collect(await settle(azure.chat.completions.create(**ASK, stream=True)))
    assert len(got) == 4
    assert [event["tokens"] for event in events()] == [TOKENS, TOKENS]
    assert [event["response_id"] for event in events()] == ["chatcmpl-1"] * 2
    assert {event["provider"] for event in events()} == {"azure.ai.openai"}
    assert {event["model"] for event in events()} == {"gpt-5-2026"}
    assert "secret" not in str(events())


async def test_a_response_is_metered(azure: Any, provider: WireServer, events: Events) -> None:
    """The Responses API, whole and streamed."""
    stream = sse(response_events(), named=True, done=False)
    provider.tell("/openai/responses", whole(response()), stream)
    await settle(azure.responses.create(model="gpt-5", input="hi"))
    async with entered(azure.responses.stream(model="gpt-5", input="hi")) as events_of:
        await settle(events_of.until_done())
    assert [event["tokens"] for event in events()] == [TOKENS, TOKENS]
    assert "secret" not in str(events())


async def test_embeddings_are_metered(azure: Any, provider: WireServer, events: Events) -> None:
    """A deployment of an embedding model."""
    usage = {"prompt_tokens": 8, "total_tokens": 8}
    answer = {"object": "list", "model": "embed", "data": [], "usage": usage}
    data = [{"object": "embedding", "index": 0, "embedding": [0.5]}]
    provider.tell("/openai/deployments/embed/embeddings", whole({**answer, "data": data}))
    await settle(azure.embeddings.create(model="embed", input="hi"))
    assert [event["tokens"] for event in events()] == [{"input_uncached": 8}]


async def test_its_copies_are_metered(azure: Any, provider: WireServer, events: Events) -> None:
    """`with_options()` of Azure's client too."""
    provider.tell(CHAT, whole(ANSWER))
    await settle(azure.with_options(timeout=5).chat.completions.create(**ASK))
    assert [event["tokens"] for event in events()] == [TOKENS]
