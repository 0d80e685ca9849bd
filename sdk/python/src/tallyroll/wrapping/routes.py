"""What a request to one address of a provider is, and how its answer is read."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tallyroll.usage.surface import Json

Body = dict[str, Any]
See = Callable[[Any], tuple[Json | None, bool]]
"""Chunk → what it says of usage, identity and price (None: nothing), and whether to hide it."""


def as_it_is(body: Body) -> tuple[Body, bool]:
    """Ask for nothing more than the caller does."""
    return body, False


@dataclass(frozen=True, slots=True)
class Standing:
    """How something stands that goes on without the request that began it."""

    ended: bool
    """Whether it will use nothing more."""
    once: str | None = None
    """Names it, for all who may see its end: it counts once, when somebody does. None: it counts
    with the request that began it."""
    occurred_at: datetime | None = None
    """When it was begun or ended, by the provider's clock: whoever sees it says the same."""


@dataclass(frozen=True)
class Route:
    """One surface behind an address."""

    api_surface: str
    pick: Callable[[Any], Json]
    """Answer (of the SDK, or as JSON) → its id, model, usage and terms; none of its content."""
    see: Callable[[bool], See] | None = None
    """What makes of a chunk what it says; told whether usage was asked for by us, and so hidden.
    Made anew for each stream. None: the surface does not stream."""
    ask: Callable[[Body], tuple[Body, bool]] = as_it_is
    """Body of a streaming request → the body to send, and whether it asks for usage unlike the
    caller's. The caller's body stays as it is."""
    standing: Callable[[Sequence[Json]], Standing | None] | None = None
    """What was picked of an answer → how it stands, None if nothing of it can ever count."""
    looks: bool = False
    """Whether the request uses nothing, and only looks at what another one began."""
    batch: bool = False


FREE = Route("free", lambda _answer: {})
"""A request that costs nothing: not metered, and not missed."""
