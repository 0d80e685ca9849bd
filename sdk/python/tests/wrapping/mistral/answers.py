"""What Mistral's server says, in its wire format."""

from collections.abc import Mapping
from typing import Any

USAGE: Mapping[str, Any] = {
    "prompt_tokens": 100,
    "completion_tokens": 30,
    "total_tokens": 130,
    "prompt_tokens_details": {"cached_tokens": 60},
    "service_tier": "priority",
}
TOKENS = {"input_uncached": 40, "input_cache_read": 60, "output_text": 30}
HEAD: Mapping[str, Any] = {"id": "cmpl-1", "created": 1, "model": "mistral-large-2611"}
CHAT: Mapping[str, Any] = {
    **HEAD,
    "object": "chat.completion",
    "choices": [
        {
            "index": 0,
            "finish_reason": "stop",
            "message": {"role": "assistant", "content": "secret words"},
        }
    ],
    "usage": USAGE,
}
CONVERSATION_USAGE: Mapping[str, Any] = {
    "prompt_tokens": 6,
    "completion_tokens": 2,
    "total_tokens": 383,
    "connector_tokens": 375,
    "connectors": {"web_search": 1},
}
CONVERSATION_TOKENS = {"input_uncached": 6, "input_tool": 375, "output_text": 2}


def chunks() -> list[dict[str, Any]]:
    """Return a stream: usage comes with its last chunk."""
    words = [
        {"index": 0, "delta": {"content": one}, "finish_reason": None} for one in ("secret", " ")
    ]
    end = {"index": 0, "delta": {"content": "words"}, "finish_reason": "stop"}
    head = {**HEAD, "object": "chat.completion.chunk"}
    return [
        *({**head, "choices": [one]} for one in words),
        {**head, "choices": [end], "usage": USAGE},
    ]


def conversation() -> dict[str, Any]:
    """Return the answer of a conversation whose connector searched."""
    output = {
        "type": "message.output",
        "object": "entry",
        "id": "msg_1",
        "role": "assistant",
        "model": "mistral-medium-2611",
        "content": "secret words",
    }
    return {
        "object": "conversation.response",
        "conversation_id": "conv_1",
        "outputs": [output],
        "usage": CONVERSATION_USAGE,
    }


def conversation_events() -> list[dict[str, Any]]:
    """Return the same as a stream."""
    delta = {
        "type": "message.output.delta",
        "id": "msg_1",
        "role": "assistant",
        "model": "mistral-medium-2611",
        "content": "secret words",
    }
    return [
        {"type": "conversation.response.started", "conversation_id": "conv_1"},
        delta,
        {"type": "conversation.response.done", "usage": CONVERSATION_USAGE},
    ]
