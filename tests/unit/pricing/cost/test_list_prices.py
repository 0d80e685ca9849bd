"""The compiled table against the library that it is compiled from."""

from datetime import UTC, date, datetime, time
from fractions import Fraction
from typing import Any

import pytest
from genai_prices import Usage as LibraryUsage
from genai_prices import calc_price

from services.pricing.domain.cost.prices import Reason
from services.pricing.domain.cost.provider_cost import ProviderPrices, provider_cost
from services.pricing.domain.usage import Usage
from services.pricing.list_prices import list_prices
from shared.context_bands import context_band
from tests.support.pricing_values import usage

DAY = date(2026, 11, 20)
LIST = ProviderPrices(list_prices())
TOKENS = {
    "input_uncached": 1_000,
    "input_cache_read": 20_000,
    "input_cache_write_5m": 3_000,
    "output_text": 700,
    "output_reasoning": 300,
}
"""One request; its counts are multiplied for a long context."""

MODELS = [
    ("anthropic", "claude-sonnet-4-6", DAY),
    ("anthropic", "claude-sonnet-4-6", date(2026, 3, 1)),
    ("anthropic", "claude-opus-4-8", DAY),
    ("anthropic", "claude-haiku-4-5", DAY),
    ("openai", "gpt-5.4", DAY),
    ("openai", "gpt-5.5", DAY),
    ("openai", "gpt-5-mini", DAY),
    ("openai", "gpt-4o", DAY),
    ("gcp.gemini", "gemini-3.1-pro-preview", DAY),
    ("gcp.gemini", "gemini-2.5-pro", DAY),
    ("gcp.gemini", "gemini-2.5-flash", DAY),
    ("x_ai", "grok-4.3", DAY),
    ("groq", "openai/gpt-oss-120b", DAY),
    ("mistral_ai", "mistral-large-latest", DAY),
    ("cohere", "command-r-plus", DAY),
    ("azure.ai.openai", "gpt-5.4", DAY),
    ("aws.bedrock", "us.anthropic.claude-sonnet-4-6-v1:0", DAY),
]
LIBRARY = {"gcp.gemini": "google", "x_ai": "x-ai", "mistral_ai": "mistral"} | {
    "azure.ai.openai": "azure",
    "aws.bedrock": "aws",
}


def request(provider: str, model: str, day: date, factor: int, **values: Any) -> list[Usage]:
    tokens = {kind: count * factor for kind, count in TOKENS.items()}
    context = sum(count for kind, count in tokens.items() if kind.startswith("input"))
    fixed = {"provider": provider, "model": model, "usage_day": day}
    fixed["context_band"] = context_band(context)
    return [usage(kind, count, **fixed, **values) for kind, count in tokens.items()]


def of_the_library(
    provider: str, model: str, day: date, factor: int, context: dict[str, str] | None = None
) -> Fraction:
    counts = {kind: count * factor for kind, count in TOKENS.items()}
    calculated = calc_price(
        LibraryUsage(
            input_tokens=sum(n for kind, n in counts.items() if kind.startswith("input")),
            cache_read_tokens=counts["input_cache_read"],
            cache_write_tokens=counts["input_cache_write_5m"],
            cache_write_5m_tokens=counts["input_cache_write_5m"],
            output_tokens=counts["output_text"] + counts["output_reasoning"],
            output_reasoning_tokens=counts["output_reasoning"],
        ),
        model,
        provider_id=LIBRARY.get(provider, provider),
        genai_request_timestamp=datetime.combine(day, time(12), UTC),
        price_context=context,
    )
    return Fraction(calculated.total_price)


@pytest.mark.parametrize("factor", [1, 10, 20], ids=["short", "above 200k", "above 272k"])
@pytest.mark.parametrize(("provider", "model", "day"), MODELS)
def test_costs_are_those_of_the_library(provider: str, model: str, day: date, factor: int) -> None:
    """Real models with cache reads, cache writes and reasoning, on both sides of the cliffs."""
    cost = provider_cost(request(provider, model, day, factor), LIST)

    assert cost.complete
    assert of_the_library(provider, model, day, factor) == cost.total


@pytest.mark.parametrize(
    ("provider", "model", "values", "context"),
    [
        ("anthropic", "claude-sonnet-4-6", {"batch": "true"}, {"processing": "batch"}),
        ("openai", "gpt-5.4", {"batch": "true"}, {"processing": "batch"}),
        ("openai", "gpt-5.4", {"service_tier": "priority"}, {"service_tier": "priority"}),
        ("openai", "gpt-5.4", {"service_tier": "flex"}, {"service_tier": "flex"}),
        ("anthropic", "claude-opus-4-8", {"speed": "fast"}, {"speed": "fast"}),
    ],
)
def test_batch_tier_and_speed_have_their_prices(
    provider: str, model: str, values: dict[str, str], context: dict[str, str]
) -> None:
    """Circumstances that a list has prices for are priced as the library does."""
    cost = provider_cost(request(provider, model, DAY, 1, **values), LIST)

    assert cost.complete
    assert of_the_library(provider, model, DAY, 1, context) == cost.total
    assert of_the_library(provider, model, DAY, 1) != cost.total


@pytest.mark.parametrize(
    ("expected", "values"),
    [
        (Reason.UNKNOWN_PROVIDER, {"provider": "acme"}),
        (Reason.UNKNOWN_MODEL, {"model": "claude-sonnet-99"}),
        (Reason.NO_PRICE_FOR_KIND, {"kind": "tickets_resolved"}),
        (Reason.NO_PRICE_FOR_KIND, {"kind": "input_cache_write_12h"}),
        (Reason.NO_PRICE_FOR_SERVICE_TIER, {"service_tier": "priority"}),
        (Reason.NO_PRICE_FOR_SPEED, {"speed": "fast"}),
        (Reason.NO_PRICE_FOR_BATCH, {"model": "claude-opus-4-1", "batch": "true"}),
        (Reason.NO_PRICE_ON_DAY, {"batch": "true", "usage_day": date(2026, 3, 1)}),
        (Reason.BAND_STRADDLES_THRESHOLD, {"model": "claude-haiku-5-5", "context_band": "128k"}),
        (Reason.DEPENDS_ON_HOUR, {"provider": "deepseek", "model": "deepseek-v4-pro"}),
    ],
)
def test_what_the_list_does_not_know_is_a_reason(expected: Reason, values: dict[str, Any]) -> None:
    """No row falls back to a price of something else; the library would price most of these."""
    fixed: dict[str, Any] = {"kind": "input_uncached", "quantity": 1_000, "usage_day": DAY}
    row = usage(**(fixed | values))

    cost = provider_cost([row], LIST)

    assert [expected] == [one.reason for one in cost.unpriced]
    assert not cost.complete


def test_an_hour_is_never_priced_as_five_minutes() -> None:
    """A write to the cache for an hour has its own price, or none."""
    hour = usage("input_cache_write_1h", 1_000_000, usage_day=DAY)
    short = usage("input_cache_write_5m", 1_000_000, usage_day=DAY)

    assert 6 == provider_cost([hour], LIST).total
    assert Fraction("3.75") == provider_cost([short], LIST).total


@pytest.mark.parametrize("model", ["gpt-5.4", "gpt-5.5", "gpt-5-mini", "gpt-4o"])
def test_the_default_tier_is_the_standard(model: str) -> None:
    """A tier that a provider calls default costs what an unnamed one does, there and here."""
    named = provider_cost(request("openai", model, DAY, 1, service_tier="default"), LIST)

    assert of_the_library("openai", model, DAY, 1, {"service_tier": "default"}) == named.total
