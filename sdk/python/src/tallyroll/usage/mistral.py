"""Mistral: OpenAI's format for chat, with audio and connectors beside the prompt.

Source: `mistralai.client.models` (mistralai 3.7): `UsageInfo` (which lets further fields pass),
`ConversationUsageInfo`, `OCRUsageInfo`; recorded answers of the transcription API.
"""

from collections.abc import Sequence
from functools import partial

from tallyroll.usage.fields import Fields
from tallyroll.usage.openai_chat import OWN, Dialect, count_chat, fold_chat
from tallyroll.usage.openai_media import fold_transcription
from tallyroll.usage.surface import Folded, Json, Surface, at, last, objects
from tallyroll.usage.tally import Tally


def _cached(tally: Tally, details: Fields) -> int:
    """Return what was cached; three spellings are in use, and those stated must agree."""
    alias = tally.usage.inner("prompt_token_details")
    alias.ignore("audio_tokens")
    stated = [
        details.stated("cached_tokens"),
        alias.stated("cached_tokens"),
        tally.usage.stated("num_cached_tokens"),
    ]
    found = [count for count in stated if count is not None]
    if len(set(found)) > 1:
        tally.contradict("fields_differ", "num_cached_tokens", f"cached are {found}")
    return found[0] if found else 0


def _count_beside(tally: Tally) -> None:
    """Audio and what connectors put in are not in `prompt_tokens`, the total has them."""
    usage = tally.usage
    stated = [usage.inner("prompt_tokens_details").stated("audio_tokens")]
    stated.append(usage.stated("audio_tokens"))
    found = [count for count in stated if count is not None]
    if len(set(found)) > 1:
        tally.contradict("fields_differ", "audio_tokens", f"are {found}")
    tally.add("input_uncached", found[0] if found else 0)
    tally.add_unit("audio_seconds", usage.beside().quantity("prompt_audio_seconds"))
    usage.ignore("request_count")
    _count_connectors(tally)


def _count_connectors(tally: Tally) -> None:
    tally.add("input_tool", tally.usage.count("connector_tokens"))
    connectors = tally.usage.beside().inner("connectors")
    for name in connectors.names():
        tally.add_unit(f"{name}_requests", connectors.count(name))


def _count_conversation(tally: Tally) -> None:
    """A conversation's connectors run at Mistral; what they return is input beside the prompt."""
    usage = tally.usage
    tally.add("input_uncached", usage.required("prompt_tokens"))
    tally.add("output_text", usage.required("completion_tokens"))
    _count_connectors(tally)
    tally.check_total("total_tokens")
    outputs = objects(tally.body.get("outputs"))
    models = [model for one in outputs if isinstance(model := one.get("model"), str) and model]
    tally.model = models[-1] if models else tally.model
    if len(set(models)) > 1:  # an agent handed over to another, and usage is for both together
        tally.contradict("several_models", "total_tokens", f"are of {', '.join(models)}")


def _fold_conversation(events: Sequence[Json]) -> list[Folded]:
    """The event at the end has the usage; outputs name the model, here as without streaming."""
    done = [e for e in events if at(e, "type") == "conversation.response.done"]
    usage, model = last(done, "usage"), last(events, "model")
    body = {"model": model, "usage": usage, "outputs": events}
    return [Folded(body, usage is not None)]


def _count_pages(tally: Tally) -> None:
    pages = tally.usage.required("pages_processed")
    tally.add_unit("pages", pages)
    tally.usage.ignore("doc_size_bytes")


DIALECT = Dialect(cached=_cached, more=_count_beside)
_count_chat = partial(count_chat, dialect=DIALECT)
CHAT = Surface(_count_chat, own=OWN, fold=fold_chat)
TRANSCRIPTION = Surface(_count_chat, own=OWN, fold=fold_transcription)
CONVERSATIONS = Surface(_count_conversation, own=OWN, fold=_fold_conversation)
OCR = Surface(_count_pages, own=("pages_processed",), usage=(("usage_info",),))
