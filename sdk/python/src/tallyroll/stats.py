"""The numbers that a meter shows about itself."""

import msgspec


class Stats(msgspec.Struct, frozen=True, kw_only=True):
    """One consistent reading of a meter's counters. The unit is events unless said otherwise.

    At every moment: recorded = queued + in_flight + accepted + rejected + lost.
    A forked child counts from zero; what the parent recorded stays with the parent.
    """

    recorded: int = 0
    """Calls of `record()`, the malformed ones included."""
    queued: int = 0
    """Waiting in the queue, never handed to the transport yet."""
    in_flight: int = 0
    """Taken from the queue into the batch under way, without a final answer yet."""
    held: int = 0
    """The part of `in_flight` whose last attempt failed and that waits for the next one."""
    accepted: int = 0
    """The server answered that it has the event (durably)."""
    rejected: int = 0
    """Will never be accepted: refused by the server, or malformed at `record()`. See
    `Meter.rejected` for the reasons."""
    lost: int = 0
    """Never answered for and no longer kept: the queue was full (`when_full="drop_new"`), the
    meter was closed before `record()`, or the time of `close()` ran out. Of the last kind some may
    have reached the server."""
    sent: int = 0
    """Handed to the transport, re-sends included: an event sent three times counts three."""
    retried: int = 0
    """The part of `sent` that was not an event's first time; sent - retried = distinct events."""
    requests: int = 0
    """Batches handed to the transport, re-sends included."""
    last_failure: str | None = None
    """Why the last failed attempt failed: `http_<status>`, `malformed_answer`, or the name of the
    exception; None if none ever failed."""


class Rejection(msgspec.Struct, frozen=True, kw_only=True):
    """Why one event will never be counted."""

    event_id: str
    code: str
    """Stable, snake_case."""
    field: str | None = None
    """The place in the event, such as `tokens.output_text`; None for the whole event."""
    message: str | None = None
