"""The parts of a whole by a dimension, added up from rows: no database, no waiting."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from services.pricing.domain.growth.costs import DayCosts
from services.pricing.domain.growth.windows import Window
from services.pricing.repository.growth.revenue import Fee, UsageRevenue
from services.pricing.repository.growth.usage import Named, NamedUsage

Key = tuple[str, str]
"""Kind of a part, and its name."""

VALUE, NOT_ALLOCABLE = "value", "not_allocable"


def _by_window() -> dict[int, dict[Key, Fraction]]:
    return defaultdict(lambda: defaultdict(Fraction))


def _quantities() -> dict[int, dict[str, Fraction]]:
    return defaultdict(lambda: defaultdict(Fraction))


@dataclass(frozen=True)
class Sums:
    """By the number of a window: the parts of its whole, and quantities by kind without a cost."""

    amounts: dict[int, dict[Key, Fraction]] = field(default_factory=_by_window)
    unpriced: dict[int, dict[str, Fraction]] = field(default_factory=_quantities)


def tokens_by(dimension: str, rows: Iterable[Named]) -> Sums:
    """Return tokens by a dimension."""
    sums = Sums()
    for row in rows:
        sums.amounts[row.window][_key(dimension, row.name)] += row.amount
    return sums


def cost_by(dimension: str, rows: Iterable[NamedUsage], costs: DayCosts) -> Sums:
    """Return costs by a dimension; what nobody knows the cost of is in none of them."""
    sums = Sums()
    for row in rows:
        cost, unknown = costs.cost(row.usage, row.days, row.quantities)
        sums.amounts[row.window][_key(dimension, row.name)] += cost
        if unknown:
            sums.unpriced[row.window][row.usage.kind] += unknown
    return sums


def revenue_by(
    dimension: str, windows: Sequence[Window], rows: Iterable[UsageRevenue], fees: Iterable[Fee]
) -> Sums:
    """Return revenue by a dimension: of usage, and of fees by their days in each window."""
    sums = Sums()
    for row in rows:
        sums.amounts[row.window][_key(dimension, row.values[0])] += row.amount
    for fee in fees:
        for number, window in enumerate(windows):
            share = window.share_of(fee.days)
            if share:
                sums.amounts[number][_key_of_fee(dimension, fee)] += fee.amount * share
    return sums


def by_segment(sums: Sums, segments: Mapping[str, str | None]) -> Sums:
    """Return sums of tenants added up by segments as they stand today.

    On both sides: a tenant that changes its segment makes no growth by that.
    """
    found = Sums(unpriced=sums.unpriced)
    for number, parts in sums.amounts.items():
        for (_, tenant), amount in parts.items():
            segment = segments.get(tenant)
            key = (VALUE, segment) if segment else (NOT_ALLOCABLE, "tenants without a segment")
            found.amounts[number][key] += amount
    return found


def _key(dimension: str, name: str | None) -> Key:
    if name is None:
        return NOT_ALLOCABLE, f"several {dimension}s, or none"
    return (VALUE, name) if name else (NOT_ALLOCABLE, f"no {dimension} named")


def _key_of_fee(dimension: str, fee: Fee) -> Key:
    """Return whose a fee is: a tenant's and a plan's; no model or agent caused it."""
    if dimension == "tenant":
        return VALUE, fee.tenant
    if dimension == "plan":
        return _key(dimension, fee.plan)
    return NOT_ALLOCABLE, f"due by days: {fee.model}"
