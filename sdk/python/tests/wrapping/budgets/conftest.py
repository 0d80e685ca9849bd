"""A meter that enforces budgets, whose state a test says."""

from collections.abc import Callable, Iterator
from time import monotonic
from typing import Any

import pytest
from sdk.python.tests.budgets.conftest import NOW, FixedSource, hint_of
from sdk.python.tests.wrapping.budgets.callers import ASKED, OTHER

from tallyroll import Decision, Meter
from tallyroll.budgets import Fetched
from tallyroll.recording.recorder import recorder_of
from tallyroll.testing import CapturingTransport


class Budgeted:
    """A meter, what it advised, and what it is told of the one budget that there is."""

    def __init__(self, enforce: Any, transport: CapturingTransport) -> None:
        self.advice: list[Decision] = []
        self._source = FixedSource()
        self.meter = Meter(
            transport=transport,
            strict=True,
            enforce=enforce,
            budgets=self._source,
            on_advice=self.advice.append,
        )

    def say(self, state: str, **changes: Any) -> None:
        """Let the meter know of a state from now on; over it, the other model is suggested."""
        self._source.hints = [hint_of(state, suggested={ASKED: OTHER}, **changes)]
        enforcer = self.meter._enforcer
        assert enforcer is not None
        enforcer.hints.replace(Fetched(hints=self._source.hints, at=NOW), asked=monotonic())

    def is_fault_free(self) -> bool:
        """Tell whether nothing was swallowed on the way."""
        return recorder_of(self.meter).faults == 0


@pytest.fixture(name="budgeted")
def _budgeted(transport: CapturingTransport) -> Iterator[Callable[[Any], Budgeted]]:
    made: list[Budgeted] = []

    def make(enforce: Any) -> Budgeted:
        made.append(Budgeted(enforce, transport))
        return made[-1]

    yield make
    for one in made:
        one.meter.close()


@pytest.fixture(name="recorded")
def _recorded(transport: CapturingTransport) -> Callable[[Budgeted], list[dict[str, Any]]]:
    """Return what reads the events so far."""

    def recorded(budgeted: Budgeted) -> list[dict[str, Any]]:
        assert budgeted.meter.flush(10)
        return transport.events

    return recorded
