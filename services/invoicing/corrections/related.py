"""Which invoice an event of Stripe is about; nothing else of an event is used."""

import json
from typing import Any

from services.invoicing.stripe_types import Stripe

ID_LENGTH_MAX = 255
_POINTS_AT_INVOICE = frozenset({"invoice_payment", "credit_note"})
_POINTS_AT_PAYMENT = frozenset({"charge", "dispute", "refund"})


def event_object(event: dict[str, Any]) -> dict[str, Any]:
    """Return the object that an event is about; empty when it has none."""
    data = event.get("data")
    found = data.get("object") if isinstance(data, dict) else None
    return found if isinstance(found, dict) else {}


def invoice_id_of(found: dict[str, Any]) -> str | None:
    """Return the invoice that an object is, or names."""
    if found.get("object") == "invoice":
        return _identity(found.get("id"))
    if found.get("object") in _POINTS_AT_INVOICE:
        return _identity(found.get("invoice"))
    return None


async def invoice_behind(stripe: Stripe, payload: bytes) -> str | None:
    """Return the invoice whose payment an event is about; raises `StripeProblem`."""
    found = event_object(json.loads(payload))
    if found.get("object") not in _POINTS_AT_PAYMENT:
        return None
    intent = _identity(found.get("payment_intent"))
    return None if intent is None else await stripe.invoice_of_payment_intent(intent)


def _identity(value: Any) -> str | None:
    good = isinstance(value, str) and value.isprintable() and 0 < len(value) <= ID_LENGTH_MAX
    return value if good else None
