"""What Gemini's server says, in its wire format."""

from collections.abc import Mapping
from typing import Any

USAGE: Mapping[str, Any] = {
    "promptTokenCount": 100,
    "cachedContentTokenCount": 60,
    "candidatesTokenCount": 20,
    "thoughtsTokenCount": 10,
    "totalTokenCount": 130,
}
TOKENS = {
    "input_uncached": 40,
    "input_cache_read": 60,
    "output_text": 20,
    "output_reasoning": 10,
}
EARLY: Mapping[str, Any] = {
    "promptTokenCount": 100,
    "cachedContentTokenCount": 60,
    "candidatesTokenCount": 3,
    "totalTokenCount": 103,
}
EARLY_TOKENS = {"input_uncached": 40, "input_cache_read": 60, "output_text": 3}


def content(
    text: str = "secret words",
    *,
    usage: Mapping[str, Any] = USAGE,
    end: str | None = "STOP",
    response_id: str = "r-1",
) -> dict[str, Any]:
    """Return an answer, or with `end=None` a chunk of one."""
    said = {"role": "model", "parts": [{"text": text}]}
    return {
        "candidates": [{"content": said, "index": 0, **({"finishReason": end} if end else {})}],
        "usageMetadata": dict(usage),
        "modelVersion": "gemini-2.5-flash-001",
        "responseId": response_id,
    }


def calling(name: str, *, response_id: str) -> dict[str, Any]:
    """Return an answer that asks for a function."""
    answer = content(response_id=response_id)
    answer["candidates"][0]["content"]["parts"] = [{"functionCall": {"name": name, "args": {}}}]
    return answer


def chunks() -> list[dict[str, Any]]:
    """Return a stream: each chunk has the running usage."""
    return [content("secret", usage=EARLY, end=None), content(" words")]
