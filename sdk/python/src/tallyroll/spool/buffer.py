"""The buffer on disk, with memory behind it for the time that the disk cannot be written."""

import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from tallyroll.accounts import call_all
from tallyroll.buffer import Batch, BatchLimits, WhenFull
from tallyroll.diagnostics import KindLog
from tallyroll.spool.about import About, Owner
from tallyroll.spool.disk import AdoptedLog, Adoption
from tallyroll.spool.keeping import RETRY_SECONDS, Keeping
from tallyroll.spool.log import Damage, Log, Stretch
from tallyroll.spool.segments import Position
from tallyroll.spool.settings import Spool
from tallyroll.spool.underway import UnderWay
from tallyroll.spool.upkeep import RESPOOL_EVENTS
from tallyroll.stats import Stats

_NOWHERE = Position(0, 0, 0)
"""Where events in memory are."""


class SpoolBuffer(Keeping):
    """Keeps every event on disk from capture to its final answer.

    Events of this process go out in the order of their capture, in turn with those that dead
    processes left.
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
        owner: Owner,
    ) -> None:
        super().__init__(
            destination,
            settings,
            memory_events=memory_events,
            when_full=when_full,
            batch=batch,
            log=log,
        )
        self._owner = owner
        self._adoption = Adoption(destination)
        self._own_came_last = False
        self._recovered = self._damaged = 0
        self._under_way: UnderWay | None = None

    def predecessors(self) -> bool:
        """Tell whether others have been here, so that their events may wait."""
        return self._adoption.candidates()

    # ---- delivery: the sender's thread

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
        waiting = self._intake.kept - self._taken
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
                    self._intake.bytes += adopted.unread_bytes

    def _take_own(self) -> Batch | None:
        self._own_came_last = True
        with self._lock:
            own = self._intake.own
            segments = own.segments() if own is not None else []
            if own is None or self._intake.kept - self._taken <= len(self._intake.memory):
                limits = self._batch
                payloads = self._intake.from_memory(limits.events, limits.payload_bytes)
                return self._begin(None, Stretch(payloads, _NOWHERE, []), is_own=True)
        found = own.log.read(segments, self._batch)
        return self._begin(own.log, found, is_own=True)

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
        batch = Batch(found.payloads)
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
            self._intake.bytes -= damage.after.offset - damage.at.offset
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
            self._intake.bytes -= under_way.answer(answered)
            due = self._due_callbacks()
            self._changed.notify_all()
        self._delete_answered(under_way)
        self._tell()
        call_all(due)

    def _delete_answered(self, under_way: UnderWay) -> None:
        log, position, own = under_way.log, under_way.position, self._intake.own
        if log is None or position is None or position.segment <= log.deleted_before:
            return
        if under_way.is_own and own is not None:
            with self._lock:
                own.writer.forget_before(position.segment)
        log.folder.remove_segments(log.deleted_before, position.segment - 1)
        log.deleted_before = position.segment

    # ---- what people may read beside the events: the sender's thread

    def attempted(self, events: int, *, again: int) -> None:
        super().attempted(events, again=again)
        self._tell()

    def hold(self, events: int, failure: str) -> None:
        super().hold(events, failure)
        self._tell()

    def _tell(self) -> None:
        with self._lock:
            own = None if self._ended else self._intake.own
            stats = self.stats()
        if own is not None:
            own.folder.tell(msgspec.json.encode(About(owner=self._owner, stats=stats)))

    # ---- the end: any thread

    def end(self) -> int:
        self._keeper.stop()
        if self._settings.fsync != "never":
            self._upkeep.sync()
        with self._lock:
            if self._ended:
                return 0
            self._keep_late()
            self._sealed = self._ended = True
            self._leave_under_way()
            while self._intake.respool(RESPOOL_EVENTS):
                pass
            lost = self._intake.drop_memory()
            self._taken += lost
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
            return
        self._taken -= self._in_flight
        if under_way.log is None:  # from memory: it may still find room on the disk
            self._intake.back_to_memory(under_way.unanswered())

    def _release(self) -> None:
        for adopted in self._adoption.held:
            adopted.log.folder.release()
        own = self._intake.own
        if own is not None and self._intake.kept == self._taken:
            own.folder.remove()
        elif own is not None:
            own.folder.release()

    def abandon(self) -> None:
        # No lock: in a forked child another thread of the parent may hold it for ever.
        if self._intake.own is not None:
            self._intake.own.folder.release()
        for adopted in list(self._adoption.held):
            adopted.log.folder.release()

    def stats(self) -> Stats:
        with self._lock:
            kept = self._intake.kept
            queued = kept - self._taken
            under_way = self._under_way
            on_wire = self._in_flight if under_way is not None and under_way.on_own_disk else 0
            return msgspec.structs.replace(
                self._reading(queued=queued),
                recorded=self._recorded + self._intake.appended,
                lost=self._lost + self._intake.appended - kept,
                spooled=queued - len(self._intake.memory) + on_wire,
                unspooled=self._intake.unspooled,
                recovered=self._recovered,
                damaged=self._damaged,
                spool_failure=self._intake.failure,
            )
