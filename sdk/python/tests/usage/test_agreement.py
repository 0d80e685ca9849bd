"""`genai-prices` has extractors of its own: where both speak, both say the same.

Its counts are inclusive, ours are exclusive: sums of ours are compared with what it reports.
Text is left out, which is the rest; so is what it leaves out (see DIFFERENCES).
"""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import pytest
from genai_prices.data import providers
from sdk.python.tests.usage.cases import all_cases, as_parameters, lines_of

from tallyroll.usage import UNRECONCILED, UsageLine

FLAVOURS = {
    ("anthropic", "messages"): ("anthropic", "default"),
    ("aws.bedrock", "converse"): ("aws", "default"),
    ("aws.bedrock", "messages"): ("aws", "anthropic"),
    ("azure.ai.openai", "chat"): ("azure", "chat"),
    ("azure.ai.openai", "embeddings"): ("azure", "embeddings"),
    ("azure.ai.openai", "realtime"): ("azure", "realtime"),
    ("azure.ai.openai", "responses"): ("azure", "responses"),
    ("cohere", "chat"): ("cohere", "default"),
    ("cohere", "embeddings"): ("cohere", "embeddings"),
    ("deepseek", "chat"): ("deepseek", "chat"),
    ("gcp.gemini", "generate_content"): ("google", "default"),
    ("gcp.vertex_ai", "generate_content"): ("google", "default"),
    ("gcp.vertex_ai", "messages"): ("google", "anthropic"),
    ("groq", "chat"): ("groq", "default"),
    ("mistral_ai", "chat"): ("mistral", "default"),
    ("mistral_ai", "ocr"): ("mistral", "ocr"),
    ("openai", "chat"): ("openai", "chat"),
    ("openai", "embeddings"): ("openai", "embeddings"),
    ("openai", "images"): ("openai", "images"),
    ("openai", "live"): ("openai", "live"),
    ("openai", "realtime"): ("openai", "realtime"),
    ("openai", "responses"): ("openai", "responses"),
    ("openrouter", "chat"): ("openrouter", "chat"),
    ("perplexity", "chat"): ("perplexity", "default"),
    ("perplexity", "embeddings"): ("perplexity", "embeddings"),
    ("x_ai", "chat"): ("x-ai", "chat"),
    ("x_ai", "grpc"): ("x-ai", "default"),
    ("x_ai", "responses"): ("x-ai", "responses"),
}
"""Ours → theirs."""
_ITERATIONS = "it does not read iterations: what an adviser or a compaction used is lost"
_FALLBACK = "it does not read iterations: a declined attempt is not seen"
_TTL_ONLY = "it adds only the sum of writes to the input, and takes it as 0 where only TTLs stand"
_BILLED = "it takes billed units for tokens; ours are units, since they may be fractions"
_BESIDE = "it knows nothing beside Mistral's prompt, though the total has it"
_HOSTED = "it does not read tool_usage: what a hosted tool's model used is not seen"
DIFFERENCES = {
    "an adviser is a line of its own, at its own model": _ITERATIONS,
    "a compaction is a line of its own, at the main model": _ITERATIONS,
    "the adviser's cache has TTLs, too": _ITERATIONS,
    "a fallback: the declined hop is not in the top level": _FALLBACK,
    "a fallback whose earlier hops the top level has, at the serving model": _FALLBACK,
    "a declined hop before an adviser: lines keep the order of the list": _FALLBACK,
    "counts that nobody knows, in the top level and in an iteration": _ITERATIONS,
    "written by TTL without a sum": _TTL_ONLY,
    "what is billed counts, not the tokens beside it": _BILLED,
    "fractions stay exact": _BILLED,
    "text and images": _BILLED,
    "audio is beside the prompt": _BESIDE,
    "connectors are beside the prompt": _BESIDE,
    "hosted tools: searches, and another model that makes images": _HOSTED,
    "an image model that nobody names": _HOSTED,
}
"""Cases in which the two differ, and why."""
_ANOTHER_SHAPE = "it reads whole responses in JSON's own spelling"
UNSPOKEN = {
    "the usage alone, with the model that was asked for": _ANOTHER_SHAPE,
    "the usage alone": _ANOTHER_SHAPE,
    "the SDK's names": _ANOTHER_SHAPE,
    "as MessageToDict() spells it, without what is 0": _ANOTHER_SHAPE,
    "input is transcribed by another model than was asked for": "it reads response.done only",
}
"""Cases that it cannot read."""
MODALITIES = ("audio", "image", "video")


