"""Cohere's clients, which Fern generates: `ClientV2`, `AsyncClientV2` and those of version 1.

All their methods go through a raw client that returns the answer with its headers, and raises what
the caller sees. A copy of the client gets a metered one.
"""

# ruff: noqa: SLF001  the raw client is private to the SDK

from collections.abc import Iterator
from concurrent.futures import Executor
from contextvars import copy_context
from types import CellType, FunctionType, MethodType
from typing import Any

from tallyroll.usage.surface import Json
from tallyroll.wrapping.managed import metered_managers
from tallyroll.wrapping.metered import metered_copy
from tallyroll.wrapping.methods import Method, metered_methods, telling_property
from tallyroll.wrapping.picking import picked, read
from tallyroll.wrapping.proxy import Proxy
from tallyroll.wrapping.routes import Route
from tallyroll.wrapping.session import Session
from tallyroll.wrapping.streams import See

_NOT_METERED = ("audio", "batches", "embed_jobs", "finetuning")


def wrap_cohere(client: Any, session: Session) -> Any:
    """Return a metered copy of a client, sync or async, of either version."""
    kind = type(client)
    methods = {
        name: telling_property(kind, name, session) for name in _NOT_METERED if hasattr(kind, name)
    }
    if hasattr(kind, "v2"):
        methods["v2"] = _second_version(kind, session)
    clone = metered_copy(client, methods, session)
    for name, value in vars(client).items():  # those that the SDK wraps when it begins
        vars(clone)[name] = _rebound(value, client, clone)
    clone._raw_client = _metered(client._raw_client, session)
    clone._v2 = None
    if (executor := getattr(client, "_executor", None)) is not None:
        clone._executor = _InContext(executor)
    return clone


def _second_version(kind: Any, session: Session) -> property:
    """Return the property `v2` of a client, which is made when it is first asked for."""

    def read_v2(self: Any) -> Any:
        if self._v2 is None:
            part = kind.v2.fget(self)
            clone = metered_copy(part, {}, session)
            clone._raw_client = _metered(part._raw_client, session)
            self._v2 = clone
        return self._v2

    return property(read_v2)


def _rebound(value: Any, old: object, new: object, within: frozenset[int] = frozenset()) -> Any:
    """Return the same of another object: a method of it, or a function that closes over one."""
    if isinstance(value, MethodType) and value.__self__ is old:
        return MethodType(value.__func__, new)
    if not isinstance(value, FunctionType) or not value.__closure__ or id(value) in within:
        return value  # the last of these calls itself
    within |= {id(value)}
    before = [cell.cell_contents for cell in value.__closure__]
    after = [_rebound(one, old, new, within) for one in before]
    if all(one is other for one, other in zip(before, after, strict=True)):
        return value
    closure = tuple(CellType(one) for one in after)
    name, defaults = value.__name__, value.__defaults__
    clone = FunctionType(value.__code__, value.__globals__, name, defaults, closure)
    clone.__doc__, clone.__kwdefaults__ = value.__doc__, value.__kwdefaults__
    return clone


def _metered(raw: Any, session: Session) -> Any:
    """Return a metered copy of a raw client, or of the pair of them that `ClientV2` has."""
    if "_v1" in vars(raw):
        return type(raw)(_metered(raw._v1, session), _metered(raw._v2, session))
    kind = type(raw)
    methods: dict[str, Method] = {
        **metered_methods(kind, session, _ROUTES),
        **metered_managers(kind, session, _STREAMS),
    }
    return metered_copy(raw, methods, session)


class _InContext(Proxy):
    """The threads that embed many texts at once, in the scope of whoever asked for them."""

    def map(self, action: Method, *given: Any, **settings: Any) -> Iterator[Any]:
        """Do what `Executor.map()` does."""
        context, executor = copy_context(), self._tallyroll_target
        assert isinstance(executor, Executor)
        return executor.map(lambda *one: context.copy().run(action, *one), *given, **settings)


def _pick(response: Any) -> Json:
    return _picked(response.data)


def _picked(answer: Any) -> Json:
    return picked(answer, "id", "response_id", "generation_id", "usage", "meta")


def _see_chat(_hides: bool) -> See:
    """Return how an event is seen; the one at the end of version 1 is told as that of 2."""

    def see(event: Any) -> tuple[Json | None, bool]:
        ended = read(event, "response")
        if ended is not None:
            usage = picked(ended, "meta").get("meta")
            said = picked(ended, "response_id", "generation_id")
            return {**said, "type": "message-end", "delta": {"usage": usage}}, False
        said, delta = picked(event, "id", "generation_id"), picked(read(event, "delta"), "usage")
        if delta:
            return {**said, "type": read(event, "type"), "delta": delta}, False
        return said or None, False

    return see


_CHAT = Route("chat", _pick, _see_chat)
_ROUTES = {
    "chat": _CHAT,
    "embed": Route("embeddings", _pick),
    "rerank": Route("rerank", _pick),
    # Their answers state what is billed as that of a chat does.
    "classify": _CHAT,
    "generate": _CHAT,
    "parse": _CHAT,
    "summarize": _CHAT,
}
_STREAMS = {"chat_stream": _CHAT}
