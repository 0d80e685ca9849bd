"""How many different users, runs, agents or tags there were in the period."""

from fractions import Fraction

from services.metering.domain.meters.definition import Definition
from services.metering.domain.meters.measured import Measured, Period


def count_unique(events: list[Measured], _definition: Definition, period: Period) -> Fraction:
    """Return the number of distinct subjects; events without one do not count."""
    return Fraction(len({event.subject for event in period.of(events)} - {""}))
