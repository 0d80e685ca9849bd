"""A quantity of usage with everything that a price can depend on."""

from collections.abc import Iterable, Sequence
from datetime import date
from fractions import Fraction
from functools import lru_cache
from operator import attrgetter
from typing import NamedTuple, cast

from services.pricing.domain.column import Column

DIMENSIONS = (
    *("provider", "agent", "model", "kind", "context_band", "service_tier", "batch"),
    *("speed", "region", "purpose", "status"),
)
"""Fields of usage that a price can depend on, in the order in which rows are sorted."""

SEAT_DIMENSIONS = ("agent", "model", "kind", "purpose")
"""What is known of usage by user, and so what a filter can speak of where pools are of seats."""

_DIMENSIONS = len(DIMENSIONS)
_USAGE_DAY = attrgetter("usage_day")


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

    @property
    def dimensions(self) -> tuple[str, ...]:
        """The values of `DIMENSIONS`: a row begins with them."""
        return cast("tuple[str, ...]", self[:_DIMENSIONS])


@lru_cache(maxsize=10_000)
def _text_of(day: date) -> str:
    return day.isoformat()


class Daily(NamedTuple):
    """Quantities by day; days rise. The texts are how both stand in canonical JSON.

    Made once and looked at by all that add up, spread or write the quantities.
    """

    days: Sequence[date]
    quantities: Column
    day_texts: Sequence[str]
    texts: Sequence[str]

    @classmethod
    def of(cls, days: Sequence[date], quantities: Iterable[Fraction]) -> "Daily":
        """Return quantities of days, both in the same order."""
        column = Column.of(quantities)
        return cls(days, column, list(map(_text_of, days)), column.texts())


class UsageGroup(NamedTuple):
    """Rows (at least one) that share every dimension, by day, and their sum."""

    rows: Sequence[Usage]
    daily: Daily
    total: Fraction

    @classmethod
    def of(cls, rows: Sequence[Usage]) -> "UsageGroup":
        """Return rows that share every dimension, and whose days rise, as a group."""
        daily = Daily.of([row.usage_day for row in rows], [row.quantity for row in rows])
        return cls(rows, daily, daily.quantities.total)

    @property
    def dimensions(self) -> tuple[str, ...]:
        """The values of `DIMENSIONS`."""
        return self.rows[0].dimensions


def canonical_usage(rows: Iterable[Usage]) -> list[UsageGroup]:
    """Return rows added up by day, in groups that share every dimension, in one order.

    How the counting was split, and in which order it arrived, therefore changes nothing. Priced
    and unpriced usage stay apart: a sum of the two would hide the second. Within a group days rise.
    """
    groups: dict[tuple[object, ...], list[Usage]] = {}
    for row in rows:
        key = row[:_DIMENSIONS] if row.cost is None else (*row[:_DIMENSIONS], True)
        group = groups.get(key)
        if group is None:
            groups[key] = [row]
        else:
            group.append(row)
    return [UsageGroup.of(_by_day(groups[key])) for key in sorted(groups)]


def _by_day(rows: list[Usage]) -> list[Usage]:
    if len({row.usage_day for row in rows}) < len(rows):
        days: dict[date, Usage] = {}
        for row in rows:
            known = days.get(row.usage_day)
            days[row.usage_day] = row if known is None else _added(known, row)
        rows = list(days.values())
    return sorted(rows, key=_USAGE_DAY)


def _added(one: Usage, other: Usage) -> Usage:
    cost = None if one.cost is None or other.cost is None else one.cost + other.cost
    return one._replace(quantity=one.quantity + other.quantity, cost=cost)


def columns_of(groups: Iterable[UsageGroup], numbers: Sequence[Fraction]) -> list[Column]:
    """Return a number for each row, in the order of the rows, as a column for each group."""
    columns, first = [], 0
    for group in groups:
        last = first + len(group.rows)
        columns.append(Column.of(numbers[first:last]))
        first = last
    return columns
