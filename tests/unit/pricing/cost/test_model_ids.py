"""Ids of models: which spelling of usage means which entry of the table."""

import pytest

from services.pricing.domain.cost.model_ids import canonical_provider, normalise_model
from services.pricing.list_prices import list_prices

KNOWN = frozenset(
    {
        "claude-sonnet-4-6",
        "claude-opus-4-0",
        "claude-3-5-haiku-latest",
        "gpt-5.4",
        "gpt-4o",
        "gpt-4o-2024-05-13",
        "anthropic.claude-haiku-4-5",
        "global.anthropic.claude-haiku-4-5",
    }
)


@pytest.mark.parametrize(
    ("expected", "model"),
    [
        ("claude-sonnet-4-6", "claude-sonnet-4-6"),
        ("claude-sonnet-4-6", "Claude-Sonnet-4.6"),
        ("claude-sonnet-4-6", "claude-sonnet-4-6-20260217"),
        ("claude-sonnet-4-6", "claude-sonnet-4-6@20260217"),
        ("claude-sonnet-4-6", "us.anthropic.claude-sonnet-4-6-20260217-v1:0"),
        ("claude-opus-4-0", "claude-opus-4-20250514"),
        ("claude-3-5-haiku-latest", "claude-3.5-haiku"),
        ("gpt-5.4", "gpt-5.4-2026-03-05"),
        ("gpt-4o", "gpt-4o-2024-08-06"),
        ("gpt-4o-2024-05-13", "gpt-4o-2024-05-13"),
        ("anthropic.claude-haiku-4-5", "eu.anthropic.claude-haiku-4-5-20251001-v1:0"),
        ("global.anthropic.claude-haiku-4-5", "global.anthropic.claude-haiku-4-5-v1:0"),
    ],
)
def test_a_spelling_finds_the_nearest_known_model(expected: str, model: str) -> None:
    """Date, region, vendor, version and dots are dropped only as far as it takes."""
    assert expected == normalise_model(model, KNOWN)


@pytest.mark.parametrize("model", ["claude-sonnet-4-7", "gpt-5.4-mini", "Llama.9-v2", ""])
def test_an_unknown_model_stays_as_it_is(model: str) -> None:
    """No model is taken for one of a similar name."""
    assert model == normalise_model(model, KNOWN)


def test_a_prefix_is_not_a_model() -> None:
    """The variant that takes the longest known prefix prices a new model as an old one."""
    lenient = max((name for name in KNOWN if "gpt-5.4-mini".startswith(name)), key=len)

    assert "gpt-5.4" == lenient
    assert "gpt-5.4-mini" == normalise_model("gpt-5.4-mini", KNOWN)


@pytest.mark.parametrize(
    ("expected", "provider"),
    [("aws", "aws.bedrock"), ("google", "gcp.vertex_ai"), ("x-ai", "x_ai"), ("acme", "Acme")],
)
def test_providers_are_called_as_in_the_table(expected: str, provider: str) -> None:
    """OpenTelemetry's names are known; another provider is nobody else."""
    assert expected == canonical_provider(provider)


@pytest.mark.parametrize(
    ("expected", "provider", "model"),
    [
        ("regional.anthropic.claude-sonnet-4-6-v1:0", "aws", "us.anthropic.claude-sonnet-4-6-v1:0"),
        ("global.anthropic.claude-sonnet-4-6-v1:0", "aws", "global.anthropic.claude-sonnet-4-6"),
        ("gpt-5.5", "azure", "gpt-5.5"),
        ("gemini-2.5-pro", "google", "models/gemini-2.5-pro"),
        ("claude-opus-4-5", "google", "claude-opus-4-5@20251101"),
    ],
)
def test_real_ids_are_found_in_the_real_table(expected: str, provider: str, model: str) -> None:
    """A region of Bedrock has its own price; another provider's models are found at a reseller."""
    known = list_prices().models[provider]

    assert expected == known[normalise_model(model, known)][1]
