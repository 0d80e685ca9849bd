"""The thread that keeps hints fresh."""

import time

from tallyroll.background import Background
from tallyroll.budgets.hints import Hints
from tallyroll.budgets.source import Confirmed, HintSource
from tallyroll.diagnostics import KindLog
from tallyroll.sender import backoff, random_share

INTERVAL_SECONDS = 10.0
INTERVAL_JITTER = 0.2
"""Shorter or longer by up to this share, so that a fleet does not ask all at once."""


class Poller:
    """Asks the source again and again, from the first `start()` to `stop()`."""

    def __init__(self, source: HintSource, hints: Hints, log: KindLog) -> None:
        self._source, self._hints, self._log = source, hints, log
        self._background = Background("tallyroll-budgets", self._run, log=log)
        self.start, self.stop = self._background.start, self._background.stop

    def _run(self) -> None:
        stopped, failures = self._background.stopped, 0
        while not stopped.is_set():
            try:
                self._ask()
            except Exception as error:  # noqa: BLE001  a source of the user's may raise anything
                failures += 1
                code = getattr(error, "code", None) or type(error).__name__
                self._log.warn(f"budget_hints:{code}", "budgets cannot be read; unknown ones allow")
                pause = backoff(failures, getattr(error, "retry_after", None))
            else:
                failures = 0
                pause = INTERVAL_SECONDS * (1 + INTERVAL_JITTER * (2 * random_share() - 1))
            stopped.wait(pause)

    def _ask(self) -> None:
        asked = time.monotonic()
        answer = self._source.fetch(self._hints.etag)
        if not isinstance(answer, Confirmed):
            self._hints.replace(answer, asked=asked)
        elif not self._hints.confirm(answer, asked=asked):
            raise ValueError("nothing was known that could be confirmed")
