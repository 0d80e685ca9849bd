"""Amazon Bedrock: Converse, and InvokeModel in the shape of the model's vendor.

Source: botocore 1.44 `bedrock-runtime` (`TokenUsage`, `CacheDetail`,
`ConverseStreamMetadataEvent`); the InvokeModel pages of Amazon Nova and Meta Llama.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace

from tallyroll.event import Fault
from tallyroll.usage import anthropic, openai_chat
from tallyroll.usage.lines import UsageError
from tallyroll.usage.surface import Folded, Json, Surface, at, last
from tallyroll.usage.tally import Tally

TTLS = ("5m", "1h")


def _count_converse(tally: Tally) -> None:
    _count(tally, "cacheReadInputTokens", "cacheWriteInputTokens")


def _count_nova(tally: Tally) -> None:
    """Nova's own shape has other names for the cache than Converse."""
    _count(tally, "cacheReadInputTokenCount", "cacheWriteInputTokenCount")


def _count(tally: Tally, read: str, write: str) -> None:
    """Cache reads and writes are beside `inputTokens`; the total has all of them."""
    usage = tally.usage
    by_ttl = dict.fromkeys(TTLS, 0)
    for entry in usage.items("cacheDetails"):
        ttl, count = entry.text("ttl"), entry.count("inputTokens")
        if ttl in by_ttl:
            by_ttl[ttl] += count
    stated = usage.stated(write)
    written = sum(by_ttl.values()) if stated is None else stated
    tally.add("input_uncached", usage.required("inputTokens"))
    tally.add("input_cache_read", usage.count(read))
    for ttl, count in by_ttl.items():
        tally.add(f"input_cache_write_{ttl}", count)
    tally.add("input_cache_write", written - sum(by_ttl.values()))
    tally.add("output_text", usage.required("outputTokens"))
    tally.check_total("totalTokens")


def _fold_converse(events: Sequence[Json]) -> list[Folded]:
    """The last event, `metadata`, has the usage."""
    metadata = last(events, "metadata")
    body = {"usage": at(metadata, "usage"), "trace": at(metadata, "trace")}
    return [Folded(body, at(metadata, "usage") is not None)]


def _count_llama(tally: Tally) -> None:
    """Llama has neither a cache nor thinking, and no total."""
    tally.add("input_uncached", tally.usage.required("prompt_token_count"))
    tally.add("output_text", tally.usage.required("generation_token_count"))


def _fold_llama(chunks: Sequence[Json]) -> list[Folded]:
    """The first chunk has the prompt, each has the output so far."""
    names = ("prompt_token_count", "generation_token_count")
    body = {name: count for name in names if (count := last(chunks, name)) is not None}
    return [Folded(body, last(chunks, "stop_reason") is not None)]


_OWN = ("inputTokens", "outputTokens")
CONVERSE = Surface(
    _count_converse,
    own=_OWN,
    fold=_fold_converse,
    usage=(("usage",), ("metadata", "usage")),
    model=(("trace", "promptRouter", "invokedModelId"),),
)
NOVA = replace(CONVERSE, count=_count_nova, asked_model_first=True)
LLAMA = Surface(
    _count_llama,
    own=("prompt_token_count", "generation_token_count"),
    fold=_fold_llama,
    asked_model_first=True,
)
MESSAGES = replace(anthropic.SURFACE, asked_model_first=True)


def _native(surface: Surface) -> Surface:
    """Return a surface that also reads chunks as boto3 has them: a vendor's JSON as bytes."""
    fold = surface.fold
    assert fold is not None
    return replace(surface, fold=lambda events: fold([_decoded(event) for event in events]))


def _decoded(event: Json) -> Json:
    packed = at(event, "chunk", "bytes")
    if not isinstance(packed, bytes):
        return event
    try:
        native = json.loads(packed)
    except (ValueError, RecursionError):
        return {}
    return native if isinstance(native, Mapping) else {}


VENDORS = {
    "amazon": _native(NOVA),
    "anthropic": _native(MESSAGES),
    "meta": _native(LLAMA),
    "openai": _native(replace(openai_chat.OPENAI, asked_model_first=True)),
}
"""Whose native shape is known, by the vendor in a model's id."""


def invoke_model(model: str | None) -> Surface:
    """Return the surface of a model's vendor, which only the id that was asked for names.

    Raises UsageError (`unknown_model_vendor`): a shape tells nothing of its convention.
    """
    parts = (model or "").rpartition("/")[2].split(".")
    for vendor in parts[:2]:  # before it stands at most a region, as in us.anthropic.claude-…
        if vendor in VENDORS:
            return VENDORS[vendor]
    known = ", ".join(sorted(VENDORS))
    message = f"{model!r} names no vendor whose shape is known; known are {known}"
    raise UsageError([Fault("unknown_model_vendor", "model", message)])
