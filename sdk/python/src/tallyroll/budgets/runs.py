"""The runs that this process has let begin: bounded, and looked up without a lock."""

import threading
from collections.abc import Mapping

from tallyroll.budgets.decision import Decision

RUNS_MAX = 20_000
"""Of each of two generations: a run is forgotten after so many others, at the earliest."""


class Run:
    """How a run began. `replaced`: by model what it was given instead, if it began over budget."""

    __slots__ = ("began_over", "replaced")

    def __init__(self, *, began_over: bool) -> None:
        self.began_over = began_over
        self.replaced: dict[str, Decision] = {}


class Runs:
    """The runs by their ids."""

    def __init__(self) -> None:
        self._recent: dict[str, Run] = {}
        self._older: dict[str, Run] = {}
        self.begin_in_child()

    def begin_in_child(self) -> None:
        """Take a lock that no other thread of the parent holds."""
        self._lock = threading.RLock()

    def find(self, about: Mapping[str, object]) -> Run | None:
        """Return the run of a call, or its parent: what it starts is part of it."""
        return self._named(about.get("run_id")) or self._named(about.get("parent_run_id"))

    def _named(self, run_id: object) -> Run | None:
        if not run_id or not isinstance(run_id, str):
            return None
        return self._recent.get(run_id) or self._older.get(run_id)

    def keep(self, about: Mapping[str, object], run: Run) -> None:
        """Remember the run of a call."""
        run_id = about.get("run_id")
        if not run_id or not isinstance(run_id, str) or run_id in self._recent:
            return
        if len(self._recent) >= RUNS_MAX:
            with self._lock:
                if len(self._recent) >= RUNS_MAX:
                    self._older, self._recent = self._recent, {}
        self._recent[run_id] = run
