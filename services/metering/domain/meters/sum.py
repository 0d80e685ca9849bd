"""The sum of the events' values; the first events of a period may be free."""

from fractions import Fraction

from services.metering.domain.meters.definition import Definition
from services.metering.domain.meters.measured import Measured, Period, billable


def sum_values(events: list[Measured], definition: Definition, period: Period) -> Fraction:
    """Return the sum over the period, of the events that are not free."""
    values = (event.value for event in billable(events, definition, period))
    return sum(values, Fraction(0))
