"""Fees: what is due for the period and the seats, whatever is used."""

from typing import Literal

from pydantic import Field

from services.pricing.domain.charges.flat import Flat
from services.pricing.domain.charges.per_seat import PerSeat
from services.pricing.domain.charges.price import Timing
from services.pricing.domain.seats import ANY_CLASS
from services.pricing.schemas.charges.charge import ChargeContent
from services.pricing.schemas.fields import Amount, is_none
from shared.ids import Slug
from shared.money import exact


class FlatCharge(ChargeContent):
    """A fixed amount for each period."""

    model: Literal["flat"]
    amount: Amount
    timing: Timing = "in_arrears"

    def price(self) -> Flat:
        return Flat(exact(self.amount), self.timing)


class PerSeatCharge(ChargeContent):
    """An amount for each seat of the subscription and period; of one class, if it is named."""

    model: Literal["per_seat"]
    unit_amount: Amount
    seat_class: Slug | None = Field(default=None, exclude_if=is_none)
    timing: Timing = "in_arrears"

    def price(self) -> PerSeat:
        return PerSeat(exact(self.unit_amount), self.seat_class or ANY_CLASS, self.timing)
