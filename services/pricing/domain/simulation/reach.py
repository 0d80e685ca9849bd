"""What the amounts of a plan depend on: usage that is alike in all of it may be added up before.

A plan that never looks at the agent comes to the same for ten agents as for their sum; one that
never looks at the day, to the same for a month of days as for their sum. Only who is told apart in
the details of a statement changes. So a backtest rates sums, by the function that bills.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta

from services.pricing.domain.charge import Charge
from services.pricing.domain.charges.matrix import CELL_DIMENSIONS, Matrix
from services.pricing.domain.charges.price import EventPrice, RowPrice
from services.pricing.domain.plan import Plan
from services.pricing.domain.usage import DIMENSIONS

ALWAYS = frozenset({"provider", "model", "kind"})
"""Told apart in any case: what stays unrated, and what revenue comes from, is named by them."""

COSTED = frozenset({"provider", "model", "kind", "context_band", "service_tier", "batch", "speed"})
"""What a provider's price depends on, beside the day."""

EVERYTHING = frozenset(DIMENSIONS)


@dataclass(frozen=True)
class Reach:
    """The dimensions that matter, and the days: all of them, or those from which on it differs."""

    dimensions: frozenset[str] = ALWAYS
    cuts: frozenset[date] = field(default_factory=frozenset)
    by_day: bool = False

    def __or__(self, other: "Reach") -> "Reach":
        return Reach(
            self.dimensions | other.dimensions,
            self.cuts | other.cuts,
            self.by_day or other.by_day,
        )

    def spans(self, start: date, end: date) -> Iterator[tuple[date, date]]:
        """Return `[start, end)` cut at the days that matter."""
        inside = sorted(day for day in self.cuts if start < day < end)
        first = [start, *inside]
        yield from zip(first, [*inside, end], strict=True)


def reach_of(plan: Plan) -> Reach:
    """Return what the amounts of a plan depend on."""
    reach = Reach()
    for charge in plan.charges:
        reach |= _reach_of_charge(charge)
    return reach


def _reach_of_charge(charge: Charge) -> Reach:
    price, usage = charge.price, charge.usage
    if usage is None:
        return Reach()
    if _needs_days(charge):
        return Reach(EVERYTHING, by_day=True)
    dimensions = ALWAYS | usage.dimensions.keys() | usage.exempt.keys()
    if isinstance(price, Matrix):
        dimensions |= {*CELL_DIMENSIONS, *(one.dimension for one in price.multipliers)}
    elif isinstance(price, RowPrice):
        dimensions |= {"context_band"}
    return Reach(dimensions, _ends_of_pools(charge))


def _needs_days(charge: Charge) -> bool:
    """Tell whether single days matter: of costs, levels, events in their order, seats' own pools.

    Free units are those of the first days, so where pools end within a period, too.
    """
    price, around = charge.price, charge.conditions
    by_row = isinstance(price, RowPrice) and (price.needs_cost or price.needs_level)
    dated = bool(around.free_units) and bool(_ends_of_pools(charge))
    return by_row or dated or around.by_seat or isinstance(price, EventPrice)


def _ends_of_pools(charge: Charge) -> frozenset[date]:
    """Return the first days on which a pool is no longer there."""
    ends = (pool.ends_on for pool in charge.conditions.pools if pool.ends_on is not None)
    return frozenset(day + timedelta(days=1) for day in ends)
