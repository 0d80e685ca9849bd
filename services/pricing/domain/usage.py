"""A quantity of usage with everything that a price can depend on."""

from collections.abc import Iterable, Sequence
from datetime import date
from fractions import Fraction
from operator import itemgetter
from typing import NamedTuple

from shared.money import Ratio, format_ratios, ratios_of, sum_ratios

DIMENSIONS = (
    *("provider", "agent", "model", "kind", "context_band", "service_tier", "batch"),
    *("speed", "region", "purpose", "status"),
)
"""Fields of usage that a price can depend on, in the order in which rows are sorted."""


class Usage(NamedTuple):
    """Usage of one tenant on one day; `batch` is "true" or "false".

    Rows are many, and a tuple is made in a fraction of the time of an object.

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


dimensions_of = itemgetter(slice(len(DIMENSIONS)))
"""Returns the values of `DIMENSIONS`: a row begins with them."""


class Daily(NamedTuple):
    """Quantities by day; days rise. `texts` are the quantities as `format_exact` writes them.

    Made once and looked at by all that add up, spread or write the quantities.
    """

    days: Sequence[date]
    quantities: Sequence[Fraction]
    ratios: Sequence[Ratio]
    texts: Sequence[str]

    @classmethod
    def of(cls, days: Sequence[date], quantities: Sequence[Fraction]) -> "Daily":
        """Return quantities of days, both in the same order."""
        ratios = ratios_of(quantities)
        return cls(days, quantities, ratios, format_ratios(ratios))


class UsageGroup(NamedTuple):
    """Rows (at least one) that share every dimension, by day, and their sum."""

    rows: Sequence[Usage]
    daily: Daily
    total: Fraction

    @classmethod
    def of(cls, rows: Sequence[Usage]) -> "UsageGroup":
        """Return rows that share every dimension, and whose days rise, as a group."""
        daily = Daily.of([row.usage_day for row in rows], [row.quantity for row in rows])
        return cls(rows, daily, sum_ratios(daily.ratios))

    @property
    def dimensions(self) -> tuple[str, ...]:
        """The values of `DIMENSIONS`."""
        values: tuple[str, ...] = dimensions_of(self.rows[0])
        return values


def canonical_usage(rows: Iterable[Usage]) -> list[UsageGroup]:
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
    return [UsageGroup.of([days[day] for day in sorted(days)]) for _, days in by_key]


def _added(one: Usage, other: Usage) -> Usage:
    cost = None if one.cost is None or other.cost is None else one.cost + other.cost
    return one._replace(quantity=one.quantity + other.quantity, cost=cost)
