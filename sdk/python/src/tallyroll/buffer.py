"""What stands between capture and sender: on disk (tallyroll.spool) or in memory."""

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Literal, Protocol

import msgspec

from tallyroll.stats import Stats

_OPENING, _CLOSING = b'{"events":[', b"]}"
BODY_OVERHEAD = len(_OPENING) + len(_CLOSING)
"""Bytes of a body beside its events and the comma after each."""


WhenFull = Literal["drop_new", "block", "raise"]


class QueueFullError(RuntimeError):
    """An event was refused since the buffer is full; only with `when_full="raise"`."""


class _Identified(msgspec.Struct):
    event_id: str


_decode = msgspec.json.Decoder(_Identified).decode


class Batch:
    """Events that travel together, each as its JSON.

    The body is made once, so that a retry sends the same bytes; ids are read only if asked for.
    """

    def __init__(self, frames: Sequence[bytes]) -> None:
        assert frames
        self.frames = frames

    def __len__(self) -> int:
        return len(self.frames)

    @cached_property
    def body(self) -> bytes:
        """The request body, `{"events": [...]}`."""
        return _OPENING + b",".join(self.frames) + _CLOSING

    def event_id(self, index: int) -> str:
        """Return the id of an event; empty if that is none, which the server will say."""
        try:
            return _decode(self.frames[index]).event_id
        except msgspec.DecodeError:  # from the disk: whole, but nothing that we wrote
            return ""

    def halves(self) -> tuple["Batch", "Batch"]:
        """Split a batch of two or more events, order kept."""
        middle = len(self.frames) // 2
        return Batch(self.frames[:middle]), Batch(self.frames[middle:])


class BatchLimits(msgspec.Struct, frozen=True):
    """When a batch is ready: as soon as one of the three is reached."""

    events: int
    """At most, inclusive."""
    wire_bytes: int
    """At most, inclusive; an event above it travels alone."""
    age_seconds: float
    """Longest time that an event waits for company."""

    @property
    def payload_bytes(self) -> int:
        """Bytes of the events and a comma after each, at most."""
        return self.wire_bytes - BODY_OVERHEAD


class Buffer(Protocol):
    """Holds events from capture until their final answer, first in, first out, one batch at a time.

    Every method may be called from any thread.
    """

    def append(self, frame: bytes) -> bool:
        """Keep an event, given as its JSON; False if it is lost (full or sealed).

        Raises QueueFullError if so asked.
        """
        ...

    def refuse(self) -> None:
        """Count an event that was malformed at capture."""
        ...

    def take(self) -> Batch | None:
        """Wait for the next batch; None when the buffer has ended."""
        ...

    def attempted(self, events: int, *, again: int) -> None:
        """Count a request; `again` of its events had been sent before."""
        ...

    def hold(self, events: int, failure: str) -> None:
        """Count the events of a failed attempt as waiting for the next."""
        ...

    def settle(self, *, accepted: int, rejected: int) -> None:
        """Count final answers; the oldest unanswered events are meant."""
        ...

    def mark(self) -> int:
        """Ask for everything kept so far to be sent without delay; return a mark for it."""
        ...

    def settled(self, mark: int) -> bool:
        """Tell whether everything up to the mark has a final answer."""
        ...

    def call_when_settled(self, mark: int, callback: Callable[[], None]) -> None:
        """Call back once, from any thread, when `settled(mark)` or when the buffer ends."""
        ...

    def forget(self, callback: Callable[[], None]) -> None:
        """Drop a callback; one that is not there is no error."""
        ...

    def seal(self) -> None:
        """Keep nothing more; what is kept goes on being sent."""
        ...

    def end(self) -> int:
        """Stop; return how many events without a final answer are lost with that."""
        ...

    def abandon(self) -> None:
        """Let go, in a forked child, of what belongs to the parent."""
        ...

    def stats(self) -> Stats:
        """Return one consistent reading."""
        ...
