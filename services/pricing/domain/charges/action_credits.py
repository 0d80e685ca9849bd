"""Action credits: each action is rounded up to whole blocks, and a block costs credits."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar

from services.pricing.domain.charges.package import whole_packages
from services.pricing.domain.charges.price import EventPrice
from services.pricing.domain.step import PRICE, Step
from services.pricing.domain.words import Words


@dataclass(frozen=True)
class ActionCredits(EventPrice):
    """ceil(units of an action / `block_units`) x `credits_per_block` x `credit_value`."""

    model: ClassVar[str] = "action_credits"

    block_units: Fraction
    credits_per_block: Fraction
    credit_value: Fraction

    def blocks(self, actions: Sequence[Fraction]) -> int:
        """Return the blocks of all actions, each rounded up on its own."""
        return sum(whole_packages(units, self.block_units) for units in actions)

    def credits(self, actions: Sequence[Fraction]) -> Fraction:
        """Return the credits that the actions use."""
        return self.blocks(actions) * self.credits_per_block

    def price_events(self, values: Sequence[Fraction], words: Words) -> list[Step]:
        """Return the price of the credits; none without an action."""
        if not values:
            return []
        used = self.credits(values)
        description = (
            f"{words.count(Fraction(len(values)), 'actions')} in blocks of "
            f"{words.number(self.block_units)}: {words.count(used, 'credits')} "
            f"at {words.price(self.credit_value, Fraction(1))}"
        )
        return [Step(PRICE, description, used * self.credit_value)]
