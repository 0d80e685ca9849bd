"""Finalization: the moment at which a draft becomes a document and meets the customer balance."""

from deploy.local.stripe_simulator.errors import StripeError
from deploy.local.stripe_simulator.identifiers import new_token
from deploy.local.stripe_simulator.money import check_multiple, currency
from deploy.local.stripe_simulator.operations import Call
from deploy.local.stripe_simulator.resources.balance import applicable_balance, move_balance
from deploy.local.stripe_simulator.resources.events import record_event
from deploy.local.stripe_simulator.resources.invoice_object import (
    amount_due,
    customer_fields,
    save_invoice,
    shown_invoice,
)
from deploy.local.stripe_simulator.resources.invoice_totals import recompute
from deploy.local.stripe_simulator.resources.lookup import get_customer
from deploy.local.stripe_simulator.state import Body, Filter

PAID_EVENTS = ("invoice.paid", "invoice.payment_succeeded")
_SEQUENCE = "invoice_sequence"


def finalize(call: Call, record: Body) -> list[str]:
    """Freeze the record: number, customer, page. Return the events that this makes."""
    wire = currency(record["currency"])
    check_multiple(record["total"], wire.total_multiple, param="total", code=wire.code)
    customer = get_customer(call, record["customer"], param="customer", status=400)
    record.update(customer_fields(call, customer))
    if record["automatic_tax"]["enabled"]:
        recompute(call, record)
        _require_location(call, record)
    record["number"] = record["number"] or _next_number(call, customer)
    record["status"] = "open"
    record["status_transitions"]["finalized_at"] = call.now
    record["effective_at"] = record["effective_at"] or call.now
    record["last_finalization_error"] = None
    record["_token"] = new_token()
    customer["currency"] = customer["currency"] or record["currency"]
    call.put("customer", customer)
    _meet_balance(call, record, customer)
    _void_original(call, record)
    _schedule(call, record)
    if record["_amount_due"] == 0:
        mark_paid(call, record)
        return ["invoice.finalized", *PAID_EVENTS]
    return ["invoice.finalized"]


def mark_paid(call: Call, record: Body) -> None:
    record["status"] = "paid"
    record["attempted"] = True
    record["next_payment_attempt"] = None
    record["status_transitions"]["paid_at"] = call.now
    for what in ("collect", "overdue"):
        call.state.schedule(call.account, what, record["id"], None)


def _meet_balance(call: Call, record: Body, customer: Body) -> None:
    """Use the customer's credit, add what is owed, carry over what is too small to collect."""
    code = record["currency"]
    starting = applicable_balance(customer, code)
    due, ending = amount_due(record["total"], starting, code)
    record.update(starting_balance=starting, ending_balance=ending, _amount_due=due)
    change = ending - starting
    if change:
        small = record["total"] > 0 and ending > 0
        kind = "invoice_too_small" if small else "applied_to_invoice"
        move_balance(call, customer, change, kind, code=code, invoice=record["id"])


def return_balance(call: Call, record: Body) -> None:
    """Undo what an invoice did to the balance; called when it is voided."""
    change = record["ending_balance"] - record["starting_balance"]
    if change:
        customer = call.find("customer", record["customer"])
        kind = "unapplied_from_invoice"
        code = record["currency"]
        move_balance(call, customer, -change, kind, code=code, invoice=record["id"])


def _require_location(call: Call, record: Body) -> None:
    """Fail a finalization whose tax cannot be worked out; the draft stays, and says why."""
    if record["automatic_tax"]["status"] != "requires_location_inputs":
        return
    error = StripeError(
        "The customer's location isn't recognized. Set a valid customer address in order to "
        "automatically calculate tax.",
        code="customer_tax_location_invalid",
        stored=True,
    )
    before = shown_invoice(call, call.find("invoice", record["id"]))
    record["last_finalization_error"] = error.body()["error"]
    if record["auto_advance"]:
        record["automatic_tax"] |= {
            "disabled_reason": "finalization_requires_location_inputs",
            "enabled": False,
        }
        recompute(call, record)
    save_invoice(call, record, before, "invoice.finalization_failed")
    raise error


def _next_number(call: Call, customer: Body) -> str:
    """Take the next automatic number, of the customer or the account, that is not in use."""
    while True:
        if call.settings.numbering == "account":
            name = f"{_SEQUENCE}:{call.account}"
            sequence = int(call.state.setting(name, "1"))
            call.state.set_setting(name, str(sequence + 1))
            prefix = call.account[-8:].upper()
        else:
            sequence, prefix = customer["next_invoice_sequence"], customer["invoice_prefix"]
            customer["next_invoice_sequence"] += 1
        number = f"{prefix}-{sequence:04d}"
        if not call.state.count(call.account, "invoice", Filter("number", "eq", number)):
            return number


def _void_original(call: Call, record: Body) -> None:
    if record["from_invoice"] is None:
        return
    original = call.find("invoice", record["from_invoice"]["invoice"])
    before = shown_invoice(call, original)
    original["latest_revision"] = record["id"]
    void(call, original)
    save_invoice(call, original, before, "invoice.voided")


def void(call: Call, record: Body) -> None:
    record["status"] = "void"
    record["status_transitions"]["voided_at"] = call.now
    record["next_payment_attempt"] = None
    for what in ("collect", "overdue"):
        call.state.schedule(call.account, what, record["id"], None)
    return_balance(call, record)


def _schedule(call: Call, record: Body) -> None:
    """Set what time will bring: collection of an invoice that advances, else its due date."""
    if record["auto_advance"] or record["automatically_finalizes_at"] is not None:
        call.state.schedule(call.account, "finalize", record["id"], None)
    if record["_amount_due"] == 0:
        return
    if record["due_date"] is not None:
        call.state.schedule(call.account, "overdue", record["id"], record["due_date"])
    if record["auto_advance"] and record["collection_method"] == "charge_automatically":
        record["next_payment_attempt"] = call.now
        call.state.schedule(call.account, "collect", record["id"], call.now)


def announce(call: Call, record: Body, name: str) -> None:
    """Record an event about an invoice that itself does not change."""
    record_event(call, name, shown_invoice(call, record))
