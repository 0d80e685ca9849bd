"""The state machine of an invoice.

`draft -> open -> paid | void | uncollectible`, `uncollectible -> paid | void`. Where nothing is due
a finalized invoice goes straight to paid. A draft is deleted, never voided; nothing leaves paid or
void.
"""

from deploy.local.stripe_simulator.errors import state_conflict
from deploy.local.stripe_simulator.operations import Call, Operation, Shown
from deploy.local.stripe_simulator.resources.cards import CARD
from deploy.local.stripe_simulator.resources.finalization import (
    PAID_EVENTS,
    finalize,
    mark_paid,
    void,
)
from deploy.local.stripe_simulator.resources.invoice_object import (
    amount_remaining,
    get_invoice,
    save_invoice,
    shown_invoice,
)
from deploy.local.stripe_simulator.resources.payments import charge_invoice
from deploy.local.stripe_simulator.shapes import Boolean, Shape, uncovered


def finalize_invoice(call: Call) -> Shown:
    record = get_invoice(call)
    if record["status"] != "draft":
        raise state_conflict(
            "This invoice is already finalized, you can't re-finalize a non-draft invoice."
        )
    before = shown_invoice(call, record)
    if "auto_advance" in call.params:
        record["auto_advance"] = call.params["auto_advance"]
    events = finalize(call, record)
    if record["auto_advance"] and record["collection_method"] == "send_invoice":
        events.append("invoice.sent")
    return save_invoice(call, record, before, *events)


def send_invoice(call: Call) -> Shown:
    """Send an invoice; a draft is finalized first, as the real API does."""
    record = get_invoice(call)
    if record["collection_method"] != "send_invoice":
        raise state_conflict("Only invoices with collection_method=send_invoice can be sent.")
    if record["status"] in {"void", "uncollectible"}:
        raise state_conflict(f"A {record['status']} invoice cannot be sent.")
    before = shown_invoice(call, record)
    events = finalize(call, record) if record["status"] == "draft" else []
    return save_invoice(call, record, before, *events, "invoice.sent")


def pay_invoice(call: Call) -> Shown:
    record = get_invoice(call)
    if record["status"] == "draft":
        raise state_conflict("A draft cannot be paid; finalize it first.")
    if record["status"] == "paid":
        raise state_conflict("Invoice is already paid")
    if record["status"] == "void":
        raise state_conflict("A void invoice cannot be paid.")
    before = shown_invoice(call, record)
    if call.params.get("paid_out_of_band", False):
        remaining = amount_remaining(record)
        record["amount_paid"] += remaining
        record["amount_paid_off_stripe"] += remaining
        mark_paid(call, record)
    else:
        charge_invoice(call, record, call.params.get("payment_method"))
    return save_invoice(call, record, before, *PAID_EVENTS)


def void_invoice(call: Call) -> Shown:
    record = get_invoice(call)
    if record["status"] not in {"open", "uncollectible"}:
        raise state_conflict(f"A {record['status']} invoice cannot be voided.")
    if record["amount_paid"]:
        raise state_conflict("An invoice that is partly paid cannot be voided.")
    before = shown_invoice(call, record)
    void(call, record)
    return save_invoice(call, record, before, "invoice.voided")


def mark_uncollectible(call: Call) -> Shown:
    record = get_invoice(call)
    if record["status"] != "open":
        raise state_conflict(f"A {record['status']} invoice cannot be marked uncollectible.")
    before = shown_invoice(call, record)
    record["status"] = "uncollectible"
    record["next_payment_attempt"] = None
    record["status_transitions"]["marked_uncollectible_at"] = call.now
    call.state.schedule(call.account, "collect", record["id"], None)
    return save_invoice(call, record, before, "invoice.marked_uncollectible")


def _action(name: str, shape: Shape) -> tuple[str, str, Shape]:
    return "POST", f"/v1/invoices/{{id}}/{name}", shape


_PAY = Shape(
    {
        "off_session": Boolean(),
        "paid_out_of_band": Boolean(),
        "payment_method": CARD,
        **uncovered("forgive", "mandate", "source"),
    }
)
OPERATIONS = [
    Operation(*_action("finalize", Shape({"auto_advance": Boolean()})), finalize_invoice),
    Operation(*_action("send", Shape()), send_invoice),
    Operation(*_action("pay", _PAY), pay_invoice),
    Operation(*_action("void", Shape()), void_invoice),
    Operation(*_action("mark_uncollectible", Shape()), mark_uncollectible),
]
