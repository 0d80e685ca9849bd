"""What counts of an answer in OpenAI's format: identity, usage and terms, and none of its words."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from tallyroll.usage.surface import Json, at, objects
from tallyroll.wrapping.picking import picked, read
from tallyroll.wrapping.routes import Body, See, Standing

_CHAT = ("id", "model", "usage", "service_tier", "usage_breakdown")
_RESPONSE = ("id", "model", "status", "usage", "service_tier", "background", "created_at")
_BATCH = ("id", "model", "status", "usage", "created_at")
_BATCH_ENDS = {"completed": "completed_at", "expired": "expired_at", "cancelled": "cancelled_at"}
_RESPONSE_ENDS = ("completed", "incomplete", "failed", "cancelled")
_RESPONSE_EVENTS = frozenset(f"response.{name}" for name in ("created", "queued", *_RESPONSE_ENDS))


def ask_for_usage(body: Body) -> tuple[Body, bool]:
    """Ask for the chunk of usage at the end of a stream, which only comes when asked for."""
    options = body.get("stream_options")
    options = dict(options) if isinstance(options, dict) else {}
    if options.get("include_usage"):
        return body, False
    return {**body, "stream_options": {**options, "include_usage": True}}, True


def pick_chat(answer: Any) -> Json:
    """Return what counts of a whole answer of Chat Completions, or of legacy Completions."""
    return picked(answer, *_CHAT)


def see_chat(hides: bool) -> See:
    """Return how a chunk of a chat is seen; the one that only we asked for is hidden."""
    begun: set[object] = set()

    def see(chunk: Any) -> tuple[Json | None, bool]:
        usage, groq = read(chunk, "usage"), read(chunk, "x_groq")
        choices = read(chunk, "choices") or ()
        counts = usage is not None or groq is not None
        told = [
            picked(one, "index", "finish_reason")
            for one in choices
            if counts or read(one, "finish_reason") or read(one, "index") not in begun
        ]
        if begun and not counts and not told:
            return None, False  # a word more
        begun.update(read(one, "index") for one in choices)
        said = {**picked(chunk, *_CHAT), "choices": told}
        if groq is not None:
            said["x_groq"] = picked(groq, "usage", "usage_breakdown")
        return said, hides and usage is not None and not choices

    return see


def chat_standing(_parts: Sequence[Json]) -> Standing:
    """Return that a chat which is stored has ended."""
    return Standing(ended=True)


def pick_usage(answer: Any) -> Json:
    """Return what counts of an answer that has its usage and nothing else of interest."""
    return picked(answer, "model", "usage")


def see_events(_hides: bool) -> See:
    """Return how an event of a stream is seen whose last one has the usage."""

    def see(event: Any) -> tuple[Json | None, bool]:
        said = picked(event, "type", "model", "usage")
        return (said if "usage" in said else None), False

    return see


def pick_nothing(_answer: Any) -> Json:
    """Return that an answer says nothing of usage."""
    return {}


def pick_response(answer: Any) -> Json:
    """Return what counts of a response; of its tools, which model makes images."""
    said = picked(answer, *_RESPONSE, "tool_usage")
    if "tool_usage" in said:
        tools = read(answer, "tools") or ()
        said["tools"] = [
            picked(tool, "type", "model") for tool in tools if read(tool, "type") == _IMAGE_TOOL
        ]
    return said


_IMAGE_TOOL = "image_generation"


def see_responses(_hides: bool) -> See:
    """Return how an event of a response is seen: those that have the response in them."""

    def see(event: Any) -> tuple[Json | None, bool]:
        kind = read(event, "type")
        if kind not in _RESPONSE_EVENTS:
            return None, False
        return {"type": kind, "response": pick_response(read(event, "response"))}, False

    return see


def response_standing(parts: Sequence[Json]) -> Standing | None:
    """Return how a response stands. One in the background counts when its end is seen."""
    told = [at(part, "response") or part for part in parts]
    responses = [one for one in objects(told) if "id" in one]
    if not responses:
        return Standing(ended=False)
    response = responses[-1]
    ended = response.get("status") in _RESPONSE_ENDS or "status" not in response
    if not any(one.get("background") for one in responses):
        return Standing(ended)
    return Standing(ended, f"response:{response['id']}", _instant(response.get("created_at")))


def pick_batch(answer: Any) -> Json:
    """Return what counts of a batch, and when it ended."""
    said = picked(answer, *_BATCH, *_BATCH_ENDS.values())
    return {**said, "request_counts": picked(read(answer, "request_counts"), "completed")}


def batch_standing(parts: Sequence[Json]) -> Standing | None:
    """Return how a batch stands: it counts once it has ended, if any of its requests ran."""
    (batch,) = parts
    end = _BATCH_ENDS.get(str(batch.get("status")))
    if end is None or not (batch.get("usage") or at(batch, "request_counts", "completed")):
        return None
    when = _instant(batch.get(end) or batch.get("created_at"))
    return Standing(ended=True, once=f"batch:{batch.get('id')}", occurred_at=when)


def _instant(seconds: object) -> datetime | None:
    """Return a Unix time as UTC."""
    return datetime.fromtimestamp(seconds, UTC) if isinstance(seconds, int | float) else None
