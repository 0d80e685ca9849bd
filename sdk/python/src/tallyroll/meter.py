"""The meter: what user code holds."""

import asyncio
import contextlib
import os
import threading
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from types import TracebackType
from typing import Self, Unpack
from uuid import UUID

import uuid_utils

from tallyroll import process
from tallyroll.buffer import BatchLimits, Buffer, Entry
from tallyroll.capture import encode_event, encode_void
from tallyroll.diagnostics import KindLog
from tallyroll.event import (
    EventFields,
    Fault,
    InvalidEventError,
    RecordedFields,
    checked_event_id,
    new_event_id,
)
from tallyroll.memory import MemoryBuffer, WhenFull
from tallyroll.sender import Pause, Sender
from tallyroll.stats import Rejection, Stats
from tallyroll.transport import HTTPTransport, Transport

QUEUE_EVENTS_MAX = 100_000
BATCH_EVENTS = 500
BATCH_EVENTS_MAX = 1_000
"""The server takes no more in one request, inclusive."""
BATCH_BYTES_MAX = 1_572_864
BATCH_AGE_SECONDS = 0.2
REJECTIONS_KEPT_MAX = 1_000
EXIT_SECONDS_MAX = 5.0
THREAD_END_SECONDS_MAX = 1.0
"""How long the end of a meter waits for a request that is on the wire."""

_fork_lock = threading.Lock()


def utc_now() -> datetime:
    """Return the machine's time in UTC."""
    return datetime.now(UTC)


