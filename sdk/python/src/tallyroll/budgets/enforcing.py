"""What a meter does about budgets: decides from memory, admits, advises."""

import os
import threading
from collections.abc import Mapping
from time import monotonic

from tallyroll.budgets.decision import (
    BEYOND,
    BudgetExceededError,
    Decision,
    Enforce,
    OnAdvice,
    judge,
)
from tallyroll.budgets.hints import Hints
from tallyroll.budgets.http import HTTPHintSource
from tallyroll.budgets.polling import Poller
from tallyroll.budgets.runs import Run, Runs
from tallyroll.budgets.source import HintSource
from tallyroll.diagnostics import KindLog

ADVICE_SECONDS = 60.0
"""A hint is told once in so long, and when its state changes."""
ADVICE_KINDS_MAX = 10_000
END_SECONDS_MAX = 1.0


class Enforcer:
    """The budgets of one meter. The thread that reads hints starts with the first question."""

    def __init__(
        self, source: HintSource, enforce: Enforce, on_advice: OnAdvice | None = None
    ) -> None:
        self._source, self._enforce, self._on_advice = source, enforce, on_advice
        self.hints, self._runs = Hints(), Runs()
        self._advised: dict[tuple[str, str], float] = {}
        self._begin()

    def _begin(self) -> None:
        self._log = KindLog()
        self._advising = threading.RLock()
        self._poller = Poller(self._source, self.hints, self._log, self._close_source)
        self._process = os.getpid()

    def begin_in_child(self) -> None:
        """Go on in a forked child: with the hints that are known, and a thread of its own."""
        self._runs.begin_in_child()
        self._begin()

    def decide(self, model: str, about: Mapping[str, object]) -> Decision:
        """Return what is to be done about a call; allow whatever goes wrong."""
        try:
            return self._decide(model, about, self._runs.find(about))
        except Exception as error:  # noqa: BLE001  never break the program that is metered
            return self._allow_after(error, model)

    def admit(self, model: str, about: Mapping[str, object]) -> str:
        """Return the model to call; BudgetExceededError if there is to be no call."""
        try:
            run = self._runs.find(about)
            decision = self._decide(model, about, run)
            if decision.action != "block":
                self._remember(model, about, decision, run)
                if decision.action != "allow":
                    self._advise(decision)
        except Exception as error:  # noqa: BLE001  as above
            decision = self._allow_after(error, model)
        if decision.action == "block" and decision.hint is not None:
            raise BudgetExceededError(decision.hint)
        return decision.model

    def close(self) -> None:
        """End the thread; what is known goes stale, and then every call is allowed."""
        self._poller.stop(END_SECONDS_MAX)

    def _close_source(self) -> None:
        if isinstance(self._source, HTTPHintSource):
            self._source.close()

    def _decide(self, model: str, about: Mapping[str, object], run: Run | None) -> Decision:
        if os.getpid() != self._process:  # a fork that bypassed Python's own hook
            self.begin_in_child()
        self._poller.start()
        if run is not None and model in run.replaced:
            return run.replaced[model]
        hint, is_stale = self.hints.find(about)
        if hint is not None:
            return judge(
                hint,
                model,
                enforce=self._enforce,
                under_way=run is not None,
                keeps_models=run is not None and not run.began_over,
            )
        if is_stale:
            self._log.warn("budget_hints_stale", "hints are too old, calls are allowed")
        return Decision("allow", model, None, "stale" if is_stale else "no_hint")

    def _remember(
        self, model: str, about: Mapping[str, object], decision: Decision, run: Run | None
    ) -> None:
        if run is None:
            run = Run(began_over=decision.hint is not None and decision.hint.state in BEYOND)
        if decision.action == "degrade":
            run.replaced[model] = decision
        self._runs.keep(about, run)

    def _allow_after(self, error: Exception, model: str) -> Decision:
        self._log.warn("budget_internal", f"a call is allowed: {type(error).__name__}")
        return Decision("allow", model, None, "internal")

    def _advise(self, decision: Decision) -> None:
        hint = decision.hint
        assert hint is not None
        told, now = (hint.id, hint.state), monotonic()
        with self._advising:
            last = self._advised.get(told)
            if last is not None and now - last < ADVICE_SECONDS:
                return
            if len(self._advised) >= ADVICE_KINDS_MAX:
                self._advised.clear()
            self._advised[told] = now
        if self._on_advice is None:
            self._log.warn(f"budget_{hint.state}", "a budget is used up, or nearly; see decide()")
            return
        try:
            self._on_advice(decision)
        except Exception as error:  # noqa: BLE001  theirs, in the middle of a call of theirs
            self._log.warn("on_advice", f"on_advice raised {type(error).__name__}")
