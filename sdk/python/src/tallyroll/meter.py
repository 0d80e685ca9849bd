"""The meter: what user code holds."""

import contextlib
import os
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from types import TracebackType
from typing import Literal, Self, Unpack
from uuid import UUID

import uuid_utils

from tallyroll import process
from tallyroll.buffer import WhenFull
from tallyroll.capture import encode_event, encode_void
from tallyroll.configuration import (
    BATCH_AGE_SECONDS,
    BATCH_EVENTS,
    EXIT_SECONDS_MAX,
    QUEUE_EVENTS_MAX,
    check_settings,
    destination_of,
    limits,
    transport_from,
)
from tallyroll.context.attribution import completed
from tallyroll.context.methods import InContext
from tallyroll.delivery import Delivery
from tallyroll.diagnostics import KindLog
from tallyroll.event import (
    CorrectedFields,
    EventFields,
    Fault,
    InvalidEventError,
    RecordedFields,
    checked_event_id,
    new_event_id,
)
from tallyroll.sender import Pause
from tallyroll.spool import Spool
from tallyroll.stats import Rejection, Stats
from tallyroll.transport import HTTPTransport, Transport

_fork_lock = threading.Lock()


def utc_now() -> datetime:
    """Return the machine's time in UTC."""
    return datetime.now(UTC)


