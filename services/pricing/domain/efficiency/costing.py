"""What usage costs, and what the same usage would cost elsewhere; what has no price is listed."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from fractions import Fraction

from services.pricing.domain.cost.prices import Reason
from services.pricing.domain.cost.provider_cost import METER_PREFIX, ProviderPrices
from services.pricing.domain.usage import Usage

READ = "input_cache_read"
WRITE = "input_cache_write"
"""Beginning of all token types that are written to a cache, and the type without a stated life."""
UNCACHED = "input_uncached"
REASONING = "output_reasoning"
WRITE_KINDS = (WRITE, f"{WRITE}_5m", f"{WRITE}_30m", f"{WRITE}_1h", f"{WRITE}_12h")

UnpricedKey = tuple[str, str, str, Reason]
"""(provider, model, kind, why)."""


@dataclass
class Coster:
    """Costs usage in US dollars, and keeps what has no price: it counts in no sum."""

    prices: ProviderPrices
    unpriced: dict[UnpricedKey, Fraction] = field(default_factory=dict)

    def cost(self, usage: Usage) -> Fraction | None:
        """Return what a row costs; None, and listed, without a price."""
        price = self.price(usage)
        return None if price is None else usage.quantity * price

    def price(self, usage: Usage, *, of: Usage | None = None) -> Fraction | None:
        """Return the price of one unit of a row; None without, and the row is listed.

        `of`: the row as it was used, where the price asked for is one that it might have had.
        """
        found = self.prices.find(usage)
        if isinstance(found, Reason):
            row = of or usage
            key = (row.provider, row.model, row.kind, found)
            self.unpriced[key] = self.unpriced.get(key, Fraction(0)) + row.quantity
            return None
        return found.unit_amount

    def first_price(self, usage: Usage, kinds: Iterable[str]) -> Fraction | None:
        """Return the price of the first of these kinds that has one, in a row's circumstances.

        None without; nothing is listed, since nothing of these kinds was used.
        """
        for kind in kinds:
            found = self.prices.find(usage._replace(kind=kind))
            if not isinstance(found, Reason):
                return found.unit_amount
        return None


def is_usage(row: Usage) -> bool:
    """Tell whether a row is usage of its own; values of meters count again what others hold."""
    return bool(row.quantity) and not row.kind.startswith(METER_PREFIX)


def is_write(kind: str) -> bool:
    """Tell whether a token type is input that was written to a cache."""
    return kind == WRITE or kind.startswith(f"{WRITE}_")


def is_input(kind: str) -> bool:
    """Tell whether a token type is input that could be read from a cache: fresh, read, written."""
    return kind in (UNCACHED, READ) or is_write(kind)


Key = tuple[str, str, str]
"""(agent, provider, model)."""


def by_agent_and_model(
    rows: Iterable[Usage], accepts: Callable[[Usage], bool] = is_usage
) -> dict[Key, list[Usage]]:
    """Return rows of usage by agent, provider and model, in that order."""
    groups: dict[Key, list[Usage]] = {}
    for row in rows:
        if accepts(row):
            groups.setdefault((row.agent, row.provider, row.model), []).append(row)
    return dict(sorted(groups.items()))
