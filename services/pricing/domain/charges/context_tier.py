"""Context tier: the total input of a request picks the price of all its tokens.

Requests are counted by context band, so the bounds of tiers are bounds of bands. Usage whose
context nobody stated, and kinds without a price, stay unrated; another charge may name them.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import ClassVar

from services.pricing.domain.charges.price import PricedRows, RowPrice, Situation
from services.pricing.domain.context_bands import BOUNDS, EDGES
from services.pricing.domain.step import PRICE, Step
from services.pricing.domain.tiers import require_tiers
from services.pricing.domain.usage import Usage, UsageGroup
from services.pricing.domain.words import Words


@dataclass(frozen=True)
class ContextTier:
    """Prices by kind for requests of up to `up_to` input tokens (inclusive; None: open)."""

    up_to: Fraction | None
    unit_amounts: Mapping[str, Fraction]


@dataclass(frozen=True)
class ContextTiers(RowPrice):
    """Prices for each `per` units (> 0)."""

    model: ClassVar[str] = "context_tier"

    tiers: tuple[ContextTier, ...]
    per: Fraction = Fraction(1)

    def __post_init__(self) -> None:
        require_tiers(self.tiers)
        if any(tier.up_to not in EDGES for tier in self.tiers):
            raise ValueError("the bounds of context tiers are bounds of context bands")

    @cached_property
    def tier_of_band(self) -> dict[str, ContextTier]:
        """Band → the tier that holds the whole of it."""
        found = {}
        for band, bound in BOUNDS.items():
            found[band] = next(
                tier
                for tier in self.tiers
                if tier.up_to is None or (bound is not None and bound <= tier.up_to)
            )
        return found

    def accepts(self, row: Usage) -> bool:
        """Tell whether the row's context is known, and its kind has a price."""
        tier = self.tier_of_band.get(row.context_band)
        return tier is not None and row.kind in tier.unit_amounts

    def price_rows(
        self, groups: Sequence[UsageGroup], situation: Situation, words: Words
    ) -> PricedRows:
        """Return a step for each (tier, kind) that occurs."""
        del situation
        quantities: dict[tuple[int, str], Fraction] = defaultdict(Fraction)
        numbers = {id(tier): number for number, tier in enumerate(self.tiers)}
        amounts = []
        for group in groups:
            row = group.rows[0]
            tier = self.tier_of_band[row.context_band]
            quantities[numbers[id(tier)], row.kind] += group.total
            amounts.append(group.daily.quantities.times(tier.unit_amounts[row.kind] / self.per))
        steps = []
        for (number, kind), quantity in sorted(quantities.items()):
            price = self.tiers[number].unit_amounts[kind]
            text = f"{words.count(quantity, kind)} at {words.price(price, self.per)}"
            description = f"{self._place(number, words)}: {text}"
            steps.append(Step(PRICE, description, quantity * price / self.per))
        return PricedRows(steps, amounts)

    def _place(self, number: int, words: Words) -> str:
        bound = self.tiers[number].up_to
        if bound is not None:
            return f"requests of up to {words.number(bound)} input tokens"
        lower = self.tiers[number - 1].up_to if number else None
        return "requests" if lower is None else f"requests above {words.number(lower)} input tokens"
