"""Whose client it is, by its address; each provider's answers through OpenAI's own SDK."""

import logging
from collections.abc import Callable
from typing import Any

import openai
import pytest
from sdk.python.tests.wrapping.conftest import Events
from sdk.python.tests.wrapping.dual import collect, settle
from sdk.python.tests.wrapping.openai_family.conftest import Make
from sdk.python.tests.wrapping.openai_family.shapes import (
    ANSWER,
    ASK,
    TOKENS,
    USAGE,
    chunks,
    groq_chunks,
    response,
)
from sdk.python.tests.wrapping.wire import WireServer, sse, whole

import tallyroll
from tallyroll import Meter
from tallyroll.wrapping.hosts import HOSTS, provider_at

COUNTED = {"input_uncached": 40, "input_cache_read": 60, "output_text": 20, "output_reasoning": 10}
BESIDE = {**COUNTED, "output_text": 30}
PROVIDERS: dict[str, tuple[str, str, dict[str, Any], dict[str, int], bool]] = {
    "OpenAI": ("https://api.openai.com/v1", "openai", USAGE, COUNTED, True),
    "OpenAI in Europe": ("https://eu.api.openai.com/v1", "openai", USAGE, COUNTED, True),
    "Azure": ("https://me.openai.azure.com/openai/v1", "azure.ai.openai", USAGE, COUNTED, True),
    "DeepSeek": (
        "https://api.deepseek.com",
        "deepseek",
        {**USAGE, "prompt_cache_hit_tokens": 60, "prompt_cache_miss_tokens": 40},
        COUNTED,
        True,
    ),
    "OpenRouter": (
        "https://openrouter.ai/api/v1",
        "openrouter",
        {**USAGE, "cost": 0.25, "is_byok": False},
        COUNTED,
        False,
    ),
    "xAI": ("https://api.x.ai/v1", "x_ai", {**USAGE, "total_tokens": 140}, BESIDE, True),
    "xAI in a region": (
        "https://eu-west-1.api.x.ai/v1",
        "x_ai",
        {**USAGE, "total_tokens": 140},
        BESIDE,
        True,
    ),
    "Perplexity": (
        "https://api.perplexity.ai",
        "perplexity",
        {
            "prompt_tokens": 40,
            "completion_tokens": 30,
            "total_tokens": 70,
            "citation_tokens": 5,
            "reasoning_tokens": 10,
            "num_search_queries": 2,
        },
        {"input_uncached": 40, "output_text": 30, "output_citation": 5, "output_reasoning": 10},
        False,
    ),
    "Groq": ("https://api.groq.com/openai/v1", "groq", USAGE, COUNTED, False),
    "Mistral": (
        "https://api.mistral.ai/v1",
        "mistral_ai",
        {"prompt_tokens": 40, "completion_tokens": 30, "total_tokens": 70},
        {"input_uncached": 40, "output_text": 30},
        False,
    ),
    "Snowflake": (
        "https://me.snowflakecomputing.com/api/v2/cortex/v1",
        "snowflake",
        {
            "prompt_tokens": 7,
            "completion_tokens": 6,
            "total_tokens": 73,
            "prompt_tokens_details": {"cached_tokens": 60},
        },
        {"input_uncached": 7, "input_cache_read": 60, "output_text": 6},
        True,
    ),
}
"""Name → address, provider, its usage, what that counts, whether streams are asked for usage."""


At = Callable[[str], Any]


@pytest.fixture(name="at")
def _at(make: Make, mapped: Any, capturing: Meter) -> At:
    """Return a maker of wrapped clients at an address, which leads to the local server."""
    return lambda url: tallyroll.wrap(make(base_url=url, http_client=mapped), capturing)


@pytest.fixture(name="known", params=list(PROVIDERS))
def _known(request: pytest.FixtureRequest) -> Any:
    return PROVIDERS[request.param]


async def test_the_address_says_whose_conventions_count(
    at: At, provider: WireServer, events: Events, known: Any
) -> None:
    """Whole and streamed, at the provider's real address, without a word from the user."""
    url, name, usage, tokens, asks = known
    last = {**chunks()[-1], "usage": usage}
    body = [*chunks(usage=False), last]
    provider.tell("/chat/completions", whole({**ANSWER, "usage": usage}), sse(body))
    client = at(url)
    await settle(client.chat.completions.create(**ASK))
    got = await collect(await settle(client.chat.completions.create(**ASK, stream=True)))
    assert ("stream_options" in provider.asked[1].body) == asks
    assert len(got) == (3 if asks else 4)  # what was not asked for by us is the caller's
    assert [event["tokens"] for event in events()] == [tokens, tokens]
    assert {event["provider"] for event in events()} == {name}
    assert all("usage_flags" not in event.get("tags", {}) for event in events())


async def test_xai_responses_have_conventions_of_their_own(
    at: At, provider: WireServer, events: Events
) -> None:
    """Thinking is inside the output there, and beside it in chat."""
    provider.tell("/responses", whole(response()))
    client = at("https://api.x.ai/v1")
    await settle(client.responses.create(model="grok-5", input="hi"))
    (event,) = events()
    assert (event["tokens"], event["provider"]) == (TOKENS, "x_ai")


