"""What one process of a meter works with: a buffer, a sender, and the accounts of rejections."""

from collections import deque
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

from tallyroll.buffer import BatchLimits, Buffer, QueueFullError, WhenFull
from tallyroll.diagnostics import KindLog
from tallyroll.memory import MemoryBuffer
from tallyroll.sender import Pause, Sender
from tallyroll.spool import Spool
from tallyroll.stats import Rejection
from tallyroll.transport import Transport

if TYPE_CHECKING:
    from pathlib import Path

    from tallyroll.spool.about import Owner
    from tallyroll.spool.buffer import SpoolBuffer
    from tallyroll.spool.deadletters import DeadLetters

REJECTIONS_KEPT_MAX = 1_000
THREAD_END_SECONDS_MAX = 1.0
"""How long the end of a meter waits for a request that is on the wire."""


class Delivery:
    """Begins from nothing; a forked child gets one of its own.

    `destination` is the spool's folder and whose it is, None for a buffer in memory of
    `queue_events` events.
    """

    def __init__(
        self,
        transport: Transport,
        *,
        destination: "tuple[Path, Owner] | None",
        spool: Spool,
        queue_events: int,
        when_full: WhenFull,
        batch: BatchLimits,
        now: Callable[[], datetime],
        pause: Pause | None,
    ) -> None:
        self._log = KindLog()
        self._started = False
        self.rejections: deque[Rejection] = deque(maxlen=REJECTIONS_KEPT_MAX)
        self._spool: SpoolBuffer | None = None
        self._dead_letters: DeadLetters | None = None
        if destination is not None:
            # With the first meter, not with the package: whoever only imports it pays little.
            from tallyroll.spool import buffer, deadletters  # noqa: PLC0415

            folder, owner = destination
            self._dead_letters = deadletters.DeadLetters(folder, now=now)
            self._spool = buffer.SpoolBuffer(
                folder,
                spool,
                memory_events=queue_events,
                when_full=when_full,
                batch=batch,
                log=self._log,
                owner=owner,
            )
        self.buffer: Buffer = self._spool or MemoryBuffer(
            limit=queue_events, when_full=when_full, batch=batch
        )
        self._sender = Sender(
            transport,
            self.buffer,
            on_rejected=self._on_rejected,
            now=now,
            pause=pause,
            log=self._log,
        )

    def start_if_others_were_here(self) -> None:
        """Start the threads at once if events of dead processes may wait; else with the first."""
        if self._spool is not None and self._spool.predecessors():
            self._start()

    def _start(self) -> None:
        runs = self._sender.start()
        if self._spool is not None:
            runs = self._spool.start() and runs
        self._started = runs

    def keep(self, frame: bytes) -> None:
        """Take one event, given as its JSON.

        Raises QueueFullError if the user asked for that, and nothing else.
        """
        try:
            if not self._started:
                self._start()
            if self.buffer.append(frame):
                return
        except QueueFullError:
            raise
        except Exception as error:  # noqa: BLE001  never break the program that is metered
            self._log.warn("internal", f"an event may be lost: {type(error).__name__}")
            return
        self._log.warn("event_lost", "events are lost: the buffer is full or the meter closed")

    def reject(self, rejection: Rejection) -> None:
        """Note an event that will never be counted."""
        self.rejections.append(rejection)
        self._log.warn(f"rejected:{rejection.code}", "an event was rejected; see Meter.rejected")

    def _on_rejected(self, rejection: Rejection, frame: bytes) -> None:
        if self._dead_letters is not None and not self._dead_letters.keep(rejection, frame):
            self._log.warn("dead_letter_lost", "a rejected event could not be kept")
        self.reject(rejection)

    def end(self) -> bool:
        """Stop; True if the sender's thread has ended, so that nothing uses the transport."""
        ended = self._sender.stop(0)
        if not ended and self.buffer.stats().in_flight:
            ended = self._sender.stop(THREAD_END_SECONDS_MAX)
        lost = self.buffer.end()
        if lost:
            self._log.warn("unsent", f"{lost} events were unsent when the meter ended")
        left = self.buffer.stats().spooled
        if left:
            self._log.warn("left", f"{left} events wait in the spool for the next process")
        return ended or self._sender.stop(THREAD_END_SECONDS_MAX)

    def abandon(self) -> None:
        """Let go, in a forked child, of what belongs to the parent."""
        self.buffer.abandon()
