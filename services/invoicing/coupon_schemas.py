"""HTTP models of coupons."""

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

from shared.ids import Slug
from shared.money import CURRENCIES, format_decimal, parse_decimal

PERCENT_MAX = 100
APPLIES_TO_MAX = 200

Name = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=100, pattern=r"^[^\x00]+$"),
]
Charge = Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=r"^[^\x00]+$")]


def _above_zero(text: str) -> str:
    value = parse_decimal(text)
    if value <= 0:
        raise ValueError("is above zero")
    return format_decimal(value)


def _percentage(text: str) -> str:
    value = _above_zero(text)
    if Decimal(value) > PERCENT_MAX:
        raise ValueError("is at most 100")
    return value


def _known(code: str) -> str:
    if code not in CURRENCIES:
        raise ValueError("is no currency that invoices are made in")
    return code


class CouponWrite(BaseModel):
    """A coupon for a tenant: a percentage, or an amount of a currency, off each invoice."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "tenant": "acme",
                    "coupon_id": "launch",
                    "name": "Launch offer",
                    "percent": "20",
                    "applies_to": ["input", "output"],
                    "first_period": "2023-11-01",
                    "invoices_max": 3,
                }
            ]
        },
    )

    tenant: Slug
    coupon_id: Slug = Field(description="unique in the tenant; for ever the same coupon")
    name: Name = Field(description="what the customer reads")
    percent: Annotated[str, AfterValidator(_percentage)] | None = Field(
        default=None, description="above 0, at most 100"
    )
    amount: Annotated[str, AfterValidator(_above_zero)] | None = Field(
        default=None, description="off each invoice, in major units; never more than there is"
    )
    currency: Annotated[str, AfterValidator(_known)] | None = Field(
        default=None, description="of the amount; invoices in others are without the coupon"
    )
    applies_to: list[Charge] | None = Field(
        default=None,
        min_length=1,
        max_length=APPLIES_TO_MAX,
        description="keys of charges; null: the whole invoice, what credits pay of it excepted",
    )
    first_period: date = Field(
        description="for invoices of periods that begin on this day or later"
    )
    last_period: date | None = Field(default=None, description="or up to this day; null: open")
    invoices_max: int | None = Field(
        default=None, ge=1, le=1200, description="on so many invoices that are not void; null: any"
    )

    @model_validator(mode="after")
    def _one_value(self) -> Self:
        if (self.percent is None) == (self.amount is None):
            raise ValueError("give percent or amount")
        if (self.amount is None) != (self.currency is None):
            raise ValueError("an amount has a currency, a percentage has none")
        if self.last_period is not None and self.last_period < self.first_period:
            raise ValueError("last_period is not before first_period")
        return self

    def values(self) -> dict[str, Any]:
        """Return the columns of the coupon's row."""
        values = self.model_dump()
        return values | {"tenant_id": values.pop("tenant")}


class CouponRead(BaseModel):
    """A coupon, and on how many invoices that are not void it stands."""

    coupon_id: str
    tenant_id: str
    name: str
    percent: str | None
    amount: str | None
    currency: str | None
    applies_to: list[str] | None
    first_period: date
    last_period: date | None
    invoices_max: int | None
    invoices: int
    created_at: datetime
    created_by: str = Field(description="id of the API key")
    ended_at: datetime | None = Field(description="not on invoices drafted afterwards")
    ended_by: str | None


class CouponList(BaseModel):
    """In the order in which they are applied: each to what those before it left."""

    coupons: list[CouponRead]
