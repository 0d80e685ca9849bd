"""Every row of the table of conventions, by hand: what its instrumentation writes for one request.

The request: 100 tokens of input, of which 60 were read from a cache and 15 written to it; 30 of
output, of which 10 were thinking.
"""

from typing import Any

import pytest

from tallyroll.bridges import spans
from tallyroll.bridges.counting import (
    CACHE_UNTOLD,
    CONVENTION_ASSUMED,
    REASONING_UNTOLD,
    line_of,
)
from tallyroll.bridges.scopes import ROWS, convention_of, release

_U = "gen_ai.usage."
WHOLE = {
    "input_uncached": 25,
    "input_cache_read": 60,
    "input_cache_write": 15,
    "output_text": 20,
    "output_reasoning": 10,
}
NO_THINKING = {**WHOLE, "output_text": 30}
del NO_THINKING["output_reasoning"]
INSIDE = {
    f"{_U}input_tokens": 100,
    f"{_U}output_tokens": 30,
    f"{_U}cache_read.input_tokens": 60,
    f"{_U}cache_creation.input_tokens": 15,
}
BESIDE = {**INSIDE, f"{_U}input_tokens": 25}
THINKING = {f"{_U}reasoning.output_tokens": 10}
TOTALS = {f"{_U}input_tokens": 100, f"{_U}output_tokens": 30}
UNCACHED_ONLY = {f"{_U}input_tokens": 25, f"{_U}output_tokens": 30}
ALL_UNCACHED = {"input_uncached": 100, "output_text": 30}
NOT_COUNTED = {"input_uncached": 25, "output_text": 30}

# scope, version, provider, attributes, tokens, flags
CASES: list[tuple[str, str | None, str, dict[str, int], dict[str, int], set[str]]] = [
    (
        *("opentelemetry.instrumentation.anthropic", "0.33.3", "anthropic"),
        *(UNCACHED_ONLY, NOT_COUNTED, {CACHE_UNTOLD}),
    ),
    (
        *("opentelemetry.instrumentation.anthropic", "0.33.4", "anthropic"),
        *(INSIDE, NO_THINKING, set()),
    ),
    (
        *("opentelemetry.instrumentation.anthropic", "0.55.0", "anthropic"),
        *(INSIDE, NO_THINKING, set()),
    ),
    (
        *("opentelemetry.instrumentation.bedrock", "0.62.4", "aws.bedrock"),
        *(BESIDE, NO_THINKING, set()),
    ),
    (
        *("opentelemetry.instrumentation.bedrock", "0.62.4", "aws.bedrock"),
        *(UNCACHED_ONLY, NOT_COUNTED, {CACHE_UNTOLD}),
    ),
    (
        *("opentelemetry.instrumentation.bedrock", "0.63.0", "aws.bedrock"),
        *(BESIDE, NO_THINKING, {CONVENTION_ASSUMED}),
    ),
    (
        *("opentelemetry.instrumentation.openai.v1", "0.62.4", "openai"),
        *({**INSIDE, f"{_U}reasoning_tokens": 10}, WHOLE, set()),
    ),
    (
        *("opentelemetry.instrumentation.openai_v2", "", "openai"),
        *(TOTALS, ALL_UNCACHED, {CACHE_UNTOLD}),
    ),
    (
        *("opentelemetry.instrumentation.genai.openai", "1.2b0", "openai"),
        *({**INSIDE, **THINKING}, WHOLE, set()),
    ),
    (
        *("opentelemetry.instrumentation.genai.anthropic", "1.3b0", "anthropic"),
        *({**INSIDE, **THINKING}, WHOLE, set()),
    ),
    (
        *("opentelemetry.instrumentation.genai.bedrock", "1.3b0", "aws.bedrock"),
        *(BESIDE, NO_THINKING, set()),
    ),
    (
        *("opentelemetry.instrumentation.genai.bedrock", "1.3", "aws.bedrock"),
        *(BESIDE, NO_THINKING, {CONVENTION_ASSUMED}),
    ),
    (
        *("opentelemetry.util.genai.handler", "1.0b0", "openai"),
        *(TOTALS, ALL_UNCACHED, {CACHE_UNTOLD}),
    ),
    (
        *("opentelemetry.util.genai.handler", "1.0b0", "gcp.gemini"),
        *({**INSIDE, **THINKING}, WHOLE, set()),
    ),
    (
        *("opentelemetry.instrumentation.botocore.bedrock-runtime", None, "aws.bedrock"),
        *(BESIDE, NO_THINKING, set()),
    ),
    (
        *("opentelemetry.instrumentation.google_genai", "0.7b0", "gcp.gemini"),
        {f"{_U}input_tokens": 100, f"{_U}output_tokens": 20},
        {"input_uncached": 100, "output_text": 20},
        {CACHE_UNTOLD, REASONING_UNTOLD},
    ),
    (
        *("logfire.anthropic", "4.30.0", "anthropic"),
        *(UNCACHED_ONLY, NOT_COUNTED, {CACHE_UNTOLD}),
    ),
    (
        *("logfire.anthropic", "4.31.0", "anthropic"),
        *(TOTALS, ALL_UNCACHED, {CACHE_UNTOLD}),
    ),
    (
        *("logfire.openai", "4.31.0", "openai"),
        *(TOTALS, ALL_UNCACHED, {CACHE_UNTOLD}),
    ),
    (
        *("pydantic-ai", "1.60.0", "anthropic"),
        *(INSIDE, NO_THINKING, set()),
    ),
    (
        *("litellm", None, "openai"),
        *(TOTALS, ALL_UNCACHED, {CACHE_UNTOLD}),
    ),
    (
        *("litellm", None, "anthropic"),
        *(INSIDE, NO_THINKING, set()),
    ),
    (
        *("my.own.tracer", "1.0", "openai"),
        *({**INSIDE, **THINKING}, WHOLE, {CONVENTION_ASSUMED}),
    ),
    (  # a known scope whose version does not tell which row it is
        *("logfire.anthropic", None, "anthropic"),
        *(INSIDE, NO_THINKING, {CONVENTION_ASSUMED}),
    ),
    (
        *("opentelemetry.instrumentation.google_genai", "1.0b0", "gcp.gemini"),
        *({**INSIDE, **THINKING}, WHOLE, {CONVENTION_ASSUMED}),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]}-{case[1]}-{case[2]}")