async def test_an_unknown_host_is_told_and_never_guessed(
    at: At,
    provider: WireServer,
    events: Events,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Its usage could mean anything: no tokens, a flag, and once a word on what to do."""
    provider.tell("/chat/completions", whole(ANSWER), sse(chunks(usage=False)))
    client = at("https://llm.example.com/v1")
    with caplog.at_level(logging.WARNING, "tallyroll"):
        await settle(client.chat.completions.create(**ASK))
        await collect(await settle(client.chat.completions.create(**ASK, stream=True)))
    assert "stream_options" not in provider.asked[1].body
    assert [event["provider"] for event in events()] == ["llm.example.com"] * 2
    assert all(event["units"] == {"unmeasured_requests": "1"} for event in events())
    assert all(event["tags"]["usage_flags"] == "unreconciled" for event in events())
    (text,) = [record.getMessage() for record in caplog.records]
    assert "llm.example.com" in text
    assert "provider=" in text
    assert "counts_as=" in text


async def test_a_name_without_conventions_is_told_too(
    make: Make,
    provider: WireServer,
    capturing: Meter,
    events: Events,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Who names a server of their own, and not how it counts, learns what to say."""
    provider.tell("/chat/completions", whole(ANSWER))
    client = tallyroll.wrap(make(), capturing, provider="vllm")
    with caplog.at_level(logging.WARNING, "tallyroll"):
        await settle(client.chat.completions.create(**ASK))
    (event,) = events()
    assert (event["provider"], event["units"]) == ("vllm", {"unmeasured_requests": "1"})
    assert "counts_as=" in caplog.text


async def test_groq_by_its_address_has_usage_where_groq_puts_it(
    at: At, provider: WireServer, events: Events
) -> None:
    """`x_groq` of the last chunk, through OpenAI's own types."""
    provider.tell("/chat/completions", sse(groq_chunks()))
    client = at("https://api.groq.com/openai/v1")
    got = await collect(await settle(client.chat.completions.create(**ASK, stream=True)))
    assert len(got) == 3
    (event,) = events()
    assert (event["tokens"], event["provider"]) == (TOKENS, "groq")
    assert "secret" not in str(event)


async def test_a_server_of_ones_own_counts_as_it_is_said_to(
    make: Make, provider: WireServer, capturing: Meter, events: Events
) -> None:
    """`counts_as` names the conventions, `provider` who it is."""
    provider.tell("/chat/completions", whole(ANSWER))
    by_host = tallyroll.wrap(make(), capturing, counts_as="openai")
    named = tallyroll.wrap(make(), capturing, provider="vllm", counts_as="openai")
    await settle(by_host.chat.completions.create(**ASK))
    await settle(named.chat.completions.create(**ASK))
    assert [event["tokens"] for event in events()] == [TOKENS, TOKENS]
    assert [event["provider"] for event in events()] == ["127.0.0.1", "vllm"]


async def test_a_copy_at_another_address_has_another_provider(
    at: At, provider: WireServer, events: Events
) -> None:
    """`with_options(base_url=…)` moves the client, and what its answers mean."""
    usage = {**USAGE, "total_tokens": 140}
    provider.tell("/chat/completions", whole(ANSWER), whole({**ANSWER, "usage": usage}))
    client = at("https://api.openai.com/v1")
    await settle(client.chat.completions.create(**ASK))
    moved = client.with_options(base_url="https://api.x.ai/v1")
    await settle(moved.chat.completions.create(**ASK))
    assert [event["provider"] for event in events()] == ["openai", "x_ai"]
    assert [event["tokens"] for event in events()] == [COUNTED, BESIDE]


async def test_a_regional_address_says_the_region(
    at: At, provider: WireServer, events: Events
) -> None:
    """Which can have a price of its own; the global address says none."""
    provider.tell("/chat/completions", whole(ANSWER))
    for host in ("api.openai.com", "eu.api.openai.com", "us-east-1.api.x.ai", "api.deepseek.com"):
        await settle(at(f"https://{host}/v1").chat.completions.create(**ASK))
    assert [event.get("region") for event in events()] == [None, "eu", "us-east-1", None]


@pytest.mark.parametrize(
    "deceptive",
    [
        "api.openai.com.example.org",
        "notapi.openai.com",
        "openai.com",
        "xapi.x.ai",
        "openai.azure.com",
        "example-snowflakecomputing.com",
        "127.0.0.1",
        "",
    ],
)
def test_a_host_that_only_looks_alike_is_unknown(deceptive: str) -> None:
    """Whole names and whole labels below them, nothing in between."""
    assert provider_at(deceptive) is None


def test_every_known_host_is_found_in_any_spelling() -> None:
    """Case and a final dot tell nothing."""
    for host, name in HOSTS.items():
        full = f"some{host}" if host.startswith(".") else host
        assert provider_at(f"{full.upper()}.") == name


def test_every_address_of_the_sdk_itself_is_openai() -> None:
    """Whatever region the SDK knows, the table knows."""
    from openai._data_residency import _DATA_RESIDENCY_BASE_URLS  # noqa: PLC0415  the SDK's table

    for url in _DATA_RESIDENCY_BASE_URLS.values():
        assert provider_at(openai.OpenAI(base_url=url, api_key="k").base_url.host) == "openai"
