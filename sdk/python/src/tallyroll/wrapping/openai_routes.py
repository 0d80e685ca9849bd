"""What OpenAI's addresses are, and how their answers are read.

Source: `openai.resources` and `openai.types` (openai 3.57), `groq.resources` (groq 1.7).
"""

import re
from functools import lru_cache

from tallyroll.wrapping.openai_answers import (
    ask_for_usage,
    batch_standing,
    chat_standing,
    pick_batch,
    pick_chat,
    pick_nothing,
    pick_response,
    pick_usage,
    response_standing,
    see_chat,
    see_events,
    see_responses,
)
from tallyroll.wrapping.routes import FREE, Route

_CHAT = Route("chat", pick_chat, see_chat, ask_for_usage)
_IMAGES = Route("images", pick_usage, see_events)
_AUDIO = Route("transcription", pick_usage, see_events)
_RESPONSES = Route("responses", pick_response, see_responses, standing=response_standing)
_LOOK_AT_RESPONSE = Route(
    "responses", pick_response, see_responses, standing=response_standing, looks=True
)
_LOOK_AT_CHAT = Route("chat", pick_chat, standing=chat_standing, looks=True)  # one that is stored
_LOOK_AT_BATCH = Route(  # its usage has the form of Responses, whatever it ran
    "responses", pick_batch, standing=batch_standing, looks=True, batch=True
)

_POSTS: dict[str, Route] = {
    "/chat/completions": _CHAT,
    "/completions": _CHAT,
    "/responses": _RESPONSES,
    "/responses/compact": _RESPONSES,
    "/embeddings": Route("embeddings", pick_usage),
    "/images/generations": _IMAGES,
    "/images/edits": _IMAGES,
    "/images/variations": _IMAGES,
    "/audio/transcriptions": _AUDIO,
    "/audio/translations": _AUDIO,
    "/audio/speech": Route("speech", pick_nothing),
}
_LOOKS: tuple[tuple[re.Pattern[str], Route], ...] = (
    (re.compile(r"GET /responses/[^/]+"), _LOOK_AT_RESPONSE),
    (re.compile(r"/responses/[^/]+/cancel"), _LOOK_AT_RESPONSE),
    (re.compile(r"GET /chat/completions/[^/]+"), _LOOK_AT_CHAT),
    (re.compile(r"GET /batches/[^/]+"), _LOOK_AT_BATCH),
    (re.compile(r"/batches/[^/]+/cancel"), _LOOK_AT_BATCH),
)
_FREE = re.compile(
    r"/(files|uploads|moderations|vector_stores|models|conversations|organization|projects)(/.*)?"
    r"|/batches|/responses/input_tokens|/chat/completions/[^/]+"
    r"|/(assistants|threads)(/[^/]+)?|/threads/[^/]+/messages(/.*)?|/threads/[^/]+/runs/[^/]+/cancel"
    r"|/realtime/(client_secrets|sessions|transcription_sessions)|/chatkit/sessions(/.*)?"
)
"""POSTs that no model answers. What is stored or searched is billed by the day or by contract,
not by the request."""
_PREFIX = "/openai/v1"
"""Groq's SDK has it in each path."""


@lru_cache(maxsize=1024)
def route_of(path: str) -> Route | None:
    """Return what a request is: `/path` of a POST, or `GET /path`."""
    path = path.replace(_PREFIX, "", 1)
    if (route := _POSTS.get(path)) is not None:
        return route
    for pattern, look in _LOOKS:
        if pattern.fullmatch(path):
            return look
    return FREE if _FREE.fullmatch(path) and path != "/threads/runs" else None
