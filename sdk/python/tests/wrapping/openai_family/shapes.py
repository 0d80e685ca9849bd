"""What OpenAI's servers answer, as JSON."""

from typing import Any

SECRET = "secret words"
USAGE: dict[str, Any] = {
    "prompt_tokens": 100,
    "completion_tokens": 30,
    "total_tokens": 130,
    "prompt_tokens_details": {"cached_tokens": 60},
    "completion_tokens_details": {"reasoning_tokens": 10},
}
TOKENS = {
    "input_uncached": 40,
    "input_cache_read": 60,
    "output_text": 20,
    "output_reasoning": 10,
}
HEAD = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "gpt-5-2026"}
ASK: Any = {"model": "gpt-5", "messages": [{"role": "user", "content": "hi"}]}


def choice(index: int = 0, content: str = SECRET, reason: str = "stop") -> dict[str, Any]:
    """Return one choice of a whole answer."""
    message = {"role": "assistant", "content": content}
    return {"index": index, "finish_reason": reason, "message": message}


ANSWER: dict[str, Any] = {
    **HEAD,
    "service_tier": "priority",
    "choices": [choice()],
    "usage": USAGE,
}


def chunks(*, usage: bool = True, n: int = 1) -> list[dict[str, Any]]:
    """Return the chunks of a chat: two words and an end for each choice, and the usage."""
    head = {**HEAD, "object": "chat.completion.chunk", "service_tier": "priority"}
    said = [
        {**head, "choices": [{"index": i, "delta": {"content": word}, "finish_reason": None}]}
        for word in ("secret", " words")
        for i in range(n)
    ]
    ends = [
        {**head, "choices": [{"index": i, "delta": {}, "finish_reason": "stop"}]} for i in range(n)
    ]
    return [*said, *ends, *([{**head, "choices": [], "usage": USAGE}] if usage else [])]


def groq_chunks() -> list[dict[str, Any]]:
    """Return a stream whose last chunk has the usage in `x_groq`, and debug words."""
    *said, end = chunks(usage=False)
    debug = {"input_tokens": ["secret"], "output_tokens": ["words"]}
    x_groq = {"id": "req_1", "usage": USAGE, "debug": debug}
    return [{**said[0], "x_groq": {"id": "req_1"}}, *said[1:], {**end, "x_groq": x_groq}]


RESPONSE_USAGE: dict[str, Any] = {
    "input_tokens": 100,
    "input_tokens_details": {"cached_tokens": 60},
    "output_tokens": 30,
    "output_tokens_details": {"reasoning_tokens": 10},
    "total_tokens": 130,
}


def response(status: str = "completed", *, usage: bool = True, **more: Any) -> dict[str, Any]:
    """Return a response of the Responses API."""
    text = {"type": "output_text", "text": SECRET, "annotations": []}
    message = {"type": "message", "id": "m", "role": "assistant", "status": "completed"}
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1_790_000_000,
        "model": "gpt-5-2026",
        "status": status,
        "output": [{**message, "content": [text]}],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "service_tier": "flex",
        **({"usage": RESPONSE_USAGE} if usage else {}),
        **more,
    }


def response_events(end: str = "completed", **more: Any) -> list[dict[str, Any]]:
    """Return the events of a response."""
    begun = response("in_progress", usage=False, **{**more, "output": []})
    item = {"type": "message", "id": "m", "role": "assistant", "status": "in_progress"}
    part = {"type": "output_text", "text": "", "annotations": []}
    place = {"output_index": 0, "item_id": "m", "content_index": 0}
    body: list[dict[str, Any]] = [
        {"type": "response.created", "response": begun},
        {"type": "response.output_item.added", "output_index": 0, "item": {**item, "content": []}},
        {"type": "response.content_part.added", **place, "part": part},
        {"type": "response.output_text.delta", **place, "delta": SECRET, "logprobs": []},
        {"type": f"response.{end}", "response": response(end, **more)},
    ]
    return [{**event, "sequence_number": number} for number, event in enumerate(body)]
