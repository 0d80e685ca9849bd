"""Whatever the totals: exclusive types sum back to them, under each convention."""

import itertools
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallyroll.bridges import langchain_usage, litellm_usage, spans
from tallyroll.bridges.counting import TTLS, Convention, line_of
from tallyroll.bridges.providers import identifier, provider_of
from tallyroll.usage import UNRECONCILED, UsageLine

Parts = Mapping[str, int]
COUNTS = st.integers(0, 10**12)
INPUTS = (
    *("input_uncached", "input_cache_read", "input_cache_write"),
    *(f"input_cache_write_{ttl}" for ttl in TTLS),
)
OUTPUTS = ("output_text", "output_reasoning")
PARTS = st.fixed_dictionaries(dict.fromkeys([*INPUTS, *OUTPUTS], COUNTS))


def _written(parts: Parts) -> int:
    return sum(parts[name] for name in INPUTS if "write" in name)


def _total(parts: Parts, names: tuple[str, ...], *, beside: bool = False) -> int:
    return parts[names[0]] if beside else sum(parts[name] for name in names)


def _chat(parts: Parts, convention: Convention) -> dict[str, Any]:
    cached, reasoning = convention.cached_beside, convention.reasoning_beside
    return {
        "prompt_tokens": _total(parts, INPUTS, beside=cached),
        "completion_tokens": _total(parts, OUTPUTS, beside=reasoning),
        "prompt_tokens_details": {
            "cached_tokens": parts["input_cache_read"],
            "cache_write_tokens": _written(parts),
            "cache_write_ttls": {ttl: parts[f"input_cache_write_{ttl}"] for ttl in TTLS},
        },
        "completion_tokens_details": {"reasoning_tokens": parts["output_reasoning"]},
    }


@given(PARTS, st.booleans(), st.booleans())
def test_types_sum_back_to_the_totals(
    parts: Parts,
    cached_beside: bool,
    reasoning_beside: bool,
) -> None:
    """Under every convention each part comes out as it went in, so their sums do."""
    convention = Convention(cached_beside=cached_beside, reasoning_beside=reasoning_beside)
    usage = _chat(parts, convention)
    line = line_of(usage, "m", convention)
    assert line.tokens == {name: count for name, count in parts.items() if count}
    total = usage["prompt_tokens"] + usage["completion_tokens"]
    total += _total(parts, INPUTS[1:]) if cached_beside else 0
    total += parts["output_reasoning"] if reasoning_beside else 0
    assert sum(line.tokens.values()) == total
    assert not line.flags


def _of_span(parts: Parts) -> UsageLine:
    usage = spans.usage_of(
        {
            "gen_ai.usage.input_tokens": _total(parts, INPUTS),
            "gen_ai.usage.output_tokens": _total(parts, OUTPUTS),
            "gen_ai.usage.cache_read.input_tokens": parts["input_cache_read"],
            "gen_ai.usage.cache_write.input_tokens": _written(parts),
            "gen_ai.usage.reasoning.output_tokens": parts["output_reasoning"],
        },
        "generation",
    )
    return line_of(usage, "m")


def _of_litellm(parts: Parts) -> UsageLine:
    usage = _chat(parts, Convention())
    ttls = usage["prompt_tokens_details"].pop("cache_write_ttls")
    usage["prompt_tokens_details"]["cache_creation_token_details"] = {
        f"ephemeral_{ttl}_input_tokens": count for ttl, count in ttls.items()
    }
    usage["total_tokens"] = sum(parts.values())
    (line,) = litellm_usage.lines_of(usage, "m", "anthropic", streamed=False)
    return line


