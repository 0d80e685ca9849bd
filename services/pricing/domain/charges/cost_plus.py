"""Cost-plus: what the provider takes for the usage, times a multiplier."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar

from services.pricing.domain.charges.price import ZERO, PricedRows, RowPrice, Situation
from services.pricing.domain.step import PRICE, Step
from services.pricing.domain.usage import Usage
from services.pricing.domain.words import Words
from shared.money import ratios_of


@dataclass(frozen=True)
class CostPlus(RowPrice):
    """Usage whose cost is not known has no price here: it stays unrated, and is never 0."""

    model: ClassVar[str] = "cost_plus"
    needs_cost: ClassVar[bool] = True

    multiplier: Fraction

    def accepts(self, row: Usage) -> bool:
        """Tell whether the row's cost is known."""
        return row.cost is not None

    def price_rows(self, rows: Sequence[Usage], situation: Situation, words: Words) -> PricedRows:
        """Return one step: cost x multiplier."""
        del situation
        costs = [row.cost for row in rows if row.cost is not None]
        cost = sum(costs, ZERO)
        description = f"provider cost of {words.money(cost)} x {words.number(self.multiplier)}"
        amounts = [known * self.multiplier for known in costs]
        return PricedRows([Step(PRICE, description, cost * self.multiplier)], ratios_of(amounts))
