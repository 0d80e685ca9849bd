"""Chat Completions of OpenAI, and of those who speak its format with other conventions.

Source: `openai.types.CompletionUsage` (openai 3.57), `groq.types.CompletionUsage` (groq 1.7),
`openrouter.components.ChatUsage` (openrouter 1.3); DeepSeek's and Snowflake's API references.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from tallyroll.usage import modality
from tallyroll.usage.fields import Fields
from tallyroll.usage.surface import Folded, Json, Surface, at, last, objects
from tallyroll.usage.tally import Tally


def cached_in_details(_tally: Tally, details: Fields) -> int:
    """Return what was served from the cache, as OpenAI reports it."""
    return details.count("cached_tokens")


@dataclass(frozen=True)
class Dialect:
    """How a provider that speaks this format differs from OpenAI."""

    cached: Callable[[Tally, Fields], int] = cached_in_details
    cached_beside: bool = False
    """Whether what was cached is beside `prompt_tokens`, not inside."""
    reasoning_beside: bool = False
    """Whether thinking is beside `completion_tokens`, not inside."""
    more: Callable[[Tally], None] | None = None
    """What only this provider reports."""


PLAIN = Dialect()


def count_chat(tally: Tally, dialect: Dialect = PLAIN) -> None:
    """Count `prompt_tokens` and `completion_tokens`, each with its details."""
    usage = tally.usage
    prompt, completion = usage.required("prompt_tokens"), usage.required("completion_tokens")
    inputs, outputs = usage.inner("prompt_tokens_details"), usage.inner("completion_tokens_details")
    read, written = dialect.cached(tally, inputs), inputs.count("cache_write_tokens")
    reasoning = outputs.count("reasoning_tokens")
    tally.add("input_uncached", prompt - (0 if dialect.cached_beside else read + written))
    tally.add("input_cache_read", read)
    tally.add("input_cache_write", written)
    tally.add("output_text", completion - (0 if dialect.reasoning_beside else reasoning))
    tally.add("output_reasoning", reasoning)
    if dialect.more:
        dialect.more(tally)
    tally.check_total("total_tokens")
    _count_predictions(tally, outputs, completion)
    _split_modalities(tally, inputs, outputs)


def _count_predictions(tally: Tally, outputs: Fields, completion: int) -> None:
    """Accepted and rejected predictions are output of the same price; the rejected are told."""
    rejected = outputs.count("rejected_prediction_tokens")
    if rejected + outputs.count("accepted_prediction_tokens") > completion:
        tally.contradict("part_exceeds_whole", "completion_tokens_details", "exceed the completion")
    tally.add_unit("rejected_prediction_tokens", rejected)


def _split_modalities(tally: Tally, inputs: Fields, outputs: Fields) -> None:
    stated = modality.by_modality(inputs, "text", "image", "audio", "video")
    field = "prompt_tokens_details"
    modality.split(tally, modality.INPUT, stated, field=field, whole=stated["text"] > 0)
    stated = modality.by_modality(outputs, "text", "image", "audio")
    field = "completion_tokens_details"
    modality.split(tally, modality.OUTPUT, stated, field=field, whole=False)


def fold_chat(chunks: Sequence[Json]) -> list[Folded]:
    """The last usage wins: one extra chunk, the last one, or a running sum in each."""
    usage = last(chunks, "usage")
    body = {"model": last(chunks, "model"), "usage": usage}
    return [Folded(body, usage is not None and _is_done(chunks))]


def _is_done(chunks: Sequence[Json]) -> bool:
    """Return whether the chunk of usage alone has come, or every choice has ended."""
    if any(at(chunk, "usage") is not None and not at(chunk, "choices") for chunk in chunks):
        return True
    choices = [choice for chunk in chunks for choice in objects(at(chunk, "choices"))]
    begun = {str(choice.get("index", 0)) for choice in choices}
    return begun == {str(c.get("index", 0)) for c in choices if c.get("finish_reason")}


def _openai_more(tally: Tally) -> None:
    tally.usage.ignore("latency_checkpoint")  # Azure's timings, in milliseconds


def _deepseek_cached(tally: Tally, details: Fields) -> int:
    """Hit and miss sum to the prompt; what OpenAI's field repeats must be the same."""
    hit = tally.usage.stated("prompt_cache_hit_tokens")
    miss = tally.usage.stated("prompt_cache_miss_tokens")
    repeated = details.stated("cached_tokens")
    if hit is not None and miss is not None:
        tally.check("prompt_tokens", tally.usage.total("prompt_tokens"), hit + miss)
    if hit is not None and repeated is not None and hit != repeated:
        tally.contradict("fields_differ", "prompt_cache_hit_tokens", f"is {hit}, not {repeated}")
    return hit if hit is not None else repeated or 0


def _openrouter_more(tally: Tally) -> None:
    for name in ("server_tool_use_details", "server_tool_use"):
        tools = tally.usage.beside().inner(name)
        tally.add_unit("web_search_requests", tools.count("web_search_requests"))
        tools.ignore("tool_calls_requested", "tool_calls_executed")  # searches are among them
    tally.usage.ignore("cost", "cost_details")


def _chat(dialect: Dialect) -> Surface:
    return Surface(partial(count_chat, dialect=dialect), own=OWN, fold=fold_chat)


OWN = ("prompt_tokens", "completion_tokens")
OPENAI = _chat(Dialect(more=_openai_more))
DEEPSEEK = _chat(Dialect(cached=_deepseek_cached))
OPENROUTER = _chat(Dialect(more=_openrouter_more))
SNOWFLAKE = _chat(Dialect(cached_beside=True))