class Meter:
    """Records token events and delivers them in the background, each counted once.

    `endpoint` and `api_key` come from TALLYROLL_ENDPOINT and TALLYROLL_API_KEY if left out, and
    are not needed with a `transport` of one's own (which the caller closes). Only construction
    raises (ValueError for settings that cannot work); `record()` never does, unless `strict`.

    strict         raise InvalidEventError (a ValueError) for a malformed event: for development
    queue_events   waiting events kept at most
    when_full      "drop_new": a full queue loses the new event and counts it as lost;
                   "block": `record()` waits for room, for programs that prefer to be slow
    batch_events   1 to 1,000 inclusive
    batch_age      seconds that an event waits for company at most
    exit_timeout   seconds that the end of the program waits for unsent events at most
    now, pause     the clock and the wait between two attempts, replaceable in tests

    Safe to use from many threads. After a fork the child has an empty meter of its own and the
    parent keeps its events. A child that leaves through `os._exit()`, as those of
    `multiprocessing` do, has to call `flush()` or `close()` first.
    """

    def __init__(
        self,
        endpoint: str | None = None,
        api_key: str | None = None,
        *,
        transport: Transport | None = None,
        strict: bool = False,
        queue_events: int = QUEUE_EVENTS_MAX,
        when_full: WhenFull = "drop_new",
        batch_events: int = BATCH_EVENTS,
        batch_age: float = BATCH_AGE_SECONDS,
        exit_timeout: float = EXIT_SECONDS_MAX,
        now: Callable[[], datetime] = utc_now,
        pause: Pause | None = None,
    ) -> None:
        _check_settings(queue_events, when_full, batch_events)
        self._own_transport: HTTPTransport | None = None
        if transport is None:
            transport = self._own_transport = _transport_from(endpoint, api_key)
        self._transport: Transport = transport
        self._strict, self._now, self._pause = strict, now, pause
        self._exit_timeout, self._closed = exit_timeout, False
        self._queue_events, self._when_full = queue_events, when_full
        self._batch = BatchLimits(batch_events, BATCH_BYTES_MAX, batch_age)
        self._begin()
        process.follow(self, in_child=self._begin, at_exit=self._at_exit)

    def record(
        self, *, event_id: str | UUID | None = None, **fields: Unpack[RecordedFields]
    ) -> str:
        """Keep one event for delivery and return its id, at once, whatever happens to it later.

        The id is minted here (UUIDv7) unless given, and stays the same over every retry. A
        malformed event is counted as rejected, put into `rejected` and logged once per kind;
        a strict meter raises InvalidEventError with all its faults instead.
        """
        return self._capture(event_id, lambda identity: encode_event(identity, fields, self._now))

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
        correction = _correction(corrects, "void", revision, reason)
        return self._capture(event_id, lambda identity: encode_void(identity, correction, tenant))

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
        return self._keep(identity, frame)

    def flush(self, timeout: float = 30.0) -> bool:
        """Send now; True when every event recorded before the call has its final answer.

        False when the time ran out, or the meter ended, with some unanswered. Lost events are no
        longer waited for: see `stats().lost`.
        """
        buffer = self._buffer
        mark = buffer.mark()
        done = threading.Event()
        buffer.call_when_settled(mark, done.set)
        done.wait(timeout)
        buffer.forget(done.set)
        return buffer.settled(mark)

    async def aflush(self, timeout: float = 30.0) -> bool:  # noqa: ASYNC109  same as flush()
        """Do what `flush()` does without blocking the event loop."""
        buffer = self._buffer
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
        return self._buffer.stats()

    @property
    def rejected(self) -> list[Rejection]:
        """The latest rejections, oldest first, at most REJECTIONS_KEPT_MAX of them."""
        return list(self._rejections)

    def close(self, timeout: float = 30.0) -> bool:
        """Deliver what is there and end; True if nothing stayed unanswered.

        What is unsent when the time runs out counts as lost and is logged. A second call does
        nothing. An event recorded after the call is lost, and counted.
        """
        self._closed = True
        self._buffer.seal()
        flushed = self.flush(timeout)
        self._end()
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
        self._log = KindLog()
        self._rejections: deque[Rejection] = deque(maxlen=REJECTIONS_KEPT_MAX)
        self._buffer: Buffer = MemoryBuffer(
            limit=self._queue_events, when_full=self._when_full, batch=self._batch
        )
        self._sender = Sender(
            self._transport,
            self._buffer,
            on_rejected=self._on_rejected,
            now=self._now,
            pause=self._pause,
            log=self._log,
        )
        self._process = os.getpid()

    def _begin_in_child(self) -> None:
        # Only for forks that bypass Python's own hook, such as those of an embedding server.
        with _fork_lock:
            if os.getpid() != self._process:
                uuid_utils.reseed_rng()
                self._begin()

    def _keep(self, identity: str, frame: bytes) -> str:
        self._sender.start()
        if not self._buffer.append(Entry(identity, frame)):
            self._log.warn("event_lost", "events are lost: the queue is full or the meter closed")
        return identity

    def _refuse(self, identity: str | None, faults: list[Fault]) -> str:
        identity = identity or new_event_id()
        self._buffer.refuse()
        message = "; ".join(f"{fault.field}: {fault.message}" for fault in faults)
        self._on_rejected(
            Rejection(
                event_id=identity, code=faults[0].code, field=faults[0].field, message=message
            )
        )
        return identity

    def _on_rejected(self, rejection: Rejection) -> None:
        self._rejections.append(rejection)
        self._log.warn(f"rejected:{rejection.code}", "an event was rejected; see Meter.rejected")

    def _end(self) -> None:
        ended = self._sender.stop(0)
        if not ended and self._buffer.stats().in_flight:
            ended = self._sender.stop(THREAD_END_SECONDS_MAX)
        unsent = self._buffer.end()
        if unsent:
            self._log.warn("unsent", f"{unsent} events were unsent when the meter ended")
        if self._own_transport is not None and (ended or self._sender.stop(THREAD_END_SECONDS_MAX)):
            self._own_transport.close()
        process.leave(self)

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


def _check_settings(queue_events: int, when_full: str, batch_events: int) -> None:
    if queue_events < 1:
        raise ValueError("queue_events must be at least 1")
    if when_full not in ("drop_new", "block"):
        raise ValueError("when_full must be 'drop_new' or 'block'")
    if not 1 <= batch_events <= BATCH_EVENTS_MAX:
        raise ValueError(f"batch_events must be from 1 to {BATCH_EVENTS_MAX}")


def _transport_from(endpoint: str | None, api_key: str | None) -> HTTPTransport:
    endpoint = endpoint or os.environ.get("TALLYROLL_ENDPOINT")
    api_key = api_key or os.environ.get("TALLYROLL_API_KEY")
    if not endpoint:
        raise ValueError("no endpoint: pass endpoint= or set TALLYROLL_ENDPOINT")
    if not api_key:
        raise ValueError("no API key: pass api_key= or set TALLYROLL_API_KEY")
    return HTTPTransport(endpoint, api_key)
