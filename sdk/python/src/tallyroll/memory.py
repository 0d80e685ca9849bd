"""The buffer in memory: a bounded queue that also keeps the accounts."""

import time
from collections import deque

from tallyroll.accounts import Accounts, call_all
from tallyroll.buffer import Batch, BatchLimits, QueueFullError, WhenFull
from tallyroll.stats import Stats

__all__ = ["MemoryBuffer", "WhenFull"]


class MemoryBuffer(Accounts):
    """A bounded queue in memory. `limit` is in waiting events; the batch under way comes on top.

    `drop_new` loses (and counts) what is appended to a full queue; `block` makes `append` wait;
    `raise` makes it raise QueueFullError, and counts the event as lost too.
    """

    def __init__(self, *, limit: int, when_full: WhenFull, batch: BatchLimits) -> None:
        super().__init__()
        self._limit, self._when_full, self._batch = limit, when_full, batch
        self._waiting: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._oldest_at = 0.0

    def append(self, frame: bytes) -> bool:
        with self._changed:
            self._recorded += 1
            if self._when_full == "block":
                self._changed.wait_for(lambda: self._sealed or len(self._waiting) < self._limit)
            if self._sealed or len(self._waiting) >= self._limit:
                self._lost += 1
                if self._when_full == "raise" and not self._sealed:
                    raise QueueFullError(f"{self._limit} events wait already")
                return False
            if not self._waiting:
                self._oldest_at = time.monotonic()
            self._waiting.append(frame)
            self._waiting_bytes += len(frame) + 1
            self._kept += 1
            # The taker sleeps through the appends between the first and a full batch.
            if len(self._waiting) in (1, self._batch.events):
                self._changed.notify_all()
            return True

    def take(self) -> Batch | None:
        with self._changed:
            while not self._ended and (patience := self._patience()) != 0:
                self._changed.wait(patience)
            if self._ended:
                return None
            frames = self._next_frames()
            self._in_flight += len(frames)
            if self._when_full == "block":
                self._changed.notify_all()
            return Batch(frames)

    def _patience(self) -> float | None:
        """Seconds until a batch is ready by age: 0 if one is ready now, None if nothing waits."""
        if not self._waiting:
            return None
        urgent = self._kept - len(self._waiting) < self._urgent_through
        many = len(self._waiting) >= self._batch.events
        if urgent or many or self._waiting_bytes >= self._batch.wire_bytes:
            return 0
        return max(0, self._oldest_at + self._batch.age_seconds - time.monotonic())

    def _next_frames(self) -> list[bytes]:
        frames: list[bytes] = []
        room = self._batch.payload_bytes
        while self._waiting and len(frames) < self._batch.events:
            size = len(self._waiting[0]) + 1
            if frames and size > room:
                break
            room -= size
            self._waiting_bytes -= size
            frames.append(self._waiting.popleft())
        return frames

    def settle(self, *, accepted: int, rejected: int) -> None:
        with self._changed:
            if self._ended:
                return  # an answer after the end: these events are already counted as lost
            self._accepted += accepted
            self._rejected += rejected
            self._in_flight -= accepted + rejected
            self._settled += accepted + rejected
            due = self._due_callbacks()
        call_all(due)

    def end(self) -> int:
        with self._changed:
            unsent = len(self._waiting) + self._in_flight
            self._lost += unsent
            self._sealed = self._ended = True
            self._waiting.clear()
            self._waiting_bytes = self._in_flight = self._held = 0
            self._changed.notify_all()
            due = self._due_callbacks()
        call_all(due)
        return unsent

    def abandon(self) -> None:
        """Do nothing: memory is not shared with a forked child."""

    def stats(self) -> Stats:
        with self._changed:
            return self._reading(queued=len(self._waiting))
