"""Orders of prepaid credit: invoiced first, granted once the invoice is paid."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction
from typing import Any

from services.pricing.domain.details import NO_DETAILS
from services.pricing.domain.hashing import content_hash, hash_of_rating
from services.pricing.domain.statement import Line, RatedStatement
from services.pricing.domain.step import PRICE, Step
from services.pricing.domain.wallet.grants import CreditScope, Grant, Tax
from services.pricing.domain.words import Words
from shared.money import Currency, format_exact, parse_exact

BOUGHT_PRIORITY = 100


@dataclass(frozen=True)
class TopUpOrder:
    """`amount` of credit for `price`, both above 0 and in the wallet's currency.

    The credit is valid from the day on which its invoice is paid, for `valid_days`; None: for ever.
    """

    order_id: str
    amount: Fraction
    price: Fraction
    tax: Tax = "at_purchase"
    valid_days: int | None = None

    def __post_init__(self) -> None:
        if self.amount <= 0 or self.price <= 0:
            raise ValueError("an order and its price are above 0")
        if self.valid_days is not None and self.valid_days < 1:
            raise ValueError("credit is valid for a day at least")

    def content(self) -> dict[str, Any]:
        """Return the order as plain data, amounts as exact text."""
        amounts = {"amount": format_exact(self.amount), "price": format_exact(self.price)}
        return {**vars(self), **amounts}


def order_from(content: Mapping[str, Any]) -> TopUpOrder:
    """Return the order that `TopUpOrder.content` wrote down."""
    return TopUpOrder(
        order_id=content["order_id"],
        amount=parse_exact(content["amount"]),
        price=parse_exact(content["price"]),
        tax=content["tax"],
        valid_days=content["valid_days"],
    )


def granted_by(order: TopUpOrder, *, on: date) -> Grant:
    """Return what an order grants once it is paid: for anything, at what a unit was paid with."""
    days = order.valid_days
    return Grant(
        grant_id=f"top-up-{order.order_id}",
        position=0,
        amount=order.amount,
        priority=BOUGHT_PRIORITY,
        valid_from=on,
        expires_on=None if days is None else on + timedelta(days=days),
        cost_basis=order.price / order.amount,
        scope=CreditScope(),
        tax=order.tax,
    )


def rated_order(order: TopUpOrder, currency: Currency) -> RatedStatement:
    """Return an order as a statement of one line; the same order gives the same hashes."""
    words = Words(currency, "credits")
    text = f"{words.money(order.amount)} of credit for {words.money(order.price)}"
    line = Line(
        line_key="000-topup",
        charge="topup",
        model="topup",
        name="Prepaid credit",
        quantity=order.amount,
        unit="credits",
        amount=order.price,
        steps=(Step(PRICE, text, order.price),),
        details=NO_DETAILS,
    )
    return RatedStatement(
        lines=(line,),
        unrated=(),
        total=order.price,
        input_hash=content_hash(order.content()),
        rating_hash=hash_of_rating([line], (), order.price),
    )
