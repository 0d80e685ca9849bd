"""Anthropic's clients: of its own API, and of the platforms that serve its models.

Source: anthropic 2.12.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from typing import Any

from tallyroll.usage.surface import Json
from tallyroll.wrapping.anthropic_batches import watching_get
from tallyroll.wrapping.metered import metered_copy
from tallyroll.wrapping.picking import picked, read
from tallyroll.wrapping.routes import FREE, Route
from tallyroll.wrapping.session import Session
from tallyroll.wrapping.stainless import wrap_stainless

_PLATFORMS = {
    "BaseBedrockClient": ("aws.bedrock", "aws_region"),
    "BaseMantleClient": ("aws.bedrock", "aws_region"),
    "BaseVertexClient": ("gcp.vertex_ai", "region"),
}
"""Class that a platform's clients have → its provider, and which attribute names the region.
Clients of Foundry, of Anthropic's platform on AWS and of that on Google Cloud are not here: their
provider is Anthropic, which is how the SDK's own traces name it."""

_FREE = (
    *("messages/count_tokens", "messages/batches", "models", "files", "skills"),
    *("organizations", "user_profiles", "agents", "environments", "memory_stores"),
    *("vaults", "tunnels"),
)
"""What costs nothing by itself. A batch is counted when its results are fetched."""


def wrap_anthropic(client: Any, session: Session) -> Any:
    """Return a metered copy of an `Anthropic`, or of a platform's client, sync or async."""
    kind, here = type(client), _at_platform(client, session)
    copied = _copying(kind, session)
    methods = {"copy": copied, "with_options": copied, "get": watching_get(kind, here)}
    clone = metered_copy(wrap_stainless(client, here, route_of), methods, here)
    for name, held in vars(clone).items():
        if getattr(held, "_client", None) is client:  # as `messages` of a platform's client is
            setattr(clone, name, type(held)(clone))
    return clone


def _at_platform(client: Any, session: Session) -> Session:
    """Return the session with what the client says of its provider and region."""
    for kind in type(client).__mro__:
        if kind.__name__ in _PLATFORMS:
            provider, attribute = _PLATFORMS[kind.__name__]
            region = getattr(client, attribute, None)
            return replace(
                session,
                provider=session.provider if session.stated else provider,
                terms={"region": region} if isinstance(region, str) and region else {},
            )
    return session


def _copying(kind: Any, session: Session) -> Callable[..., Any]:
    """Return `copy()` of a metered client: of its plain self, since the SDK asks for the class.

    A copy may be of another region.
    """

    @wraps(kind.copy)
    def copy(self: Any, *arguments: Any, **changes: Any) -> Any:
        plain = kind.__new__(kind)
        plain.__dict__.update(vars(self))
        return wrap_anthropic(kind.copy(plain, *arguments, **changes), session)

    return copy


def route_of(path: str) -> Route | None:
    """Return what a request to this path is."""
    name = path.partition("?")[0].partition("/v1/")[2]
    if name == "messages":
        return _MESSAGES
    return FREE if name.startswith(_FREE) else None


def pick(message: Any) -> Json:
    """Return what counts of a message."""
    return picked(message, "id", "model", "usage")


def see(event: Any) -> tuple[Json | None, bool]:
    """Return what an event of a stream says: who answers, and the usage so far."""
    kind = read(event, "type")
    if kind == "message_start":
        return {"type": kind, "message": pick(read(event, "message"))}, False
    if kind == "message_delta":
        delta = picked(read(event, "delta"), "stop_reason")
        return {"type": kind, "delta": delta, **picked(event, "usage")}, False
    return ({"type": kind} if kind == "message_stop" else None), False


_MESSAGES = Route("messages", pick, lambda _hides: see)
