"""From one line of usage to the fields of its event."""

from collections.abc import Sequence
from typing import cast

from tallyroll.event import RecordedFields
from tallyroll.recording.asked import Asked
from tallyroll.recording.terms import response_id_of, status_of, terms_of
from tallyroll.usage.lines import FAILED, PARTIAL, UsageLine
from tallyroll.usage.surface import Json

UNMEASURED_UNIT = "unmeasured_requests"
"""Counted by a request whose usage nobody reported: something was used, so it is no zero. It shows
as unpriced until a correction says what it was, or a price book says what it costs."""
FAILED_UNIT = "failed_requests"
"""What a request that the provider refused counts none of, since an event counts something."""
UNKNOWN_MODEL = "unknown"
FLAGS_TAG = "usage_flags"
"""Names the flags of the line, sorted, with commas between."""
REQUESTED_TAG = "requested_model"
"""Names the model that the caller asked for, where a budget put another in its place."""
NO_USAGE: dict[str, int] = {}


def fields_of(asked: Asked, line: UsageLine, parts: Sequence[Json]) -> RecordedFields:
    """Return what the event of one line says; `parts` are the answer, or the chunks of it."""
    fields: dict[str, object] = {
        **asked.terms,
        **terms_of(parts),
        **_origin(asked),
        "model": line.model or asked.model or UNKNOWN_MODEL,
        "tokens": line.tokens or None,
        "units": line.units or ({} if line.tokens else {UNMEASURED_UNIT: 1}),
        "context_input_tokens": _input(line) or None,
        "response_id": response_id_of(parts),
        "line": line.line or None,
        "status": _status(line, parts),
        "tags": _tags(asked, line.flags),
    }
    return cast("RecordedFields", fields)


def failed_fields_of(asked: Asked, error: str) -> RecordedFields:
    """Return what the event of a request says that the provider refused, or that never arrived."""
    fields: dict[str, object] = {
        **asked.terms,
        **_origin(asked),
        "model": asked.model or UNKNOWN_MODEL,
        "units": {FAILED_UNIT: 0},
        "status": "failed",
        "tags": {**_told(asked), "error": error},
    }
    return cast("RecordedFields", fields)


def _origin(asked: Asked) -> dict[str, object]:
    return {
        **asked.attribution,
        "provider": asked.provider,
        "occurred_at": asked.occurred_at,
        "instrument": asked.instrument,
        "batch": asked.batch or None,
    }


def _input(line: UsageLine) -> int:
    """Return the whole input of the request, which picks the long-context price."""
    return sum(count for name, count in line.tokens.items() if name.startswith("input_"))


def _status(line: UsageLine, parts: Sequence[Json]) -> str | None:
    if PARTIAL in line.flags:
        return "aborted"
    return "failed" if FAILED in line.flags else status_of(parts)


def _tags(asked: Asked, flags: frozenset[str]) -> dict[str, str] | None:
    tags = _told(asked)
    if flags:
        tags[FLAGS_TAG] = ",".join(sorted(flags))
    return tags or None


def _told(asked: Asked) -> dict[str, str]:
    """Return the tags of the scope, and what says of the route to the model."""
    tags = dict(asked.attribution.get("tags", {}))
    if asked.requested is not None:
        tags[REQUESTED_TAG] = asked.requested
    return tags
