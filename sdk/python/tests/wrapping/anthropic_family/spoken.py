"""What Anthropic's Messages API answers, whole and as a stream, and what an event makes of it."""

from typing import Any

SECRET = "secret words"
USAGE = {
    "input_tokens": 10,
    "cache_read_input_tokens": 5,
    "cache_creation_input_tokens": 7,
    "cache_creation": {"ephemeral_5m_input_tokens": 3, "ephemeral_1h_input_tokens": 4},
    "output_tokens": 20,
    "output_tokens_details": {"thinking_tokens": 6},
    "server_tool_use": {"web_search_requests": 2, "web_fetch_requests": 1},
    "service_tier": "priority",
    "inference_geo": "us",
}
TOKENS = {
    "input_uncached": 10,
    "input_cache_read": 5,
    "input_cache_write_5m": 3,
    "input_cache_write_1h": 4,
    "output_text": 14,
    "output_reasoning": 6,
}
SAID = {
    "provider": "anthropic",
    "model": "claude-opus-5-20261001",
    "response_id": "msg_1",
    "tokens": TOKENS,
    "units": {"web_search_requests": "2", "web_fetch_requests": "1"},
    "service_tier": "priority",
    "region": "us",
    "context_input_tokens": 22,
    "agent": "coder",
    "instrument": "wrap.anthropic",
}
"""The event of one answer, but for its id and time."""
ASK: Any = {
    "model": "claude-opus-5",
    "max_tokens": 100,
    "messages": [{"role": "user", "content": SECRET}],
}


def message(text: str = SECRET, **changed: Any) -> dict[str, Any]:
    """Return a message."""
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-opus-5-20261001",
        "content": [{"type": "text", "text": text}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": USAGE,
        **changed,
    }


def events(text: str = SECRET, **changed: Any) -> list[dict[str, Any]]:
    """Return the same message as the events of a stream; its usage is known at the end only."""
    whole = message(text, **changed)
    final = whole["usage"]
    first = {**final, "output_tokens": 1, "output_tokens_details": None, "server_tool_use": None}
    first.pop("iterations", None)
    text_block = {"type": "text", "text": ""}
    last = {name: count for name, count in final.items() if name not in _START_ONLY}
    delta = {"stop_reason": whole["stop_reason"], "stop_sequence": None}
    return [
        {
            "type": "message_start",
            "message": {**whole, "content": [], "stop_reason": None, "usage": first},
        },
        {"type": "content_block_start", "index": 0, "content_block": text_block},
        {"type": "ping"},
        *(
            {
                "type": "content_block_delta",
                "index": 0,
                "delta": {"type": "text_delta", "text": part},
            }
            for part in (text[:6], text[6:])
        ),
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": delta, "usage": last},
        {"type": "message_stop"},
    ]


_START_ONLY = ("service_tier", "inference_geo", "cache_creation")


def said_of(event: dict[str, Any]) -> dict[str, Any]:
    """Return an event without its id and time."""
    return {name: said for name, said in event.items() if name not in ("event_id", "occurred_at")}
