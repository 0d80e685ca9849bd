"""What some usage costs at its providers, summed up: of a line, of a statement."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from services.pricing.domain.cost.margin import Margin
from services.pricing.domain.cost.prices import Reason
from services.pricing.domain.cost.provider_cost import METER_PREFIX, ProviderPrices
from services.pricing.domain.usage import Usage
from shared.money import sum_exact

UnpricedKey = tuple[str, str, str, Reason]
CostState = Literal["priced", "partly_priced", "unpriced"]


@dataclass(frozen=True)
class Unpriced:
    """Usage whose cost nobody knows, and why."""

    provider: str
    model: str
    kind: str
    reason: Reason
    quantity: Fraction


@dataclass(frozen=True)
class UsageCost:
    """The cost of some usage in US dollars: `known` is that of what has a price, if `any_priced`.

    Without any usage that could cost something, it is known to be 0.
    """

    known: Fraction = Fraction(0)
    any_priced: bool = False
    unpriced: tuple[Unpriced, ...] = ()

    @property
    def state(self) -> CostState:
        """Tell whether all, a part or none of the usage has a price."""
        if not self.unpriced:
            return "priced"
        return "partly_priced" if self.any_priced else "unpriced"

    def margin(self, revenue: Fraction) -> Margin:
        """Return what is left of revenue in US dollars; unknown while something is unpriced."""
        return Margin(revenue, self.known, complete=not self.unpriced)


def usage_cost(rows: Iterable[Usage], prices: ProviderPrices) -> UsageCost:
    """Return what rows cost. Values of meters cost nothing: they count again what others hold."""
    quantities: dict[tuple[int, int], list[Fraction]] = defaultdict(list)
    unpriced: dict[UnpricedKey, list[Fraction]] = defaultdict(list)
    for row in rows:
        if not row.quantity or row.kind.startswith(METER_PREFIX):
            continue
        found = prices.find(row)
        if isinstance(found, Reason):
            unpriced[row.provider, row.model, row.kind, found].append(row.quantity)
        else:
            quantities[found.unit_amount.as_integer_ratio()].append(row.quantity)
    known = sum_exact(sum_exact(used) * Fraction(*price) for price, used in quantities.items())
    return UsageCost(known, bool(quantities), _listed(unpriced))


def total_cost(parts: Sequence[UsageCost]) -> UsageCost:
    """Return the cost of several parts together."""
    unpriced: dict[UnpricedKey, list[Fraction]] = defaultdict(list)
    for part in parts:
        for row in part.unpriced:
            unpriced[row.provider, row.model, row.kind, row.reason].append(row.quantity)
    known = sum_exact(part.known for part in parts)
    return UsageCost(known, any(part.any_priced for part in parts), _listed(unpriced))


def _listed(unpriced: Mapping[UnpricedKey, list[Fraction]]) -> tuple[Unpriced, ...]:
    return tuple(Unpriced(*key, sum_exact(unpriced[key])) for key in sorted(unpriced))