def _shared() -> list[dict[str, Any]]:
    """Return the cases in which both could speak: whole answers that reconcile."""
    return [
        case
        for case in all_cases()
        if case["mode"] == "whole"
        and (case["provider"], case["api_surface"]) in FLAVOURS
        and not any(UNRECONCILED in line.flags for line in lines_of(case))
    ]


def _theirs(case: dict[str, Any]) -> dict[str, Decimal]:
    provider_id, flavour = FLAVOURS[case["provider"], case["api_surface"]]
    provider = next(one for one in providers if one.id == provider_id)
    _, usage = provider.extract_usage(case["payload"], api_flavor=flavour)
    reported = {name: Decimal(repr(n)) for name, n in vars(usage).items() if n}
    return {name: n for name, n in reported.items() if "text" not in name}


def _sum(counts: Iterable[tuple[str, int | Decimal]], *prefixes: str) -> Decimal:
    return sum((Decimal(n) for name, n in counts if name.startswith(prefixes)), Decimal(0))


def _ours(lines: list[UsageLine]) -> dict[str, Decimal]:
    tokens = [entry for line in lines for entry in line.tokens.items()]
    units = [entry for line in lines for entry in line.units.items()]
    sums = {
        "input_tokens": _sum(tokens, "input"),
        "output_tokens": _sum(tokens, "output"),
        "cache_read_tokens": _sum(tokens, "input_cache_read"),
        "cache_write_tokens": _sum(tokens, "input_cache_write"),
        "cache_write_5m_tokens": _sum(tokens, "input_cache_write_5m"),
        "cache_write_1h_tokens": _sum(tokens, "input_cache_write_1h"),
        "input_tool_tokens": _sum(tokens, "input_tool"),
        "output_reasoning_tokens": _sum(tokens, "output_reasoning"),
        "output_citation_tokens": _sum(tokens, "output_citation"),
        "web_searches": _sum(units, "web_search_requests"),
        "audio_seconds": _sum(units, "audio_seconds"),
        "input_document_pages": _sum(units, "pages"),
    }
    for one in MODALITIES:
        types = ("uncached", "cache_read", "cache_write", "tool")
        names = [f"input_{token_type}_{one}_tokens" for token_type in types]
        sums[f"input_{one}_tokens"] = _sum(units, *names)
        sums[f"cache_{one}_read_tokens"] = _sum(units, f"input_cache_read_{one}_tokens")
        sums[f"input_{one}_tool_tokens"] = _sum(units, f"input_tool_{one}_tokens")
        sums[f"output_{one}_tokens"] = _sum(units, f"output_{one}_tokens")
    return {name: count for name, count in sums.items() if count}


@pytest.mark.parametrize("case", as_parameters(_shared()))
def test_both_count_the_same(case: dict[str, Any]) -> None:
    """What it reports is what our types sum to, unless a reason is written down."""
    if case["name"] in UNSPOKEN:
        with pytest.raises(ValueError, match="Missing value"):
            _theirs(case)
        return
    theirs, ours = _theirs(case), _ours(lines_of(case))
    agree = theirs == {name: ours.get(name) for name in theirs}

    assert agree == (case["name"] not in DIFFERENCES), (theirs, ours)


def test_every_explained_difference_is_one() -> None:
    """No line of the tables outlives its case, and every flavour that is shared is compared."""
    shared = _shared()

    assert (DIFFERENCES.keys() | UNSPOKEN.keys()) <= {case["name"] for case in shared}
    assert FLAVOURS.keys() == {(case["provider"], case["api_surface"]) for case in shared}
