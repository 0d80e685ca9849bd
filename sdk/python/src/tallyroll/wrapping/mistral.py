"""Mistral's client, which Speakeasy generates.

Each of its parts (`chat`, `ocr`, `beta.conversations` …) is made when it is first asked for, and
its methods raise their errors themselves, behind `do_request()`. So the methods are metered, on
metered copies of the parts; whatever else is posted is told.
"""

# ruff: noqa: SLF001  how the parts are found is private to the SDK

from collections.abc import Mapping
from typing import Any

from tallyroll.usage.surface import Json
from tallyroll.wrapping.metered import metered_copy
from tallyroll.wrapping.methods import Method, metered_methods
from tallyroll.wrapping.picking import picked, read
from tallyroll.wrapping.routes import Route
from tallyroll.wrapping.session import Session
from tallyroll.wrapping.streams import See

_FREE = ("Files", "Jobs")
_UNSET = "~?~unset~?~sentinel~?~"
"""What `model_dump()` makes of the SDK's `UNSET`."""


def wrap_mistral(client: Any, session: Session) -> Any:
    """Return a metered copy of a `Mistral`; its methods that end in `_async` are, too."""
    clone = metered_copy(client, {"__getattr__": _part_of(client, session)}, session)
    for name in type(client)._sub_sdk_map:
        vars(clone).pop(name, None)
    return clone


def _part_of(client: Any, session: Session) -> Method:
    """Return a `__getattr__()` that makes parts of those of the original.

    It keeps the original, which closes the connections when it is collected.
    """

    def part_of(self: Any, name: str) -> Any:
        part = getattr(client, name)
        metered = session.recorder.guard("client", lambda: _metered(part, session), part)
        setattr(self, name, metered)
        return metered

    return part_of


def _metered(part: Any, session: Session) -> Any:
    """Return a metered copy of a part, and of the parts in it."""
    kind = type(part)
    routes = _ROUTES.get(kind.__name__)
    methods = metered_methods(kind, session, routes, async_suffix="_async") if routes else {}
    if routes is None and kind.__name__ not in _FREE:
        methods = {
            name: _telling(getattr(kind, name), session)
            for name in ("do_request", "do_request_async")
        }
    clone = metered_copy(part, methods, session)
    for name, inner in vars(part).items():
        if name != "parent_ref" and hasattr(inner, "do_request"):
            vars(clone)[name] = _metered(inner, session)
    return clone


def _telling(original: Method, session: Session) -> Method:
    """Return a `do_request()`, sync or async, that says that it is not metered."""

    def do_request(self: Any, hook_ctx: Any, request: Any, *others: Any, **named: Any) -> Any:
        if request.method == "POST":
            session.recorder.unmetered(hook_ctx.operation_id)
        return original(self, hook_ctx, request, *others, **named)

    return do_request


def _picked(value: object, *names: str) -> Json:
    """Return these fields, without those that the SDK marks as not set."""
    return {name: one for name, one in picked(value, *names).items() if one != _UNSET}


def _pick(answer: Any) -> Json:
    return _picked(answer, "id", "model", "usage")


def _pick_pages(answer: Any) -> Json:
    return _picked(answer, "model", "usage_info")


def _pick_conversation(answer: Any) -> Json:
    outputs = [_picked(one, "model") for one in read(answer, "outputs") or []]
    return {**_picked(answer, "usage"), "outputs": outputs}


def _pick_response(answer: Any) -> Json:
    return _picked(answer, "id", "model", "usage", "status", "service_tier")


def _see_chat(_hides: bool) -> See:
    def see(event: Any) -> tuple[Json | None, bool]:
        chunk = read(event, "data")
        choices = read(chunk, "choices") or []
        ends = [_picked(choice, "index", "finish_reason") for choice in choices]
        return {**_picked(chunk, "id", "model", "usage"), "choices": ends}, False

    return see


def _see_events(_hides: bool) -> See:
    """Each event has a type; the one at the end has the usage."""

    def see(event: Any) -> tuple[Json | None, bool]:
        data = read(event, "data")
        response = read(data, "response")
        whole = {} if response is None else {"response": _pick_response(response)}
        said = {**_picked(data, "model", "usage"), **whole}
        counts = "usage" in said or "response" in said
        return {**said, **(_picked(data, "type") if counts else {})}, False

    return see


_CHAT = Route("chat", _pick, _see_chat)
_CONVERSATION = Route("conversations", _pick_conversation, _see_events)
_TRANSCRIPTION = Route("transcription", _pick, _see_events)
_CHATS = {"complete": _CHAT, "stream": _CHAT}
_ROUTES: Mapping[str, Mapping[str, Route]] = {
    "Chat": _CHATS,
    "Fim": _CHATS,
    "Agents": _CHATS,
    "Embeddings": {"create": Route("embeddings", _pick)},
    "Ocr": {"process": Route("ocr", _pick_pages)},
    "Transcriptions": {"complete": _TRANSCRIPTION, "stream": _TRANSCRIPTION},
    "Responses": {"create": Route("responses", _pick_response, _see_events)},
    "Conversations": {
        f"{name}{suffix}": _CONVERSATION
        for name in ("start", "append", "restart")
        for suffix in ("", "_stream")
    },
}
"""Class of a part → its methods that count; each has a twin that ends in `_async`."""
