"""All aggregations by their names."""

from collections.abc import Callable
from fractions import Fraction

from services.metering.domain.meters.definition import Aggregation, Definition
from services.metering.domain.meters.latest import latest
from services.metering.domain.meters.maximum import maximum
from services.metering.domain.meters.measured import Measured, Period
from services.metering.domain.meters.sum import sum_values
from services.metering.domain.meters.unique import count_unique
from services.metering.domain.meters.weighted_by_time import weighted_by_time

AGGREGATIONS: dict[Aggregation, Callable[[list[Measured], Definition, Period], Fraction]] = {
    "sum": sum_values,
    # A count is the sum of events that are worth 1 each before the per-event rules.
    "count": sum_values,
    "max": maximum,
    "unique": count_unique,
    "latest": latest,
    "weighted_by_time": weighted_by_time,
}


def aggregate(events: list[Measured], definition: Definition, period: Period) -> Fraction:
    """Return the value of a meter over one tenant's events; the order given does not matter."""
    return AGGREGATIONS[definition.aggregation](events, definition, period)
