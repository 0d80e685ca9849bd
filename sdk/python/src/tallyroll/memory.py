"""The buffer in memory: a bounded queue that also keeps the accounts."""

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Literal

from tallyroll.buffer import BODY_OVERHEAD, Batch, BatchLimits, Entry
from tallyroll.stats import Stats

WhenFull = Literal["drop_new", "block"]


class MemoryBuffer:
    """A bounded queue in memory. `limit` is in waiting events; the batch under way comes on top.

    `drop_new` loses (and counts) what is appended to a full queue; `block` makes `append` wait.
    """

    def __init__(self, *, limit: int, when_full: WhenFull, batch: BatchLimits) -> None:
        self._limit, self._when_full, self._batch = limit, when_full, batch
        self._changed = threading.Condition(threading.Lock())
        self._waiting: deque[Entry] = deque()
        self._waiting_bytes = 0
        self._oldest_at = 0.0
        self._kept = self._settled = self._urgent_through = 0  # numbers of events, in order
        self._callbacks: list[tuple[int, Callable[[], None]]] = []
        self._sealed = self._ended = False
        self._recorded = self._accepted = self._rejected = self._lost = 0
        self._in_flight = self._held = self._sent = self._retried = self._requests = 0
        self._last_failure: str | None = None

    def append(self, entry: Entry) -> bool:
        with self._changed:
            self._recorded += 1
            if self._when_full == "block":
                self._changed.wait_for(lambda: self._sealed or len(self._waiting) < self._limit)
            if self._sealed or len(self._waiting) >= self._limit:
                self._lost += 1
                return False
            if not self._waiting:
                self._oldest_at = time.monotonic()
            self._waiting.append(entry)
            self._waiting_bytes += len(entry.frame) + 1
            self._kept += 1
            # The taker sleeps through the appends between the first and a full batch.
            if len(self._waiting) in (1, self._batch.events):
                self._changed.notify_all()
            return True

    def refuse(self) -> None:
        with self._changed:
            self._recorded += 1
            self._rejected += 1

    def take(self) -> Batch | None:
        with self._changed:
            while not self._ended and (patience := self._patience()) != 0:
                self._changed.wait(patience)
            if self._ended:
                return None
            entries = self._next_entries()
            self._in_flight += len(entries)
            if self._when_full == "block":
                self._changed.notify_all()
            return Batch(entries)

    def _patience(self) -> float | None:
        """Seconds until a batch is ready by age: 0 if one is ready now, None if nothing waits."""
        if not self._waiting:
            return None
        urgent = self._kept - len(self._waiting) < self._urgent_through
        many = len(self._waiting) >= self._batch.events
        if urgent or many or self._waiting_bytes >= self._batch.wire_bytes:
            return 0
        return max(0, self._oldest_at + self._batch.age_seconds - time.monotonic())

    def _next_entries(self) -> list[Entry]:
        entries: list[Entry] = []
        room = self._batch.wire_bytes - BODY_OVERHEAD
        while self._waiting and len(entries) < self._batch.events:
            size = len(self._waiting[0].frame) + 1
            if entries and size > room:
                break
            room -= size
            self._waiting_bytes -= size
            entries.append(self._waiting.popleft())
        return entries

    def attempted(self, events: int, *, again: int) -> None:
        with self._changed:
            self._requests += 1
            self._sent += events
            self._retried += again
            self._held = 0

    def hold(self, events: int, failure: str) -> None:
        with self._changed:
            self._held = 0 if self._ended else events
            self._last_failure = failure

    def settle(self, *, accepted: int, rejected: int) -> None:
        with self._changed:
            if self._ended:
                return  # an answer after the end: these events are already counted as lost
            self._accepted += accepted
            self._rejected += rejected
            self._in_flight -= accepted + rejected
            self._settled += accepted + rejected
            due = self._due_callbacks()
        for callback in due:
            callback()

    def mark(self) -> int:
        with self._changed:
            self._urgent_through = self._kept
            self._changed.notify_all()
            return self._kept

    def settled(self, mark: int) -> bool:
        with self._changed:
            return self._settled >= mark

    def call_when_settled(self, mark: int, callback: Callable[[], None]) -> None:
        with self._changed:
            self._callbacks.append((mark, callback))
            due = self._due_callbacks()
        for each in due:
            each()

    def _due_callbacks(self) -> list[Callable[[], None]]:
        due = [c for mark, c in self._callbacks if self._ended or mark <= self._settled]
        if due:
            self._callbacks = [(m, c) for m, c in self._callbacks if c not in due]
        return due

    def forget(self, callback: Callable[[], None]) -> None:
        with self._changed:
            self._callbacks = [(m, c) for m, c in self._callbacks if c != callback]

    def seal(self) -> None:
        with self._changed:
            self._sealed = True
            self._changed.notify_all()

    def end(self) -> int:
        with self._changed:
            unsent = len(self._waiting) + self._in_flight
            self._lost += unsent
            self._sealed = self._ended = True
            self._waiting.clear()
            self._waiting_bytes = self._in_flight = self._held = 0
            self._changed.notify_all()
            due = self._due_callbacks()
        for callback in due:
            callback()
        return unsent

    def stats(self) -> Stats:
        with self._changed:
            return Stats(
                recorded=self._recorded,
                queued=len(self._waiting),
                in_flight=self._in_flight,
                held=self._held,
                accepted=self._accepted,
                rejected=self._rejected,
                lost=self._lost,
                sent=self._sent,
                retried=self._retried,
                requests=self._requests,
                last_failure=self._last_failure,
            )
