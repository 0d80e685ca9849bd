"""The state machine of an invoice.

`draft -> open -> paid | void | uncollectible`, `uncollectible -> paid | void`. A total of 0 goes
straight to paid. A draft is deleted, never voided; nothing leaves paid or void.
"""

from deploy.local.stripe_simulator.errors import StripeError, not_simulated, state_conflict
from deploy.local.stripe_simulator.identifiers import new_token
from deploy.local.stripe_simulator.money import check_multiple, currency
from deploy.local.stripe_simulator.operations import Call, Operation
from deploy.local.stripe_simulator.resources.customers import get_customer
from deploy.local.stripe_simulator.resources.events import record_event
from deploy.local.stripe_simulator.resources.invoice_object import (
    customer_fields,
    get_invoice,
    save_invoice,
    shown_invoice,
)
from deploy.local.stripe_simulator.shapes import Boolean, Shape, Text
from deploy.local.stripe_simulator.state import Body, Filter

_PAID_EVENTS = ("invoice.paid", "invoice.payment_succeeded")
_GOOD_CARDS = {"pm_card_visa", "pm_card_mastercard", "pm_card_amex"}
_BAD_CARDS = {
    "pm_card_chargeDeclined": ("card_declined", "Your card was declined."),
    "pm_card_visa_chargeDeclined": ("card_declined", "Your card was declined."),
    "pm_card_chargeDeclinedExpiredCard": ("expired_card", "Your card has expired."),
}


def finalize_invoice(call: Call) -> Body:
    record = get_invoice(call)
    if record["status"] != "draft":
        raise state_conflict(
            "This invoice is already finalized, you can't re-finalize a non-draft invoice."
        )
    if call.params.get("auto_advance"):
        raise not_simulated("automatic collection", param="auto_advance")
    before = shown_invoice(call, record)
    return save_invoice(call, record, before, *_finalize(call, record))


def send_invoice(call: Call) -> Body:
    """Send an invoice; a draft is finalized first, as the real API does."""
    record = get_invoice(call)
    if record["collection_method"] != "send_invoice":
        raise state_conflict("Only invoices with collection_method=send_invoice can be sent.")
    if record["status"] in {"void", "uncollectible"}:
        raise state_conflict(f"A {record['status']} invoice cannot be sent.")
    before = shown_invoice(call, record)
    events = _finalize(call, record) if record["status"] == "draft" else []
    return save_invoice(call, record, before, *events, "invoice.sent")


def pay_invoice(call: Call) -> Body:
    record = get_invoice(call)
    if record["status"] == "draft":
        raise state_conflict("A draft cannot be paid; finalize it first.")
    if record["status"] == "paid":
        raise state_conflict("Invoice is already paid")
    if record["status"] == "void":
        raise state_conflict("A void invoice cannot be paid.")
    before = shown_invoice(call, record)
    out_of_band = call.params.get("paid_out_of_band", False)
    if not out_of_band:
        _charge(call, record)
    _mark_paid(call, record)
    record["amount_paid_off_stripe"] = record["subtotal"] if out_of_band else 0
    return save_invoice(call, record, before, *_PAID_EVENTS)


def void_invoice(call: Call) -> Body:
    record = get_invoice(call)
    if record["status"] not in {"open", "uncollectible"}:
        raise state_conflict(f"A {record['status']} invoice cannot be voided.")
    before = shown_invoice(call, record)
    record["status"] = "void"
    record["status_transitions"]["voided_at"] = call.now
    return save_invoice(call, record, before, "invoice.voided")


def mark_uncollectible(call: Call) -> Body:
    record = get_invoice(call)
    if record["status"] != "open":
        raise state_conflict(f"A {record['status']} invoice cannot be marked uncollectible.")
    before = shown_invoice(call, record)
    record["status"] = "uncollectible"
    record["status_transitions"]["marked_uncollectible_at"] = call.now
    return save_invoice(call, record, before, "invoice.marked_uncollectible")


def _finalize(call: Call, record: Body) -> list[str]:
    """Freeze the record: number, customer, page. Return the events that this makes."""
    total = record["subtotal"]
    if total < 0:
        raise not_simulated("totals below zero, which become a customer balance")
    wire = currency(record["currency"])
    check_multiple(total, wire.total_multiple, param="total", code=wire.code)
    customer = get_customer(call, record["customer"], param="customer", status=400)
    record.update(customer_fields(customer))
    record["number"] = record["number"] or _next_number(call, customer)
    record["status"] = "open"
    record["status_transitions"]["finalized_at"] = call.now
    record["effective_at"] = record["effective_at"] or call.now
    record["ending_balance"] = 0
    record["_token"] = new_token()
    customer["currency"] = customer["currency"] or record["currency"]
    call.state.put(call.account, "customer", customer)
    if total == 0:
        _mark_paid(call, record)
        return ["invoice.finalized", *_PAID_EVENTS]
    return ["invoice.finalized"]


def _next_number(call: Call, customer: Body) -> str:
    """Take the customer's next automatic number that nobody has set by hand."""
    while True:
        number = f"{customer['invoice_prefix']}-{customer['next_invoice_sequence']:04d}"
        customer["next_invoice_sequence"] += 1
        if not call.state.count(call.account, "invoice", Filter("number", "eq", number)):
            return number


def _charge(call: Call, record: Body) -> None:
    """Charge one of Stripe's test cards, or raise with the decline kept under the key."""
    card = call.params.get("payment_method")
    record["attempted"] = True
    record["attempt_count"] += 1
    if card is None:
        raise StripeError(
            "There is no `default_payment_method` set on this Customer or Invoice.",
            code="missing",
            param="payment_method",
        )
    if card in _BAD_CARDS:
        code, message = _BAD_CARDS[card]
        call.state.put(call.account, "invoice", record)
        record_event(call, "invoice.payment_failed", shown_invoice(call, record))
        raise StripeError(message, code=code, status=402, kind="card_error", stored=True)
    if card not in _GOOD_CARDS:
        raise StripeError(
            f"No such PaymentMethod: '{card}'", code="resource_missing", param="payment_method"
        )


def _mark_paid(call: Call, record: Body) -> None:
    record["status"] = "paid"
    record["attempted"] = True
    record["amount_paid"] = record["subtotal"]
    record["status_transitions"]["paid_at"] = call.now


def _action(name: str, shape: Shape) -> tuple[str, str, Shape]:
    return "POST", f"/v1/invoices/{{id}}/{name}", shape


OPERATIONS = [
    Operation(*_action("finalize", Shape({"auto_advance": Boolean()})), finalize_invoice),
    Operation(*_action("send", Shape()), send_invoice),
    Operation(
        *_action("pay", Shape({"paid_out_of_band": Boolean(), "payment_method": Text()})),
        pay_invoice,
    ),
    Operation(*_action("void", Shape()), void_invoice),
    Operation(*_action("mark_uncollectible", Shape()), mark_uncollectible),
]
