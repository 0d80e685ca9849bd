"""The largest value of an event in the period."""

from fractions import Fraction

from services.metering.domain.meters.definition import Definition
from services.metering.domain.meters.measured import Measured, Period


def maximum(events: list[Measured], _definition: Definition, period: Period) -> Fraction:
    """Return the largest value, 0 without events."""
    return max((event.value for event in period.of(events)), default=Fraction(0))
