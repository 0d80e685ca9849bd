"""What a request to one address of a provider is, and how its answer is read."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tallyroll.usage.surface import Json
from tallyroll.wrapping.streams import See

Body = dict[str, Any]


def as_it_is(body: Body) -> tuple[Body, bool]:
    """Ask for nothing more than the caller does."""
    return body, False


@dataclass(frozen=True)
class Route:
    """One surface behind an address."""

    api_surface: str
    pick: Callable[[Any], Json]
    """Answer (of the SDK, or as JSON) → its id, model, usage and terms; none of its content."""
    see: Callable[[bool], See] | None = None
    """What makes of a chunk what it says; told whether usage was asked for by us, and so hidden.
    None: the surface does not stream."""
    ask: Callable[[Body], tuple[Body, bool]] = as_it_is
    """Body of a streaming request → the body to send, and whether it asks for usage unlike the
    caller's. The caller's body stays as it is."""
