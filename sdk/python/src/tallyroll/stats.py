"""The numbers that a meter shows about itself."""

import msgspec


class Stats(msgspec.Struct, frozen=True, kw_only=True):
    """One consistent reading of a meter's counters. The unit is events unless said otherwise.

    At every moment: recorded + recovered = queued + in_flight + accepted + rejected + lost.
    A forked child counts from zero; what the parent recorded stays with the parent.
    """

    recorded: int = 0
    """Calls of `record()`, the malformed ones included."""
    queued: int = 0
    """Waiting, never handed to the transport yet. After `close()`: left in the spool."""
    in_flight: int = 0
    """Taken from the queue into the batch under way, without a final answer yet."""
    held: int = 0
    """The part of `in_flight` whose last attempt failed and that waits for the next one."""
    spooled: int = 0
    """The part of `queued` and `in_flight` that this process recorded and that is on disk, where it
    outlives the process. Always 0 without a spool."""
    unspooled: int = 0
    """Kept in memory since the spool could not be written (no room, no right): such an event has
    all other guarantees, but not that it outlives the process. Written to disk once that works."""
    recovered: int = 0
    """Read from what a dead process left in the spool."""
    damaged: int = 0
    """Stretches of the spool that could not be read and were set aside. The unit is stretches; the
    events that were in them are part of `lost`."""
    accepted: int = 0
    """The server answered that it has the event (durably)."""
    rejected: int = 0
    """Will never be accepted: refused by the server, or malformed at `record()`. See
    `Meter.rejected` for the reasons."""
    lost: int = 0
    """Never answered for and no longer kept: the buffer was full (`drop_new` or `raise`), the meter
    was closed before `record()`, the spool was damaged, or the time of `close()` ran out with
    events in memory only. Of the last kind some may have reached the server. The next request
    tells the server the number."""
    sent: int = 0
    """Handed to the transport, re-sends included: an event sent three times counts three."""
    retried: int = 0
    """The part of `sent` that was not an event's first time; sent - retried = distinct events."""
    requests: int = 0
    """Batches handed to the transport, re-sends included."""
    last_failure: str | None = None
    """Why the last failed attempt failed: `http_<status>`, `kafka_<error>`, `malformed_answer`, or
    the name of the exception; None if none ever failed."""
    spool_failure: str | None = None
    """Why the spool could not be written the last time, such as `ENOSPC`; None if it never
    failed."""


class Rejection(msgspec.Struct, frozen=True, kw_only=True):
    """Why one event will never be counted."""

    event_id: str
    code: str
    """Stable, snake_case."""
    field: str | None = None
    """The place in the event, such as `tokens.output_text`; None for the whole event."""
    message: str | None = None
