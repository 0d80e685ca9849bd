"""Prorated graduated: full units pick the tiers, prorated units are what is paid for.

Usage rows are changes of a level, as in a weighted sum; a change that crosses a border is split in
proportion. A tier's flat fee is due once, in full, when the tier is entered, and is kept when
units go away again.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import ClassVar

from services.pricing.domain.charges.graduated import flat_of_tier
from services.pricing.domain.charges.price import ZERO, PricedRows, RowPrice, Situation
from services.pricing.domain.seats import days_left
from services.pricing.domain.step import PRICE, Step
from services.pricing.domain.tiers import Tier, require_tiers, split_over_tiers
from services.pricing.domain.usage import Usage, UsageGroup, columns_of
from services.pricing.domain.words import Words


@dataclass(frozen=True)
class Change:
    """Units that come (or go, below 0), and how many of them are paid for."""

    units: Fraction
    prorated: Fraction


@dataclass
class _Running:
    """What the changes so far have come to, by tier."""

    level: Fraction = ZERO
    prorated: dict[int, Fraction] = field(default_factory=dict)


@dataclass(frozen=True)
class ProratedGraduated(RowPrice):
    """Prices for each `per` units (> 0) and whole period; bounds are in single units."""

    model: ClassVar[str] = "prorated_graduated"
    needs_level: ClassVar[bool] = True

    tiers: tuple[Tier, ...]
    per: Fraction = Fraction(1)

    def __post_init__(self) -> None:
        require_tiers(self.tiers)

    def price_rows(
        self, groups: Sequence[UsageGroup], situation: Situation, words: Words
    ) -> PricedRows:
        """Return a step for each tier entered; changes count in the order of their days."""
        changes, places = self._changes(_rows_of(groups), situation)
        steps, amounts = self.price_changes(changes, words, tiers_charged=situation.tiers_charged)
        by_place = dict(zip(places, amounts[1:], strict=True))
        in_order = [by_place[place] for place in sorted(by_place)]
        return PricedRows(steps, columns_of(groups, in_order))

    def tiers_entered(self, groups: Sequence[UsageGroup], situation: Situation) -> int:
        """Return the number of the highest tier that was entered."""
        running = _Running()
        for change in self._changes(_rows_of(groups), situation)[0]:
            self._apply(running, change)
        return max([situation.tiers_charged, *running.prorated])

    def _changes(
        self, rows: Sequence[Usage], situation: Situation
    ) -> tuple[list[Change], list[int]]:
        """Return the level as the period begins and its changes, and the places of their rows."""
        period = situation.period
        changes = [Change(situation.level, situation.level * period.share)]
        by_day = sorted(range(len(rows)), key=lambda place: rows[place].usage_day)
        for place in by_day:
            units = rows[place].quantity
            days = days_left(rows[place].usage_day, period)
            changes.append(Change(units, units * days / period.whole_days))
        return changes, by_day

    def price_changes(
        self, changes: Sequence[Change], words: Words, *, tiers_charged: int = 0
    ) -> tuple[list[Step], list[Fraction]]:
        """Return the steps of changes in their order, and what each adds without flat fees."""
        running = _Running()
        amounts = [self._apply(running, change) for change in changes]
        return self._steps(running, words, tiers_charged), amounts

    def _apply(self, running: _Running, change: Change) -> Fraction:
        """Spread a change over the tiers between the levels before and after; return its price."""
        before, after = running.level, running.level + change.units
        running.level = after
        price = ZERO
        if not change.units:
            return price
        parts = {p.number: p.units for p in split_over_tiers(max(after, ZERO), self.tiers)}
        for part in split_over_tiers(max(before, ZERO), self.tiers):
            parts[part.number] = parts.get(part.number, ZERO) - part.units
        for number, units in parts.items():
            if units:
                prorated = change.prorated * units / change.units
                running.prorated[number] = running.prorated.get(number, ZERO) + prorated
                price += prorated / self.per * self.tiers[number - 1].unit_amount
        return price

    def _steps(self, running: _Running, words: Words, tiers_charged: int) -> list[Step]:
        steps = []
        for number, units in sorted(running.prorated.items()):
            tier = self.tiers[number - 1]
            text = f"tier {number}: {words.count(units)}, by days, at "
            amount = units / self.per * tier.unit_amount
            steps.append(Step(PRICE, text + words.price(tier.unit_amount, self.per), amount))
            if number > tiers_charged:
                steps.extend(flat_of_tier(number, tier.flat_amount, words))
        return steps


def _rows_of(groups: Sequence[UsageGroup]) -> list[Usage]:
    return [row for group in groups for row in group.rows]
