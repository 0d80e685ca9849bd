"""A level over time: what each event says holds until the next one says otherwise."""

from datetime import timedelta
from fractions import Fraction
from itertools import pairwise

from services.metering.domain.meters.definition import Definition
from services.metering.domain.meters.measured import Measured, Period

_MICROSECOND = timedelta(microseconds=1)


def weighted_by_time(events: list[Measured], _definition: Definition, period: Period) -> Fraction:
    """Return the average level of the period: each level times its share of the period.

    The level at the start is that of the last event before it, 0 without one.
    """
    before = sorted(event for event in events if event.at < period.first)
    level = before[-1].value if before else Fraction(0)
    own = period.of(events)
    changes = [(period.first, level), *((event.at, event.value) for event in own)]
    ends = [*changes, (period.end, Fraction(0))]
    weighted = sum(
        (
            value * Fraction((end - start) // _MICROSECOND)
            for (start, value), (end, _) in pairwise(ends)
        ),
        Fraction(0),
    )
    return weighted / Fraction((period.end - period.first) // _MICROSECOND)
