"""Charges whose price depends on single events."""

from typing import Literal

from pydantic import Field

from services.pricing.domain.charges.action_credits import ActionCredits
from services.pricing.domain.charges.percentage import Percentage
from services.pricing.schemas.charges.charge import Claiming
from services.pricing.schemas.conditions import UsageConditions
from services.pricing.schemas.fields import Amount, Count, Positive, is_none, is_zero
from shared.money import exact


class PercentageCharge(Claiming, UsageConditions):
    """`rate_percent` of the value of each event, + `fixed_amount`, then the bounds of an event.

    Events are free, in their order, while every given allowance lasts.
    """

    model: Literal["percentage"]
    rate_percent: Amount
    fixed_amount: Amount = Field(default="0", exclude_if=is_zero)
    free_events: Count | None = Field(default=None, exclude_if=is_none)
    free_amount: Amount | None = Field(default=None, exclude_if=is_none)
    min_per_event: Amount | None = Field(default=None, exclude_if=is_none)
    max_per_event: Amount | None = Field(default=None, exclude_if=is_none)

    def price(self) -> Percentage:
        names = ("free_amount", "min_per_event", "max_per_event")
        given = {name: getattr(self, name) for name in names}
        optional = {name: None if text is None else exact(text) for name, text in given.items()}
        return Percentage(
            exact(self.rate_percent),
            exact(self.fixed_amount),
            free_events=self.free_events,
            **optional,
        )


class ActionCreditsCharge(Claiming, UsageConditions):
    """Each action rounded up to blocks, a block costs credits, a credit costs money."""

    model: Literal["action_credits"]
    block_units: Positive
    credits_per_block: Amount
    credit_value: Amount

    def price(self) -> ActionCredits:
        return ActionCredits(
            exact(self.block_units), exact(self.credits_per_block), exact(self.credit_value)
        )
