"""HTTP models of orders of credit."""

from datetime import date
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from services.pricing.domain.wallet.orders import TopUpOrder
from services.pricing.schemas.fields import Name, Positive
from services.pricing.schemas.wallet import DAYS_MAX
from shared.money import exact

TaxMode = Literal["at_use", "at_purchase"]


class TopUpOrderWrite(BaseModel):
    """Credit that is invoiced now, and granted once the invoice is paid."""

    model_config = ConfigDict(extra="forbid")

    amount: Positive = Field(description="of credit, in the wallet's currency, exact")
    price: Positive | None = Field(default=None, description="what is paid; null: the amount")
    tax: TaxMode = Field(
        default="at_purchase",
        description="at_purchase: taxed on this invoice, a payment later; at_use: a discount later",
    )
    valid_days: int | None = Field(
        default=None, ge=1, le=DAYS_MAX, strict=True, description="from its payment; null: for ever"
    )

    def to_domain(self, order_id: str) -> TopUpOrder:
        return TopUpOrder(
            order_id,
            exact(self.amount),
            exact(self.price or self.amount),
            tax=self.tax,
            valid_days=self.valid_days,
        )


class TopUpOrderRead(BaseModel):
    """An order; amounts exact."""

    order_id: str
    number: int = Field(description="1 for the tenant's first; the sequence of its statement")
    amount: str
    price: str
    tax: TaxMode
    valid_days: int | None
    statement_id: str
    origin: Literal["ordered", "automatic"]
    ordered_on: date
    state: Literal["open", "paid", "unpaid", "taken_back"] = Field(
        description="unpaid: void or given up; taken_back: paid, then refunded, credited, disputed"
    )
    grant_id: str | None = Field(description="what was granted when it was paid")
    dismissed: bool = Field(description="a person has dealt with what became of it")


class TopUpOrderList(BaseModel):
    """Oldest first; `next_after` is the `after` of the next page, null on the last one."""

    orders: list[TopUpOrderRead]
    next_after: int | None


class DismissWrite(BaseModel):
    """Why nothing more is to be done about an order."""

    model_config = ConfigDict(extra="forbid")

    reason: Name
