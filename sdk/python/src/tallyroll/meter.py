"""The meter: what user code holds."""

import os
from collections.abc import Callable
from datetime import UTC, datetime
from types import TracebackType
from typing import Self, Unpack
from uuid import UUID

import uuid_utils

from tallyroll import process
from tallyroll.budgets.decision import Enforce, OnAdvice
from tallyroll.budgets.methods import InBudget
from tallyroll.budgets.source import HintSource
from tallyroll.buffer import WhenFull
from tallyroll.capture import encode_event
from tallyroll.configuration import (
    BATCH_AGE_SECONDS,
    BATCH_EVENTS,
    EXIT_SECONDS_MAX,
    QUEUE_EVENTS_MAX,
    check_settings,
    destination_of,
    enforcer_of,
    limits,
    transport_from,
)
from tallyroll.context.attribution import completed
from tallyroll.context.methods import InContext
from tallyroll.corrections import Corrects
from tallyroll.delivery import Delivery
from tallyroll.diagnostics import KindLog
from tallyroll.event import (
    Fault,
    InvalidEventError,
    RecordedFields,
    checked_event_id,
    new_event_id,
)
from tallyroll.flushing import Flushes
from tallyroll.locks import ForkLock
from tallyroll.sender import Pause
from tallyroll.spool import Spool
from tallyroll.stats import Rejection, Stats
from tallyroll.transport import HTTPTransport, Transport

_fork_lock = ForkLock()


def utc_now() -> datetime:
    """Return the machine's time in UTC."""
    return datetime.now(UTC)


class Meter(InContext, Corrects, Flushes, InBudget):
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
    enforce        what `admit()`, which wrapped clients ask before each call, does about budgets.
                   None: nothing, and none are read. "advise": tells; "degrade": gives the model
                   that is suggested in place of one over its budget; "block": refuses calls that
                   begin a run over its budget. Unknown budgets allow
    budgets        who knows them: a URL, or a HintSource. Default: TALLYROLL_BUDGETS_ENDPOINT,
                   else the endpoint
    on_advice      called with the Decision when a budget is used up or nearly, once a minute for
                   each; without it a line is logged, once
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
        enforce: Enforce | None = None,
        budgets: str | HintSource | None = None,
        on_advice: OnAdvice | None = None,
        now: Callable[[], datetime] = utc_now,
        pause: Pause | None = None,
    ) -> None:
        super().__init__()
        check_settings(queue_events, when_full, batch_events)
        self._enforcer = enforcer_of(enforce, budgets, endpoint, api_key, on_advice=on_advice)
        self._own_transport: HTTPTransport | None = None
        destination = destination_of(spool, endpoint, api_key, own=transport)
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

    def now(self) -> datetime:
        """Return the time by this meter's clock, in UTC."""
        return self._now()

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
        if self._enforcer is not None:
            self._enforcer.close()
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
                if self._enforcer is not None:
                    self._enforcer.begin_in_child()

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
