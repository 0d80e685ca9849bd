"""A daemon thread that starts when it is first needed and never raises."""

import threading
from collections.abc import Callable

from tallyroll.diagnostics import KindLog


class Background:
    """Runs `work` once in a thread of its own. `work` ends soon after `stopped` is set."""

    def __init__(self, name: str, work: Callable[[], None], *, log: KindLog) -> None:
        self.stopped = threading.Event()
        self._name, self._work, self._log = name, work, log
        self._claimed = threading.Lock()
        self._thread: threading.Thread | None = None

    def start(self) -> bool:
        """Start the thread if it does not run yet; True if there is nothing more to start.

        Raises only what a signal handler raises.
        """
        if self._thread is not None or self.stopped.is_set():
            return True
        try:
            threading.Thread(target=self._run, name=self._name, daemon=True).start()
        except RuntimeError:  # no more threads, or the interpreter is ending
            self._log.warn("thread_not_started", f"{self._name} could not start; events wait")
        return False

    def _run(self) -> None:
        # Two may have been started, by two threads or around an interrupted start: one works.
        if self._claimed.acquire(blocking=False):
            self._thread = threading.current_thread()
            self._work()

    def stop(self, timeout: float) -> bool:
        """Ask the thread to end; True if it has ended within the time."""
        self.stopped.set()
        if self._thread is None or self._thread is threading.current_thread():
            return self._thread is None
        self._thread.join(timeout)
        return not self._thread.is_alive()
