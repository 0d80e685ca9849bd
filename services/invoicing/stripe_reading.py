"""Objects in Stripe's answers as our own types. Amounts are checked to be integers."""

from typing import Any

from services.invoicing.stripe_tax import line_taxes
from services.invoicing.stripe_types import StripeCustomer, StripeInvoice, StripeLine


def read_invoice(answer: Any) -> StripeInvoice:
    """Return an invoice of an answer, with its lines when all of them are there."""
    for name in ("total", "starting_balance", "amount_paid", "amount_remaining"):
        assert type(answer[name]) is int, f"{name} is an int"
    net = answer["total_excluding_tax"]
    assert net is None or type(net) is int, "total_excluding_tax is an int"
    customer = answer["customer"]
    return StripeInvoice(
        id=answer["id"],
        status=answer["status"],
        customer=customer if isinstance(customer, str) else customer["id"],
        currency=answer["currency"],
        number=answer["number"],
        total=answer["total"],
        total_excluding_tax=net,
        starting_balance=answer["starting_balance"],
        metadata=_metadata(answer),
        hosted_invoice_url=answer["hosted_invoice_url"],
        amount_paid=answer["amount_paid"],
        amount_remaining=answer["amount_remaining"],
        due_date=answer["due_date"],
        attempted=answer["attempted"],
        finalization_error=_finalization_error(answer),
        credited=answer["pre_payment_credit_notes_amount"]
        + answer["post_payment_credit_notes_amount"],
        automatic_tax=answer["automatic_tax"]["enabled"],
        located=answer["automatic_tax"]["status"] != "requires_location_inputs",
        lines=_listed_lines(answer),
    )


def read_customer(answer: Any) -> StripeCustomer:
    address = {name: text for name, text in (answer["address"] or {}).items() if text}
    return StripeCustomer(
        answer["id"],
        _metadata(answer),
        answer["name"] or "",
        answer["email"] or "",
        address,
        tuple(answer["preferred_locales"] or ()),
    )


def _finalization_error(answer: Any) -> str | None:
    error = answer["last_finalization_error"]
    return None if error is None else str(error["code"] or error["type"])


def read_line(answer: Any) -> StripeLine:
    assert type(answer["amount"]) is int, "an amount is an int"
    taxes = line_taxes(answer)
    return StripeLine(_metadata(answer).get("line_key"), answer["amount"], answer["id"], taxes)


def _listed_lines(answer: Any) -> tuple[StripeLine, ...] | None:
    lines = answer["lines"]
    return None if lines["has_more"] else tuple(read_line(line) for line in lines["data"])


def _metadata(answer: Any) -> dict[str, str]:
    return dict(answer["metadata"] or {})