class Meter(InContext):
    """Records token events and delivers them in the background, each counted once.

    `endpoint` and `api_key` come from TALLYROLL_ENDPOINT and TALLYROLL_API_KEY if left out, and
    are not needed with a `transport` of one's own, which the caller closes. (To spool, it needs the
    key or an account, which say whose events they are.) Only construction raises (ValueError for
    settings that cannot work); `record()` never does, unless `strict` or `when_full="raise"`.

    spool          events are on disk from `record()` to the final answer, see `Spool`. Default: on,
                   unless TALLYROLL_SPOOL=off or a `transport` is given. False: in memory; True or
                   a `Spool`: on, whatever the transport
    strict         raise InvalidEventError (a ValueError) for a malformed event: for development
    queue_events   events kept in memory at most, without a spool or while it cannot be written
    when_full      "drop_new": a full buffer loses the new event and counts it as lost;
                   "block": `record()` waits for room, for programs that prefer to be slow;
                   "raise": `record()` raises QueueFullError, and the event counts as lost
    batch_events   1 to 1,000 inclusive
    batch_age      seconds that an event waits for company at most
    exit_timeout   seconds that the end of the program waits for unsent events at most
    now, pause     the clock and the wait between two attempts, replaceable in tests

    Safe to use from many threads. After a fork the child has an empty meter of its own and the
    parent keeps its events. A child that leaves through `os._exit()` leaves them in the spool, for
    whichever process comes next; without a spool it has to call `flush()` or `close()` first.
    """

    def __init__(
        self,
        endpoint: str | None = None,
        api_key: str | None = None,
        *,
        transport: Transport | None = None,
        spool: Spool | bool | None = None,
        strict: bool = False,
        queue_events: int = QUEUE_EVENTS_MAX,
        when_full: WhenFull = "drop_new",
        batch_events: int = BATCH_EVENTS,
        batch_age: float = BATCH_AGE_SECONDS,
        exit_timeout: float = EXIT_SECONDS_MAX,
        now: Callable[[], datetime] = utc_now,
        pause: Pause | None = None,
    ) -> None:
        super().__init__()
        check_settings(queue_events, when_full, batch_events)
        self._own_transport: HTTPTransport | None = None
        destination = destination_of(spool, endpoint, api_key, own=transport is not None)
        if transport is None:
            transport = self._own_transport = transport_from(endpoint, api_key)
        self._transport: Transport = transport
        self._strict, self._now = strict, now
        self._exit_timeout, self._closed = exit_timeout, False
        self._make_delivery: Callable[[], Delivery] = lambda: Delivery(
            transport,
            destination=destination,
            spool=spool if isinstance(spool, Spool) else Spool(),
            queue_events=queue_events,
            when_full=when_full,
            batch=limits(batch_events, batch_age),
            now=now,
            pause=pause,
        )
        self._begin()
        self._delivery.start_if_others_were_here()
        process.follow(self, in_child=self._begin_in_child, at_exit=self._at_exit)

    def record(
        self, *, event_id: str | UUID | None = None, **fields: Unpack[RecordedFields]
    ) -> str:
        """Keep one event for delivery and return its id, at once, whatever happens to it later.

        The id is minted here (UUIDv7) unless given, and stays the same over every retry. What the
        event leaves out of tenant, agent, run and so on comes from the scope around (`context()`).
        A malformed event is counted as rejected, put into `rejected` and logged once per kind;
        a strict meter raises InvalidEventError with all its faults instead.
        """
        around = self._scopes.attribution()
        return self._capture(
            event_id,
            lambda identity: encode_event(identity, completed(fields, around), self._now),
        )

    def correct(
        self,
        corrects: str | UUID,
        *,
        action: Literal["replace", "void"] = "replace",
        revision: int,
        reason: str = "",
        event_id: str | UUID | None = None,
        **fields: Unpack[CorrectedFields],
    ) -> str:
        """Correct an event by its id: as `replace()` does, or with `action="void"` as `void()`.

        Nothing comes from the scope around: a correction is made elsewhere than what it corrects.
        """
        correction = _correction(corrects, action, revision, reason)
        if action == "void":
            return self._capture(
                event_id, lambda identity: encode_void(identity, correction, fields)
            )
        return self._capture(
            event_id,
            lambda identity: encode_event(identity, fields, self._now, correction=correction),
        )

    def replace(
        self,
        corrects: str | UUID,
        *,
        revision: int,
        reason: str = "",
        event_id: str | UUID | None = None,
        **fields: Unpack[EventFields],
    ) -> str:
        """Correct an event: `fields` count in place of what it said. Return the correction's id.

        `corrects` is the id of the first event, `revision` at least 1: of several corrections the
        highest wins, whatever order they arrive in. Needs a key with `events:correct`. Otherwise
        like `record()`.
        """
        correction = _correction(corrects, "replace", revision, reason)
        return self._capture(
            event_id,
            lambda identity: encode_event(identity, fields, self._now, correction=correction),
        )

    def void(
        self,
        corrects: str | UUID,
        *,
        revision: int,
        reason: str = "",
        tenant: str | None = None,
        event_id: str | UUID | None = None,
    ) -> str:
        """Take an event back: it counts nothing from now on. Otherwise like `replace()`."""
        correction, fields = _correction(corrects, "void", revision, reason), {"tenant": tenant}
        return self._capture(event_id, lambda identity: encode_void(identity, correction, fields))

    def _capture(self, event_id: str | UUID | None, encode: Callable[[str], bytes]) -> str:
        if os.getpid() != self._process and not self._closed:
            self._begin_in_child()
        identity = None
        try:
            identity = new_event_id() if event_id is None else checked_event_id(event_id)
            frame = encode(identity)
        except InvalidEventError as error:
            if self._strict:
                raise
            return self._refuse(identity, error.faults)
        except Exception as error:  # never break the program that is metered
            fault = Fault("capture_failed", "event", type(error).__name__)
            if self._strict:
                raise InvalidEventError([fault]) from error
            return self._refuse(identity, [fault])
        self._delivery.keep(frame)
        return identity

    def flush(self, timeout: float = 30.0) -> bool:
        """Send now; True when every event recorded before the call has its final answer.

        False when the time ran out, or the meter ended, with some unanswered. Lost events are no
        longer waited for: see `stats().lost`.
        """
        buffer = self._delivery.buffer
        mark = buffer.mark()
        done = threading.Event()
        buffer.call_when_settled(mark, done.set)
        done.wait(timeout)
        buffer.forget(done.set)
        return buffer.settled(mark)

    async def aflush(self, timeout: float = 30.0) -> bool:  # noqa: ASYNC109  same as flush()
        """Do what `flush()` does without blocking the event loop."""
        import asyncio  # noqa: PLC0415  whoever awaits has it already; others need not pay for it

        buffer = self._delivery.buffer
        mark = buffer.mark()
        loop = asyncio.get_running_loop()
        done = asyncio.Event()

        def wake() -> None:
            with contextlib.suppress(RuntimeError):  # the loop was closed meanwhile
                loop.call_soon_threadsafe(done.set)

        buffer.call_when_settled(mark, wake)
        try:
            async with asyncio.timeout(timeout):
                await done.wait()
        except TimeoutError:
            pass
        finally:
            buffer.forget(wake)
        return buffer.settled(mark)

    def stats(self) -> Stats:
        """Return the counters of this process, read at one moment."""
        return self._delivery.buffer.stats()

    @property
    def rejected(self) -> list[Rejection]:
        """The latest rejections, oldest first, at most REJECTIONS_KEPT_MAX of them."""
        return list(self._delivery.rejections)

    def close(self, timeout: float = 30.0) -> bool:
        """Deliver what is there and end; True if nothing stayed unanswered.

        What is unsent when the time runs out stays in the spool for the next process; without a
        spool it counts as lost. Either is logged. A second call does nothing. An event recorded
        after the call is lost, and counted.
        """
        self._closed = True
        self._delivery.buffer.seal()
        flushed = self.flush(timeout)
        if self._delivery.end() and self._own_transport is not None:
            self._own_transport.close()
        process.leave(self)
        return flushed

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Meter({self._transport!r})"

    def _begin(self) -> None:
        """Start from nothing: at construction, and in a forked child."""
        self._delivery = self._make_delivery()
        self._log = KindLog()
        self._process = os.getpid()

    def _begin_in_child(self) -> None:
        # Also called by `record()`, for forks that bypass Python's own hook, such as those of an
        # embedding server.
        with _fork_lock:
            if os.getpid() != self._process:
                uuid_utils.reseed_rng()
                self._delivery.abandon()
                self._begin()

    def _refuse(self, identity: str | None, faults: list[Fault]) -> str:
        identity = identity or new_event_id()
        self._delivery.buffer.refuse()
        message = "; ".join(f"{fault.field}: {fault.message}" for fault in faults)
        self._delivery.reject(
            Rejection(
                event_id=identity, code=faults[0].code, field=faults[0].field, message=message
            )
        )
        return identity

    def _at_exit(self) -> None:
        if self._process == os.getpid():
            self.close(self._exit_timeout)


def _correction(corrects: str | UUID, action: str, revision: int, reason: str) -> dict[str, object]:
    target = corrects if isinstance(corrects, str) else str(corrects)
    return {
        "corrects": target,
        "action": action,
        "revision": revision,
        "reason": reason or None,
    }
