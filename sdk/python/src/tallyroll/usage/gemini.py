"""Gemini, of the Gemini API and of Vertex AI: thoughts and tool prompts beside the rest.

Source: `google.genai.types.GenerateContentResponseUsageMetadata`, `.UsageMetadata` (Live and
embeddings), `.MediaModality` (google-genai 3.6).
"""

from collections.abc import Sequence

from tallyroll.usage import modality
from tallyroll.usage.fields import Fields
from tallyroll.usage.surface import Folded, Json, Surface, at, last, objects
from tallyroll.usage.tally import Tally

MODALITIES = {
    "text": "text",
    "modality_unspecified": "text",
    "image": "image",
    "document": "image",  # pages are charged as images
    "audio": "audio",
    "video": "video",
}
OWN = ("promptTokenCount", "prompt_token_count", "totalTokenCount", "total_token_count")
USAGE = (("usageMetadata",), ("usage_metadata",))


def _count(tally: Tally) -> None:
    _count_output(tally, "candidates_token_count", "candidates_tokens_details")
    tally.usage.ignore("response_token_count", "response_tokens_details")


def _count_live(tally: Tally) -> None:
    """Live has a name of its own for the output."""
    _count_output(tally, "response_token_count", "response_tokens_details")
    tally.usage.ignore("candidates_token_count", "candidates_tokens_details")


def _count_output(tally: Tally, output: str, output_details: str) -> None:
    """The cached part is inside the prompt; tool prompts and thoughts are beside."""
    usage = tally.usage
    read = usage.count("cached_content_token_count")
    tally.add("input_uncached", usage.required("prompt_token_count") - read)
    tally.add("input_cache_read", read)
    tally.add("input_tool", usage.count("tool_use_prompt_token_count"))
    tally.add("output_text", usage.count(output))
    tally.add("output_reasoning", usage.count("thoughts_token_count"))
    tally.check_total("total_token_count")
    cached = _by_modality(usage, "cache_tokens_details")
    for field, types, of_cache in (
        ("prompt_tokens_details", modality.INPUT, cached),
        ("tool_use_prompt_tokens_details", ("input_tool",), None),
        (output_details, ("output_text",), None),
    ):
        stated = _by_modality(usage, field)
        modality.split(tally, types, stated, field=field, whole=True, cached=of_cache)


def _by_modality(usage: Fields, field: str) -> dict[str, int]:
    counts: dict[str, int] = {}
    for entry in usage.beside().items(field):
        named = (entry.text("modality") or "modality_unspecified").lower()
        name = MODALITIES.get(named, "unknown")
        counts[name] = counts.get(name, 0) + entry.count("token_count")
    return counts


def _count_embeddings(tally: Tally) -> None:
    """Embeddings have input alone."""
    tally.add("input_uncached", tally.usage.required("prompt_token_count"))
    tally.check_total("total_token_count")
    stated = _by_modality(tally.usage, "prompt_tokens_details")
    field = "prompt_tokens_details"
    modality.split(tally, modality.INPUT, stated, field=field, whole=True)


def _fold(chunks: Sequence[Json]) -> list[Folded]:
    """Every chunk has the running usage, the last one wins."""
    model = last(chunks, "modelVersion") or last(chunks, "model_version")
    found = [usage for chunk in chunks if (usage := _usage(chunk)) is not None]
    done = any(_is_done(chunk) for chunk in chunks)
    body = {"modelVersion": model, "usageMetadata": found[-1] if found else None}
    return [Folded(body, done and bool(found))]


def _usage(chunk: Json) -> object:
    return next((found for path in USAGE if (found := at(chunk, *path)) is not None), None)


def _is_done(chunk: Json) -> bool:
    """Return whether a candidate has ended, or the prompt was blocked."""
    ends = [
        candidate.get("finishReason") or candidate.get("finish_reason")
        for candidate in objects(at(chunk, "candidates"))
    ]
    for feedback, reason in (
        ("promptFeedback", "blockReason"),
        ("prompt_feedback", "block_reason"),
    ):
        ends.append(at(chunk, feedback, reason))
    return any(end and end != "FINISH_REASON_UNSPECIFIED" for end in ends)


def _fold_live(messages: Sequence[Json]) -> list[Folded]:
    """Each turn is counted for itself, by the last usage before it is complete."""
    turns: list[Folded] = []
    usage: object = None
    open_turn = False
    for message in messages:
        usage = _usage(message) or usage
        content = at(message, "serverContent") or at(message, "server_content")
        open_turn = open_turn or content is not None or usage is not None
        if at(content, "turnComplete") or at(content, "turn_complete"):
            turns.append(Folded({"usageMetadata": usage}, usage is not None))
            usage, open_turn = None, False
    return [*turns, Folded({"usageMetadata": usage}, complete=False)] if open_turn else turns


MODEL = (("modelVersion",), ("model_version",), ("model",))
GENERATE_CONTENT = Surface(_count, own=OWN, fold=_fold, usage=USAGE, model=MODEL, camel=True)
LIVE = Surface(_count_live, own=OWN, fold=_fold_live, usage=USAGE, model=MODEL, camel=True)
EMBEDDINGS = Surface(_count_embeddings, own=OWN, usage=USAGE, model=MODEL, camel=True)
