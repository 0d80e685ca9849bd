"""Cost-plus: what the provider takes for the usage, times a multiplier."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar

from services.pricing.domain.charges.price import ZERO, PricedRows, RowPrice, Situation
from services.pricing.domain.column import Column
from services.pricing.domain.step import PRICE, Step
from services.pricing.domain.usage import Usage, UsageGroup
from services.pricing.domain.words import Words


@dataclass(frozen=True)
class CostPlus(RowPrice):
    """Usage whose cost is not known has no price here: it stays unrated, and is never 0."""

    model: ClassVar[str] = "cost_plus"
    needs_cost: ClassVar[bool] = True

    multiplier: Fraction

    def accepts(self, row: Usage) -> bool:
        """Tell whether the row's cost is known."""
        return row.cost is not None

    def price_rows(
        self, groups: Sequence[UsageGroup], situation: Situation, words: Words
    ) -> PricedRows:
        """Return one step: cost x multiplier."""
        del situation
        costs = [Column.of(row.cost or ZERO for row in group.rows) for group in groups]
        cost = sum((column.total for column in costs), ZERO)
        description = f"provider cost of {words.money(cost)} x {words.number(self.multiplier)}"
        amounts = [column.times(self.multiplier) for column in costs]
        return PricedRows([Step(PRICE, description, cost * self.multiplier)], amounts)
