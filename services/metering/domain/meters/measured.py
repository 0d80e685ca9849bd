"""What aggregations work on: measured events of one tenant, and the period."""

from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction

from services.metering.domain.meters.definition import Definition


@dataclass(frozen=True, order=True)
class Measured:
    """One event that a meter counts; ordered by time, then id.

    `value` is what the event is worth after the per-event rules, `subject` what is told apart by
    `unique_by`.
    """

    at: datetime
    event_id: str
    value: Fraction
    subject: str = ""


@dataclass(frozen=True)
class Period:
    """`first` inclusive, `end` exclusive."""

    first: datetime
    end: datetime

    def of(self, events: list[Measured]) -> list[Measured]:
        """Return the events inside, in their order."""
        return sorted(event for event in events if self.first <= event.at < self.end)


def billable(events: list[Measured], definition: Definition, period: Period) -> list[Measured]:
    """Return the period's events behind the free ones: the first of the period, in order."""
    return period.of(events)[definition.free_events :]