def _of_langchain(parts: Parts) -> UsageLine:
    ttls = {"ephemeral_5m_input_tokens": "5m", "ephemeral_1h_input_tokens": "1h"}
    told = {name: parts[f"input_cache_write_{ttl}"] for name, ttl in ttls.items()}
    details = {
        "cache_read": parts["input_cache_read"],
        "cache_creation": _written(parts) - sum(told.values()),
        **told,
    }
    usage = {
        "input_tokens": _total(parts, INPUTS),
        "output_tokens": _total(parts, OUTPUTS),
        "total_tokens": sum(parts.values()),
        "input_token_details": details,
        "output_token_details": {"reasoning": parts["output_reasoning"]},
    }
    return langchain_usage.line_of_message(usage, {}, "m")


@pytest.mark.parametrize("read", [_of_span, _of_litellm, _of_langchain])
@given(parts=PARTS)
def test_every_source_keeps_the_totals(read: Callable[[Parts], UsageLine], parts: Parts) -> None:
    """What a framework says is inside its totals is taken out of them, and nothing is lost."""
    line = read(parts)
    assert not line.flags
    inputs = sum(count for name, count in line.tokens.items() if name.startswith("input_"))
    assert inputs == _total(parts, INPUTS)
    assert sum(line.tokens.values()) - inputs == _total(parts, OUTPUTS)
    assert line.tokens.get("input_cache_read", 0) == parts["input_cache_read"]
    assert line.tokens.get("output_reasoning", 0) == parts["output_reasoning"]


@pytest.mark.parametrize(
    "usage",
    [
        {"prompt_tokens": 5, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": 6}},
        {"prompt_tokens": 5},
        {"prompt_tokens": 5, "completion_tokens": "1"},
        {"prompt_tokens": 5, "completion_tokens": -1},
        {"prompt_tokens": 5.0, "completion_tokens": 1},
        None,
    ],
)
def test_what_contradicts_itself_is_flagged_and_has_no_counts(usage: dict[str, Any] | None) -> None:
    """Cached tokens above the input are the sign of the other convention: never clamped to 0."""
    line = line_of(usage, "m")
    assert (line.tokens, UNRECONCILED in line.flags) == ({}, True)


def test_every_spelling_of_a_span_is_read() -> None:
    """Names that the conventions had before count as those of today."""
    inputs = ("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens")
    outputs = ("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens")
    reads = ("gen_ai.usage.cache_read.input_tokens", "gen_ai.usage.cache_read_input_tokens")
    writes = (
        "gen_ai.usage.cache_write.input_tokens",
        "gen_ai.usage.cache_creation.input_tokens",
        "gen_ai.usage.cache_creation_input_tokens",
    )
    thoughts = (
        "gen_ai.usage.reasoning.output_tokens",
        "gen_ai.usage.reasoning_tokens",
        "llm.usage.reasoning_tokens",
    )
    for names in itertools.product(inputs, outputs, reads, writes, thoughts):
        counts = zip(names, (100, 30, 60, 15, 10), strict=True)
        line = line_of(spans.usage_of(dict(counts), "generation"), "m")
        assert line.tokens == {
            "input_uncached": 25,
            "input_cache_read": 60,
            "input_cache_write": 15,
            "output_text": 20,
            "output_reasoning": 10,
        }


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        *[("openai", "openai"), ("OpenAI", "openai"), ("azure", "azure.ai.openai")],
        *[("az.ai.openai", "azure.ai.openai"), ("vertex_ai", "gcp.vertex_ai")],
        *[("gemini", "gcp.gemini"), ("xai", "x_ai"), ("bedrock", "aws.bedrock")],
        *[("mistral", "mistral_ai"), ("gcp.gemini", "gcp.gemini"), ("My Own", "my-own")],
        *[("", "unknown"), (None, "unknown"), (7, "unknown")],
    ],
)
def test_a_provider_has_one_name(name: object, ours: str) -> None:
    """However a framework spells it, events of one provider meet."""
    assert provider_of(name) == ours


def test_a_name_becomes_one_that_the_server_takes() -> None:
    """An agent's name is for people, and may have blanks."""
    assert identifier(" Triage Agent (v2) ") == "Triage-Agent-v2"
    assert len(identifier("x" * 500)) == 128
