"""The thread that keeps hints fresh."""

import time
from collections.abc import Callable

from tallyroll.background import Background
from tallyroll.budgets.hints import Hints
from tallyroll.budgets.source import Confirmed, HintSource
from tallyroll.diagnostics import KindLog
from tallyroll.sender import backoff, random_share

INTERVAL_SECONDS = 10.0
WAITED_SECONDS = 0.5
"""Pause where the source waits for news: what changes all the time is read twice a second."""
INTERVAL_JITTER = 0.2
"""Shorter or longer by up to this share, so that a fleet does not ask all at once."""


class Poller:
    """Asks the source again and again, from the first `start()` to `stop()`; then `at_end`."""

    def __init__(
        self, source: HintSource, hints: Hints, log: KindLog, at_end: Callable[[], None]
    ) -> None:
        self._source, self._hints, self._log, self._at_end = source, hints, log, at_end
        self._background = Background("tallyroll-budgets", self._run, log=log)
        self.start = self._background.start
        self._waits = False

    def stop(self, timeout: float) -> None:
        """Ask no more. A question that the server holds is not waited for: its answer is no use."""
        self._background.stop(0.0 if self._waits else timeout)

    def _run(self) -> None:
        stopped, failures = self._background.stopped, 0
        while not stopped.is_set():
            try:
                self._ask()
            except Exception as error:  # noqa: BLE001  a source of the user's may raise anything
                failures += 1
                self._waits = False
                code = getattr(error, "code", None) or type(error).__name__
                self._log.warn(f"budget_hints:{code}", "budgets cannot be read; unknown ones allow")
                pause = backoff(failures, getattr(error, "retry_after", None))
            else:
                failures = 0
                interval = WAITED_SECONDS if self._waits else INTERVAL_SECONDS
                pause = interval * (1 + INTERVAL_JITTER * (2 * random_share() - 1))
            stopped.wait(pause)
        self._at_end()

    def _ask(self) -> None:
        asked = time.monotonic()
        answer = self._source.fetch(self._hints.etag)
        if not isinstance(answer, Confirmed):
            self._hints.replace(answer, asked=asked)
        elif not self._hints.confirm(answer, asked=asked):
            raise ValueError("nothing was known that could be confirmed")
        self._waits = answer.waited
