"""The buffer on disk, with memory behind it for the time that the disk cannot be written."""

import errno
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

import msgspec

from tallyroll.accounts import Accounts, call_all
from tallyroll.buffer import Batch, BatchLimits, Entry, QueueFullError, WhenFull, entry_of
from tallyroll.diagnostics import KindLog
from tallyroll.spool.disk import AdoptedLog, Adoption, OwnLog
from tallyroll.spool.frames import OVERHEAD
from tallyroll.spool.keeper import Keeper
from tallyroll.spool.log import Damage, Log, Stretch
from tallyroll.spool.settings import Spool
from tallyroll.spool.underway import UnderWay
from tallyroll.stats import Stats

RETRY_SECONDS = 1.0
"""Pause after a file could not be read, and before the disk is tried again."""
RESPOOL_EVENTS = 100
"""Moved from memory to disk in one go at most: capture waits for it."""


class SpoolBuffer(Accounts):
    """Keeps every event on disk from capture to its final answer.

    Events of this process go out in the order of their capture. Those in memory, if there are any,
    are always the latest, so nothing is written to the disk past them.

    What was kept is never counted beside, but taken from what is there: an exception that a signal
    handler raises amid `append` cannot part the two.
    """

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
        self._destination, self._settings, self._log = destination, settings, log
        self._memory_events, self._when_full, self._batch = memory_events, when_full, batch
        self._adoption = Adoption(destination)
        self._own: OwnLog | None = None
        self._memory: deque[bytes] = deque()
        self._late: deque[bytes] = deque()
        self._busy = self._draining = self._down = self._dirty = self._idle = False
        self._bytes = self._taken = self._unspooled = self._recovered = self._damaged = 0
        self._appended = self._written_before = self._sent_from_memory = 0
        self._oldest_at = 0.0
        self._own_came_last = False
        self._under_way: UnderWay | None = None
        self._spool_failure: str | None = None
        seconds = settings.fsync_seconds if settings.fsync == "interval" else RETRY_SECONDS
        self._keeper = Keeper(self.tend, seconds=seconds, log=log)

    # ---- capture

    def append(self, entry: Entry) -> bool:
        with self._lock:
            if self._busy:  # a finalizer or signal handler amid an append of its own thread
                self._late.append(entry.frame)
                return True
            if self._when_full == "block":
                self._wait_for_room(len(entry.frame))
            kept = self._keep(entry.frame)
            self._keep_late()
        if not kept and self._when_full == "raise" and not self._sealed:
            raise QueueFullError(f"{self._settings.bytes_max} bytes wait already")
        if self._settings.fsync == "always":
            self.sync()
        return kept

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

    def _keep(self, frame: bytes) -> bool:
        try:
            self._busy = True
            self._appended += 1
            if self._sealed or self._is_full(len(frame)) or not self._store(frame):
                return False
        finally:
            self._busy = False
        waiting = self._kept_through() - self._taken
        if waiting == 1:
            self._oldest_at = time.monotonic()
        # The taker sleeps through the appends between the first and a full batch.
        if self._idle or waiting == self._batch.events:
            self._idle = False
            self._changed.notify_all()
        return True

    def _kept_through(self) -> int:
        written = self._own.writer.written if self._own is not None else 0
        return self._written_before + written + self._sent_from_memory + len(self._memory)

    def mark(self) -> int:
        with self._lock:
            self._keep_late()
            return super().mark()

    def _is_full(self, size: int) -> bool:
        # A spool that is empty takes an event of any size.
        return self._bytes > 0 and self._bytes + size + OVERHEAD > self._settings.bytes_max

    def _wait_for_room(self, size: int) -> None:
        self._changed.wait_for(lambda: self._sealed or not self._is_full(size))

    def _store(self, frame: bytes) -> bool:
        if self._spool(frame):
            return True
        if len(self._memory) >= self._memory_events:
            return False
        self._memory.append(frame)
        self._unspooled += 1
        self._keeper.ask()
        return True

    def _spool(self, frame: bytes) -> bool:
        if self._memory or self._down:
            return False
        return self._write(frame)

    def _write(self, frame: bytes) -> bool:
        try:
            if self._own is None:
                size = self._settings.segment_bytes
                self._own = OwnLog(self._destination, segment_bytes=size)
            self._bytes += self._own.writer.append(frame)
        except OSError as error:
            self._down = True
            self._spool_failure = errno.errorcode.get(error.errno or 0, type(error).__name__)
            return False
        if not self._dirty:
            self._dirty = True
            if self._settings.fsync == "interval":
                self._keeper.ask()
        return True

    # ---- what the keeper does

    def start(self) -> None:
        """Start the keeper's thread if it does not run yet; never raises."""
        self._keeper.start()

    def predecessors(self) -> bool:
        """Tell whether others have been here, so that their events may wait."""
        return self._adoption.candidates()

    def tend(self) -> None:
        """Sync what was written, and move what is in memory to the disk."""
        if self._spool_failure is not None:
            self._log.warn(
                f"spool:{self._spool_failure}", "the spool cannot be written; memory is used"
            )
        if self._settings.fsync == "interval":
            self.sync()
        self._replace_vanished()
        self._down = False
        while self._memory and not self._down and not self._ended:
            with self._lock:
                self._respool(RESPOOL_EVENTS)
        if self._memory and not self._ended:
            self._keeper.ask()

    def _respool(self, events: int) -> None:
        for _ in range(min(events, len(self._memory))):
            if not self._write(self._memory[0]):
                return
            self._memory.popleft()

    def _replace_vanished(self) -> None:
        """Begin a new folder if somebody deleted ours, once nothing of it is unanswered."""
        with self._lock:
            own = self._own
            if own is None or not self._down or own.folder.path.exists():
                return
            if self._kept_through() - self._settled == len(self._memory):
                own.folder.release()
                self._written_before += own.writer.written
                self._own = None

    def sync(self) -> None:
        """Have every event recorded before the call on the disk. Never raises."""
        with self._lock:
            own, self._dirty = self._own, False
            if own is None:
                return
            segments, current = own.segments(), own.writer.file
        try:
            own.sync(segments, current)
        except OSError as error:
            self._spool_failure = errno.errorcode.get(error.errno or 0, type(error).__name__)
            self._log.warn("spool_sync", "the spool could not be synced to the disk")

    # ---- delivery: one thread

    def take(self) -> Batch | None:
        while (source := self._next_source()) is not None:
            try:
                batch = source()
            except OSError:
                batch = None
                with self._changed:
                    self._changed.wait(RETRY_SECONDS)
            if batch is not None:
                return batch
        return None

    def _next_source(self) -> Callable[[], Batch | None] | None:
        with self._changed:
            while not self._ended:
                now = time.monotonic()
                if now >= self._adoption.due_at:
                    return self._adopt
                own = self._patience(now)
                adopted = bool(self._adoption.held)
                if own == 0 and not (adopted and self._own_came_last):
                    return self._take_own
                if adopted:
                    return self._take_adopted
                self._idle = own is None
                idle = self._adoption.due_at - now
                self._changed.wait(idle if own is None else min(own, idle))
            return None

    def _patience(self, now: float) -> float | None:
        """Seconds until a batch is ready by age: 0 if one is ready now, None if nothing waits."""
        waiting = self._kept_through() - self._taken
        if waiting == 0:
            return None
        if self._taken < self._urgent_through or waiting >= self._batch.events:
            return 0
        return max(0, self._oldest_at + self._batch.age_seconds - now)

    def _adopt(self) -> None:
        for adopted in self._adoption.look():
            with self._lock:
                if self._ended:
                    adopted.log.folder.release()
                else:
                    self._adoption.held.append(adopted)
                    self._bytes += adopted.unread_bytes

    def _take_own(self) -> Batch | None:
        self._own_came_last = True
        with self._lock:
            own = self._own
            segments = own.segments() if own is not None else []
            if own is None or self._kept_through() - self._taken <= len(self._memory):
                return self._take_memory()
        found = own.log.read(segments, self._batch)
        return self._begin(own.log, found, is_own=True)

    def _take_memory(self) -> Batch | None:
        payloads: list[bytes] = []
        room = self._batch.payload_bytes
        while self._memory and len(payloads) < self._batch.events:
            room -= len(self._memory[0]) + 1
            if payloads and room < 0:
                break
            payloads.append(self._memory.popleft())
            self._sent_from_memory += 1
        return self._begin(None, Stretch(payloads, []), is_own=True)

    def _take_adopted(self) -> Batch | None:
        self._own_came_last = False
        adopted = self._adoption.held[0]
        found = adopted.log.read(adopted.segments, self._batch)
        if found is None:
            self._let_go(adopted)
        return self._begin(adopted.log, found, is_own=False)

    def _let_go(self, adopted: AdoptedLog) -> None:
        """Delete a folder that is answered to its end."""
        with self._lock:
            if self._ended:
                return
            self._adoption.held.popleft()
            if not self._adoption.held:
                self._adoption.due_at = 0.0  # there may be more than could be held
        adopted.log.folder.remove()

    def _begin(
        self, log: Log | None, found: Stretch | Damage | None, *, is_own: bool
    ) -> Batch | None:
        if isinstance(found, Damage):
            assert log is not None
            self._lose(log, found, is_own=is_own)
        if not isinstance(found, Stretch) or not found.payloads:
            return None
        batch = Batch([entry_of(payload) for payload in found.payloads])
        with self._lock:
            if self._ended:
                return None
            self._in_flight = len(found.payloads)
            self._under_way = UnderWay(log, found, is_own=is_own)
            if is_own:
                self._taken += len(found.payloads)
            else:
                self._recovered += len(found.payloads)
        return batch

    def _lose(self, log: Log, damage: Damage, *, is_own: bool) -> None:
        """Count what a damaged stretch held, keep its bytes, and go past it."""
        self._log.warn("spool_damaged", "a part of the spool is damaged and was set aside")
        if damage.data:
            log.folder.set_aside(damage.at, damage.data)
        with self._lock:
            if self._ended:
                return
            self._damaged += 1
            self._lost += damage.missing
            self._bytes -= len(damage.data)
            if is_own:
                self._taken += damage.missing
                self._settled += damage.missing
            else:
                self._recovered += damage.missing
            log.folder.acknowledge(damage.after)
            due = self._due_callbacks()
        call_all(due)

    def settle(self, *, accepted: int, rejected: int) -> None:
        answered = accepted + rejected
        with self._lock:
            under_way = self._under_way
            if self._ended or under_way is None:
                return  # an answer after the end: these events are left to the next process
            self._accepted += accepted
            self._rejected += rejected
            self._in_flight -= answered
            if under_way.is_own:
                self._settled += answered
            self._bytes -= under_way.answer(answered)
            due = self._due_callbacks()
            self._changed.notify_all()
        self._delete_answered(under_way)
        call_all(due)

    def _delete_answered(self, under_way: UnderWay) -> None:
        log, position = under_way.log, under_way.position
        if log is None or position is None:
            return
        if not under_way.is_own or self._own is None:
            first = log.deleted_before
            gone = range(first, position.segment)
        else:
            with self._lock:
                gone = self._own.forget_before(position.segment)
        if gone:
            log.deleted_before = position.segment
            log.folder.remove_segments(gone.start, gone.stop - 1)

    # ---- the end

    def end(self) -> int:
        self._keeper.stop()
        self.sync()
        with self._lock:
            if self._ended:
                return 0
            self._keep_late()
            self._sealed = self._ended = True
            self._leave_under_way()
            lost = self._leave_memory()
            self._lost += lost
            self._in_flight = self._held = 0
            self._changed.notify_all()
            due = self._due_callbacks()
            self._release()
        call_all(due)
        return lost

    def _leave_under_way(self) -> None:
        """Leave the unanswered rest of the batch where it is."""
        under_way = self._under_way
        if under_way is None or not self._in_flight:
            return
        if not under_way.is_own:
            self._recovered -= self._in_flight
        elif under_way.log is not None:
            self._taken -= self._in_flight
        else:  # from memory: it may still find room on the disk
            self._taken -= self._in_flight
            self._sent_from_memory -= self._in_flight
            self._memory.extendleft(reversed(under_way.unanswered()))

    def _leave_memory(self) -> int:
        """Write to the disk what is in memory; return how much of it is lost."""
        self._respool(len(self._memory))
        lost = len(self._memory)
        self._taken += lost
        self._sent_from_memory += lost
        self._memory.clear()
        return lost

    def _release(self) -> None:
        for adopted in self._adoption.held:
            adopted.log.folder.release()
        if self._own is None:
            return
        if self._kept_through() == self._taken:
            self._own.folder.remove()
        else:
            self._own.folder.release()

    def abandon(self) -> None:
        # No lock: in a forked child another thread of the parent may hold it for ever.
        if self._own is not None:
            self._own.folder.release()
        for adopted in list(self._adoption.held):
            adopted.log.folder.release()

    def stats(self) -> Stats:
        with self._lock:
            kept = self._kept_through()
            queued = kept - self._taken
            under_way = self._under_way
            on_wire = self._in_flight if under_way is not None and under_way.on_own_disk else 0
            return msgspec.structs.replace(
                self._reading(queued=queued),
                recorded=self._recorded + self._appended,
                lost=self._lost + self._appended - kept,
                spooled=queued - len(self._memory) + on_wire,
                unspooled=self._unspooled,
                recovered=self._recovered,
                damaged=self._damaged,
                spool_failure=self._spool_failure,
            )
