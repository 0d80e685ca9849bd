"""A quantity of usage with everything that a price can depend on."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date
from fractions import Fraction
from operator import attrgetter, itemgetter

DIMENSIONS = (
    *("provider", "agent", "model", "kind", "context_band", "service_tier", "batch"),
    *("speed", "region", "purpose", "status"),
)
"""Fields of usage that a price can depend on, in the order in which rows are sorted."""

SEAT_DIMENSIONS = ("agent", "model", "kind", "purpose")
"""What is known of usage by user, and so what a filter can speak of where pools are of seats."""

dimensions_of = attrgetter(*DIMENSIONS)


@dataclass(frozen=True)
class Usage:
    """Usage of one tenant on one day; `batch` is "true" or "false".

    `cost` is what the provider takes for it, in the currency of the price book; None: not known
    (or not asked for), which is never read as 0.
    """

    provider: str
    agent: str
    model: str
    kind: str
    context_band: str
    service_tier: str
    batch: str
    speed: str
    region: str
    purpose: str
    status: str
    usage_day: date
    quantity: Fraction
    cost: Fraction | None = None


def canonical_usage(rows: Iterable[Usage]) -> list[list[Usage]]:
    """Return rows added up by day, in groups that share every dimension, in one order.

    How the counting was split, and in which order it arrived, therefore changes nothing. Priced
    and unpriced usage stay apart: a sum of the two would hide the second. Within a group days rise.
    """
    groups: dict[tuple[object, ...], dict[date, Usage]] = {}
    for row in rows:
        key = dimensions_of(row) if row.cost is None else (*dimensions_of(row), True)
        days = groups.get(key)
        if days is None:
            groups[key] = {row.usage_day: row}
        else:
            known = days.get(row.usage_day)
            days[row.usage_day] = row if known is None else _added(known, row)
    by_key = sorted(groups.items(), key=itemgetter(0))
    return [[days[day] for day in sorted(days)] for _, days in by_key]


def _added(one: Usage, other: Usage) -> Usage:
    cost = None if one.cost is None or other.cost is None else one.cost + other.cost
    return replace(one, quantity=one.quantity + other.quantity, cost=cost)
