"""Stripe's test payment methods, by name. The simulator attaches none: naming one is enough."""

from dataclasses import dataclass

from deploy.local.stripe_simulator.errors import StripeError
from deploy.local.stripe_simulator.forms import Raw


@dataclass(frozen=True)
class Card:
    """What comes of charging it: a decline, a wait for the customer, or a charge.

    `disputed` and `refund_fails` are what happens to the charge afterwards.
    """

    decline: tuple[str, str] | None = None
    requires_action: bool = False
    disputed: str | None = None
    refund_fails: bool = False


_DECLINED = Card(("card_declined", "Your card was declined."))
CARDS = {
    "pm_card_visa": Card(),
    "pm_card_mastercard": Card(),
    "pm_card_amex": Card(),
    "pm_card_us": Card(),
    "pm_card_chargeDeclined": _DECLINED,
    "pm_card_visa_chargeDeclined": _DECLINED,
    "pm_card_chargeCustomerFail": _DECLINED,
    "pm_card_chargeDeclinedExpiredCard": Card(("expired_card", "Your card has expired.")),
    "pm_card_visa_chargeDeclinedInsufficientFunds": Card(
        ("card_declined", "Your card has insufficient funds.")
    ),
    "pm_card_authenticationRequired": Card(requires_action=True),
    "pm_card_authenticationRequiredOnSetup": Card(requires_action=True),
    "pm_card_createDispute": Card(disputed="fraudulent"),
    "pm_card_createProductNotReceivedDispute": Card(disputed="product_not_received"),
    "pm_card_refundFail": Card(refund_fails=True),
}


class CardReader:
    """The name of a test payment method; an empty string unsets it."""

    def read(self, raw: Raw, name: str) -> str | None:
        if raw == "":
            return None
        if not isinstance(raw, str) or raw not in CARDS:
            raise StripeError(
                f"No such PaymentMethod: '{str(raw)[:60]}'", code="resource_missing", param=name
            )
        return raw


CARD = CardReader()
