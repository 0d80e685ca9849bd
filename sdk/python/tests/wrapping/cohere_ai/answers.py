"""What Cohere's server says, in its wire format, and the clients that ask it."""

from collections.abc import Mapping
from typing import Any

USAGE: Mapping[str, Any] = {
    "billed_units": {"input_tokens": 100.0, "output_tokens": 30.1},
    "tokens": {"input_tokens": 170, "output_tokens": 31},
    "cached_tokens": 60,
}
UNITS = {"billed_input_tokens": "100", "billed_output_tokens": "30.1"}
"""Of them no text of a float is visible, and no count beside what is billed."""

CHAT: Mapping[str, Any] = {
    "id": "c-1",
    "finish_reason": "COMPLETE",
    "message": {"role": "assistant", "content": [{"type": "text", "text": "secret words"}]},
    "usage": USAGE,
}
OLD_CHAT: Mapping[str, Any] = {
    "response_id": "c-1",
    "generation_id": "g-1",
    "text": "secret words",
    "finish_reason": "COMPLETE",
    "meta": {"api_version": {"version": "1"}, **USAGE},
}


def events() -> list[dict[str, Any]]:
    """Return a stream of version 2: the event at the end has the usage."""
    said = {"message": {"content": {"text": "secret words"}}}
    return [
        {"type": "message-start", "id": "c-1", "delta": {"message": {"role": "assistant"}}},
        {"type": "content-delta", "index": 0, "delta": said},
        {"type": "message-end", "delta": {"finish_reason": "COMPLETE", "usage": USAGE}},
    ]


def old_events() -> list[dict[str, Any]]:
    """Return a stream of version 1, a JSON document on each line."""
    return [
        {"is_finished": False, "event_type": "stream-start", "generation_id": "g-1"},
        {"is_finished": False, "event_type": "text-generation", "text": "secret words"},
        {
            "is_finished": True,
            "event_type": "stream-end",
            "finish_reason": "COMPLETE",
            "response": OLD_CHAT,
        },
    ]
