"""The thread that does what neither capture nor delivery should wait for."""

import threading
from collections.abc import Callable

from tallyroll.background import Background
from tallyroll.diagnostics import KindLog


class Keeper:
    """Calls `tend` some time after it was asked to, once for all that asked meanwhile.

    It asks itself again if `tend` says that there is more, and else sleeps without a timer.
    """

    def __init__(self, tend: Callable[[], bool], *, seconds: float, log: KindLog) -> None:
        self._tend, self._seconds = tend, seconds
        self._asked = threading.Event()
        self._background = Background("tallyroll-spool", self._run, log=log)

    def start(self) -> bool:
        """Start the thread if it does not run yet; True if there is nothing more to start."""
        return self._background.start()

    def ask(self) -> None:
        """Have `tend` called."""
        self._asked.set()

    def stop(self) -> None:
        """End the thread; `tend` is not called any more once it is idle."""
        self._background.stopped.set()
        self._asked.set()

    def _run(self) -> None:
        while self._asked.wait() and not self._background.stopped.wait(self._seconds):
            self._asked.clear()
            if self._tend():
                self._asked.set()
