"""Weighted sum: a level (storage, running machines) weighs as many days as it holds.

Usage rows are changes of the level. A change counts from its day on, that day included; a level
from before the period counts for all of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar

from services.pricing.domain.charges.price import PricedRows, RowPrice, Situation
from services.pricing.domain.seats import days_left
from services.pricing.domain.step import PRICE, Step
from services.pricing.domain.usage import UsageGroup, columns_of
from services.pricing.domain.words import Words


@dataclass(frozen=True)
class WeightedSum(RowPrice):
    """`unit_amount` for each `per` units (> 0) that are there for a whole period."""

    model: ClassVar[str] = "weighted_sum"
    needs_level: ClassVar[bool] = True

    unit_amount: Fraction
    per: Fraction = Fraction(1)

    def price_rows(
        self, groups: Sequence[UsageGroup], situation: Situation, words: Words
    ) -> PricedRows:
        """Return a step for the level at the start, and one for all changes."""
        period, level = situation.period, situation.level
        rows = [row for group in groups for row in group.rows]
        price = words.price(self.unit_amount, self.per)
        weighted = [
            row.quantity * days_left(row.usage_day, period) / period.whole_days for row in rows
        ]
        amounts = [units / self.per * self.unit_amount for units in weighted]
        added = sum(weighted, Fraction(0))
        held = level * period.share
        steps = []
        if level:
            text = f"{words.count(level)} from before the period at {price}"
            steps.append(Step(PRICE, text, held / self.per * self.unit_amount))
        if rows:
            text = f"changes, by days: {words.count(added)} at {price}"
            steps.append(Step(PRICE, text, added / self.per * self.unit_amount))
        return PricedRows(steps, columns_of(groups, amounts))
