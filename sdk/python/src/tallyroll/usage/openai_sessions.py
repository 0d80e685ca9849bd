"""Realtime and Live: sessions in which one connection carries many responses.

Source: `openai.types.realtime.RealtimeResponseUsage`,
`.ConversationItemInputAudioTranscriptionCompletedEvent`, `openai.types.live.SessionUsage`,
`.SessionClosedEvent`, `.ResponseEvent` (openai 3.57).
"""

from collections.abc import Sequence

from tallyroll.usage import modality, responses
from tallyroll.usage.openai_media import TRANSCRIPTION
from tallyroll.usage.surface import Folded, Json, Surface, at, last, objects
from tallyroll.usage.tally import Tally

TRANSCRIBED = "conversation.item.input_audio_transcription.completed"
CLOSED = "session.closed"
UPDATED = "session.usage.updated"


def _count_realtime(tally: Tally) -> None:
    """Cached tokens are inside the input; the split of both is by modality."""
    usage = tally.usage
    inputs, outputs = usage.inner("input_token_details"), usage.inner("output_token_details")
    read, cached = inputs.count("cached_tokens"), inputs.inner("cached_tokens_details")
    tally.add("input_uncached", usage.required("input_tokens") - read)
    tally.add("input_cache_read", read)
    tally.add("output_text", usage.required("output_tokens"))
    tally.check_total("total_tokens")
    modality.split(
        tally,
        modality.INPUT,
        modality.by_modality(inputs, "text", "image", "audio"),
        field="input_token_details",
        whole=True,
        cached=modality.by_modality(cached, "text", "image", "audio"),
    )
    stated = modality.by_modality(outputs, "text", "audio")
    modality.split(tally, modality.OUTPUT, stated, field="output_token_details", whole=True)


def _route_realtime(event: Json) -> Surface | None:
    """Input is transcribed by another model, and billed as that model's."""
    return TRANSCRIPTION if event.get("type") == TRANSCRIBED else None


def _fold_realtime(events: Sequence[Json]) -> list[Folded]:
    """Each response that is done is a line, in order; so is each transcription of input."""
    done = [event for event in events if at(event, "type") in ("response.done", TRANSCRIBED)]
    ended = [at(event, "response", "id") for event in done]
    begun = [event for event in events if at(event, "type") == "response.created"]
    broken = [event for event in begun if at(event, "response", "id") not in ended]
    model = last(events, "session", "model")
    heard = last(events, "session", "audio", "input", "transcription", "model")
    told = [{"model": heard if event["type"] == TRANSCRIBED else model, **event} for event in done]
    unfinished = [Folded({"model": model}, complete=False) for _ in broken]
    return [Folded(event, complete=True) for event in told] + unfinished


def _count_live(tally: Tally) -> None:
    """The seconds are those of the whole session so far, never a difference."""
    usage = tally.usage
    seconds, parts = usage.quantity("seconds"), ("active_seconds", "paused_seconds")
    if usage.value("seconds") is None:
        usage.required("seconds")
    if any(usage.value(part) is not None for part in parts):
        stated = sum(usage.quantity(part) for part in parts)
        if stated != seconds:
            tally.contradict("total_differs", "seconds", f"are {seconds}, their parts {stated}")
    tally.add_unit("audio_seconds", seconds)


def _route_live(event: Json) -> Surface | None:
    """A response that the session delegates reports tokens of its own."""
    return responses.OPENAI if str(event.get("type", "")).startswith("response.") else None


def _fold_live(events: Sequence[Json]) -> list[Folded]:
    """The last state of the session counts, then the responses it delegated."""
    states = [event for event in events if at(event, "type") in (UPDATED, CLOSED)]
    body = {
        "model": last(events, "session", "model"),
        "usage": at(states[-1], "usage") if states else None,
    }
    closed = any(at(event, "type") == CLOSED for event in states)
    delegated = objects([at(event, "event") for event in events])
    return [Folded(body, closed), *responses.fold_responses(delegated)]


REALTIME = Surface(
    _count_realtime,
    own=("input_tokens", "output_tokens"),
    fold=_fold_realtime,
    usage=(("usage",), ("response", "usage")),
    model=(("response", "model"), ("model",), ("session", "model")),
    route=_route_realtime,
)
LIVE = Surface(
    _count_live,
    own=("seconds",),
    fold=_fold_live,
    model=(("model",), ("session", "model")),
    route=_route_live,
)
