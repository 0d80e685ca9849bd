"""What every buffer counts, and who waits for its answers."""

import threading
from collections.abc import Callable

from tallyroll.stats import Stats


class Accounts:
    """Counters, marks and callbacks under one lock. Buffers inherit it.

    The lock is re-entrant: a finalizer or a signal handler that records an event may run while its
    own thread is inside. It is never held while code of the user's runs.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self._kept = self._settled = self._urgent_through = 0  # numbers of events, in order
        self._callbacks: list[tuple[int, Callable[[], None]]] = []
        self._sealed = self._ended = False
        self._recorded = self._accepted = self._rejected = self._lost = 0
        self._in_flight = self._held = self._sent = self._retried = self._requests = 0
        self._last_failure: str | None = None

    def refuse(self) -> None:
        with self._changed:
            self._recorded += 1
            self._rejected += 1

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

    def mark(self) -> int:
        with self._changed:
            self._urgent_through = self._kept_through()
            self._changed.notify_all()
            return self._urgent_through

    def settled(self, mark: int) -> bool:
        with self._changed:
            return self._settled >= mark

    def call_when_settled(self, mark: int, callback: Callable[[], None]) -> None:
        with self._changed:
            self._callbacks.append((mark, callback))
            due = self._due_callbacks()
        call_all(due)

    def forget(self, callback: Callable[[], None]) -> None:
        with self._changed:
            self._callbacks = [(m, c) for m, c in self._callbacks if c != callback]

    def seal(self) -> None:
        with self._changed:
            self._sealed = True
            self._changed.notify_all()

    def _kept_through(self) -> int:
        """Return the number of the last event that was kept."""
        return self._kept

    def _due_callbacks(self) -> list[Callable[[], None]]:
        due = [c for mark, c in self._callbacks if self._ended or mark <= self._settled]
        if due:
            self._callbacks = [(m, c) for m, c in self._callbacks if c not in due]
        return due

    def _reading(self, *, queued: int) -> Stats:
        return Stats(
            recorded=self._recorded,
            queued=queued,
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


def call_all(callbacks: list[Callable[[], None]]) -> None:
    """Call each, outside of the lock."""
    for callback in callbacks:
        callback()
