"""What time brings by itself: drafts finalized, invoices collected or overdue, refunds failed."""

from dataclasses import replace

from deploy.local.stripe_simulator.errors import StripeError
from deploy.local.stripe_simulator.operations import Call
from deploy.local.stripe_simulator.resources.finalization import PAID_EVENTS, announce, finalize
from deploy.local.stripe_simulator.resources.invoice_object import save_invoice, shown_invoice
from deploy.local.stripe_simulator.resources.payments import charge_invoice
from deploy.local.stripe_simulator.resources.refunds import fail_refund
from deploy.local.stripe_simulator.state import Body

FINALIZES_WITHOUT_ANSWER_SECONDS = 72 * 3600


def run(call: Call, what: str, identifier: str, *, at: int) -> None:
    """Do one thing that was due at `at`, as of that time."""
    then = replace(call, now=at)
    if what == "refund_fails":
        fail_refund(then, identifier)
        return
    record = call.state.get(call.account, "invoice", identifier)
    if record is not None:
        {"finalize": _finalize, "collect": _collect, "overdue": _overdue}[what](then, record)


def _finalize(call: Call, record: Body) -> None:
    """Finalize a draft: an hour after its creation was heard of, else after three days."""
    if record["status"] != "draft":
        return
    latest = record["created"] + FINALIZES_WITHOUT_ANSWER_SECONDS
    set_by_hand = record["automatically_finalizes_at"] is not None
    if not set_by_hand and call.now < latest and not _creation_was_heard(call, record):
        call.state.schedule(call.account, "finalize", record["id"], latest)
        return
    before = shown_invoice(call, record)
    try:
        events = finalize(call, record)
    except StripeError:
        return  # the draft says why, and an event too
    if record["collection_method"] == "send_invoice":
        events.append("invoice.sent")
    save_invoice(call, record, before, *events)


def _creation_was_heard(call: Call, record: Body) -> bool:
    row = call.state.connection.execute(
        "SELECT count(*) FROM deliveries JOIN objects ON objects.id = deliveries.event_id "
        "WHERE objects.owner = ? AND objects.kind = 'event' "
        "AND objects.label = 'invoice.created' AND deliveries.state <> 'delivered'",
        (record["id"],),
    ).fetchone()
    return int(row[0]) == 0


def _collect(call: Call, record: Body) -> None:
    if record["status"] != "open":
        return
    before = shown_invoice(call, record)
    try:
        charge_invoice(call, record, None)
    except StripeError as error:
        if error.code == "missing":  # nothing to charge: it waits for a payment by hand
            record["attempted"], record["next_payment_attempt"] = True, None
            save_invoice(call, record, before, "invoice.payment_failed")
        else:
            save_invoice(call, record, before)
        return
    save_invoice(call, record, before, *PAID_EVENTS)


def _overdue(call: Call, record: Body) -> None:
    if record["status"] == "open":
        announce(call, record, "invoice.overdue")
