"""What usage of many days costs: each price is looked up once."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from fractions import Fraction
from itertools import groupby
from operator import itemgetter

from services.pricing.domain.cost.provider_cost import ProviderPrices
from services.pricing.domain.usage import Usage
from shared.money import sum_exact

ZERO, ONE = Fraction(0), Fraction(1)


class DayCosts:
    """Costs by the day, in US dollars; keeps the prices that it has looked up."""

    def __init__(self, prices: ProviderPrices) -> None:
        """Take prices from these."""
        self._prices = prices
        self._known: dict[tuple[str, ...], dict[date, Fraction | None]] = defaultdict(dict)

    def cost(
        self, usage: Usage, days: Sequence[date], quantities: Sequence[Decimal]
    ) -> tuple[Fraction, Fraction]:
        """Return what quantities of days cost, and the quantity whose cost nobody knows.

        `usage` says of what they are; its own day and quantity are those of none of them.
        """
        cost = unpriced = ZERO
        together = zip(self.prices(usage, days), map(Fraction, quantities), strict=True)
        for price, same in groupby(together, key=itemgetter(0)):
            quantity = sum_exact(of for _, of in same)
            if price is None:
                unpriced += quantity
            else:
                cost += price * quantity
        return cost, unpriced

    def prices(self, usage: Usage, days: Sequence[date]) -> list[Fraction | None]:
        """Return what one unit costs on each day; None where nobody knows it."""
        known = self._known[usage.dimensions]
        for day in days:
            if day not in known:
                known[day] = self._prices.cost(usage._replace(usage_day=day, quantity=ONE))
        return [known[day] for day in days]
