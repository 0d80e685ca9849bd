"""HTTP models of spend alerts."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from services.pricing.schemas.fields import Amount
from shared.money import exact

AMOUNTS_MAX = 20


def _above_zero(amount: str) -> str:
    if not exact(amount):
        raise ValueError("This number is above 0.")
    return amount


class SpendAlerts(BaseModel):
    """At which spend of a period to be told, in the currency of its price book.

    Spend is what usage comes to: no fees, minimums or true-ups, before credits and discounts of
    the invoice. Each amount is told once a period, as `usage.threshold_crossed`.
    """

    model_config = ConfigDict(extra="forbid")

    amounts: list[Annotated[Amount, AfterValidator(_above_zero)]] = Field(
        max_length=AMOUNTS_MAX, description="above 0; none: nothing is told"
    )
