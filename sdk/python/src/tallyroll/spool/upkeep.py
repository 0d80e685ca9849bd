"""What neither capture nor delivery waits for: syncing, and moving from memory to the disk."""

import threading
from collections.abc import Callable

from tallyroll.diagnostics import KindLog
from tallyroll.spool.intake import Intake
from tallyroll.spool.settings import Spool

RESPOOL_EVENTS = 100
"""Moved from memory to disk in one go at most: capture waits for it."""


class Upkeep:
    """Looks after an intake, under the lock that the buffer shares with it.

    `ended` tells whether the buffer has ended, `unsettled` how many of its events are unanswered.
    """

    def __init__(
        self,
        intake: Intake,
        settings: Spool,
        *,
        lock: threading.RLock,
        ended: Callable[[], bool],
        unsettled: Callable[[], int],
        log: KindLog,
    ) -> None:
        self._intake, self._lock, self._log = intake, lock, log
        self._syncs = settings.fsync == "interval"
        self._ended, self._unsettled = ended, unsettled

    def tend(self) -> bool:
        """Do what is to do now; True if there is more to do later."""
        if (failure := self._intake.failure) is not None:
            self._log.warn(f"spool:{failure}", "the spool cannot be written; memory is used")
        if self._syncs:
            self.sync()
        with self._lock:
            self._intake.replace_vanished(self._unsettled())
        more = True
        while more and not self._ended():
            with self._lock:
                more = self._intake.respool(RESPOOL_EVENTS)
        return bool(self._intake.memory) and not self._ended()

    def sync(self) -> None:
        """Have every event recorded before the call on the disk. Never raises."""
        with self._lock:
            own, self._intake.dirty = self._intake.own, False
            if own is None:
                return
            segments, current = own.segments(), own.writer.file
        try:
            own.sync(segments, current)
        except OSError as error:
            self._intake.note(error)
            self._log.warn("spool_sync", "the spool could not be synced to the disk")
