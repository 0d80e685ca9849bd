"""The half of the buffer on disk that capture uses: keeping events, from any thread."""

import time
from collections import deque
from pathlib import Path

from tallyroll.accounts import Accounts
from tallyroll.buffer import BatchLimits, QueueFullError, WhenFull
from tallyroll.diagnostics import KindLog
from tallyroll.spool.intake import Intake
from tallyroll.spool.keeper import Keeper
from tallyroll.spool.settings import Spool
from tallyroll.spool.upkeep import Upkeep

RETRY_SECONDS = 1.0
"""Pause after a file could not be read, and before the disk is tried again."""


class Keeping(Accounts):
    """Keeps what is captured, and has it looked after by a thread of its own."""

    def __init__(
        self,
        destination: Path,
        settings: Spool,
        *,
        memory_events: int,
        when_full: WhenFull,
        batch: BatchLimits,
        log: KindLog,
    ) -> None:
        super().__init__()
        self._settings, self._when_full, self._batch, self._log = settings, when_full, batch, log
        self._blocks, self._syncs_always = when_full == "block", settings.fsync == "always"
        seconds = settings.fsync_seconds if settings.fsync == "interval" else RETRY_SECONDS
        self._keeper = Keeper(self._tend, seconds=seconds, log=log)
        self._intake = Intake(
            destination, settings, memory_events=memory_events, ask_keeper=self._keeper.ask
        )
        self._upkeep = Upkeep(
            self._intake,
            settings,
            lock=self._lock,
            ended=lambda: self._ended,
            unsettled=lambda: self._intake.kept - self._settled,
            log=log,
        )
        self._late: deque[bytes] = deque()
        self._draining = self._idle = False
        self._taken = 0
        """Events of this process that delivery has taken so far."""
        self._oldest_at = 0.0

    def append(self, frame: bytes) -> bool:
        with self._lock:
            if self._intake.busy:  # a finalizer or signal handler amid its own thread's append
                self._late.append(frame)
                return True
            if self._blocks:
                size = len(frame)
                self._changed.wait_for(lambda: self._sealed or not self._intake.is_full(size))
            kept = self._keep(frame)
            if self._late:
                self._keep_late()
        if not kept and self._when_full == "raise" and not self._sealed:
            raise QueueFullError(f"{self._settings.bytes_max} bytes wait already")
        if self._syncs_always:
            self._upkeep.sync()
        return kept

    def _keep(self, frame: bytes) -> bool:
        if not self._intake.keep(frame, sealed=self._sealed):
            return False
        waiting = self._intake.kept - self._taken
        if waiting == 1:
            self._oldest_at = time.monotonic()
        # The taker sleeps through the appends between the first and a full batch.
        if self._idle or waiting == self._batch.events:
            self._idle = False
            self._changed.notify_all()
        return True

    def _keep_late(self) -> None:
        if self._draining:
            return
        try:
            self._draining = True
            while self._late:  # kept before it is taken away: rather twice than not at all
                self._keep(self._late[0])
                self._late.popleft()
        finally:
            self._draining = False

    def _kept_through(self) -> int:
        return self._intake.kept

    def mark(self) -> int:
        with self._lock:
            self._keep_late()
            return super().mark()

    def _tend(self) -> bool:
        return self._upkeep.tend()

    def start(self) -> bool:
        """Start the keeper's thread if it does not run yet; True if there is no more to start."""
        return self._keeper.start()