def test_a_span_of_each_instrumentation(case: tuple[Any, ...]) -> None:
    """The counts that its spans have become the ones that were used, or say what they leave out."""
    scope, version, provider, attributes, tokens, flags = case
    convention = convention_of(scope, version, provider, tells_cache=spans.tells_cache(attributes))
    line = line_of(spans.usage_of(attributes, "generation"), "m", convention)
    assert (line.tokens, set(line.flags)) == (tokens, flags)


def test_every_row_has_a_case() -> None:
    """A row that nobody tries may be wrong for years."""
    scopes = {case[0] for case in CASES}
    assert {row.scope for row in ROWS} <= scopes
    for row in ROWS:
        bound = row.since or row.before
        versions = [case[1] for case in CASES if case[0] == row.scope]
        if bound is not None:
            numbers = [number for number in map(release, versions) if number is not None]
            limit = release(bound)
            assert limit is not None
            assert any((number >= limit) is (row.since is not None) for number in numbers)


def test_every_row_says_where_it_was_read() -> None:
    """A release or a thread that anybody can look up."""
    assert all(any(character.isdigit() for character in row.source) for row in ROWS)


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        *[("0.33.3", "0.33.4"), ("0.7b0", "1.0b0"), ("1.0b0", "1.0"), ("1.0", "1.0.1")],
        *[("1.2b0", "1.3b0"), ("1.0.dev0", "1.0a1"), ("1.0a1", "1.0b1"), ("1.0b1", "1.0rc1")],
        *[("4.9.0", "4.31.0"), ("1.0b0", "1.0b1"), ("0.62.4", "0.63")],
    ],
)
def test_releases_are_in_order(earlier: str, later: str) -> None:
    """Numbers are compared as such, and what comes before a release is before it."""
    first, second = release(earlier), release(later)
    assert first is not None
    assert second is not None
    assert first < second


def test_a_version_is_read_or_not() -> None:
    """Zeros at the end mean nothing; what is no version is none."""
    assert release("1.0") == release("1.0.0") == release("v1")
    assert [release(text) for text in (None, "", "main")] == [None] * 3
