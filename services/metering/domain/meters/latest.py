"""The value of the period's last event."""

from fractions import Fraction

from services.metering.domain.meters.definition import Definition
from services.metering.domain.meters.measured import Measured, Period


def latest(events: list[Measured], _definition: Definition, period: Period) -> Fraction:
    """Return the last event's value (of equal times, that of the greater id); 0 without events."""
    own = period.of(events)
    return own[-1].value if own else Fraction(0)
