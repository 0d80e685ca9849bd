"""What waits for a person, with one action each."""

from datetime import datetime

from pydantic import Field

from services.invoicing.attention_actions import action_for
from services.invoicing.corrections.models import ActionOrder, CreditNote
from services.invoicing.domain.standing import Fact, waits_for_a_person
from services.invoicing.models import Invoice
from services.invoicing.repository.standing import WaitingFacts
from services.invoicing.webhooks_out.models import EXHAUSTED, GONE, DeadDeliveries
from shared.attention import AttentionAction, AttentionItem, call


class InvoicingItem(AttentionItem):
    """Something that waits for a person; `kind` and the ids stand at the top, too."""

    kind: str = Field(description="the kind of thing; several codes may be of one kind")
    invoice_id: str | None = None
    tenant_id: str | None = None
    endpoint_id: str | None = Field(default=None, description="of webhooks")
    reason: str


def attention_item(invoice: Invoice, since: datetime | None = None) -> InvoicingItem:
    """Return what is to be done about a parked or waiting invoice."""
    reason = invoice.reason or "unknown"
    kind = "parked_invoice" if invoice.state == "parked" else "waiting_invoice"
    # A number is taken when the gate is passed: what parks behind it stopped the finalizing.
    blocked = invoice.state == "parked" and invoice.number is not None
    return _of_invoice(
        invoice,
        code="blocked_finalization" if blocked else kind,
        kind=kind,
        reason=reason,
        message=f"The invoice is {invoice.state}: {reason}. The tenant does not have it.",
        since=since,
        action=action_for(invoice, reason),
    )


def backing_off_item(invoice: Invoice, since: datetime | None = None) -> InvoicingItem:
    """Return what is to be done about an invoice that is tried again and again."""
    text = "Stripe is not reached, or fails: invoicing's log has the cause. It goes on by itself."
    return _of_invoice(
        invoice,
        code="backing_off_invoice",
        kind="backing_off_invoice",
        reason="stripe_unreachable",
        message=f"The invoice is {invoice.state} and failed {invoice.failures} times in a row.",
        since=since,
        action=call("GET", f"/v1/invoices/{invoice.invoice_id}", text),
    )


def _of_invoice(
    invoice: Invoice,
    *,
    code: str,
    kind: str,
    reason: str,
    message: str,
    since: datetime | None,
    action: AttentionAction,
) -> InvoicingItem:
    return InvoicingItem(
        code=code,
        subject=invoice.invoice_id,
        ids={"invoice_id": invoice.invoice_id, "tenant_id": invoice.tenant_id},
        message=message,
        since=since or invoice.created_at,
        action=action,
        kind=kind,
        invoice_id=invoice.invoice_id,
        tenant_id=invoice.tenant_id,
        reason=reason,
    )


_FACT_ACTIONS: dict[Fact, str] = {
    "overdue": "Remind the tenant; give the invoice up with mark-uncollectible, or credit it.",
    "payment_failed": "Ask the tenant for another means of payment on Stripe's hosted page.",
    "finalization_failed": "Complete what the reason names (mostly the tenant's address), retry.",
    "refund_failed": "The bank did not take the refund: pay it back another way.",
    "disputed": "Answer the dispute at Stripe before it is due.",
}


def standing_items(waiting: WaitingFacts) -> list[InvoicingItem]:
    """Return what is to be done about an invoice's payments, an item for each fact."""
    path = f"/v1/invoices/{waiting.invoice_id}/standing"
    return [
        InvoicingItem(
            code="invoice_payment",
            subject=waiting.invoice_id,
            ids={"invoice_id": waiting.invoice_id, "tenant_id": waiting.tenant_id},
            message=f"The invoice's payment: {fact.replace('_', ' ')}.",
            since=waiting.observed_at,
            action=call("GET", path, _FACT_ACTIONS[fact]),
            kind="invoice_payment",
            invoice_id=waiting.invoice_id,
            tenant_id=waiting.tenant_id,
            reason=fact if reason is None else f"{fact}:{reason}",
        )
        for fact, reason in sorted(waiting.facts.items())
        if waits_for_a_person(fact, reason)
    ]


def refused_action_item(order: ActionOrder) -> InvoicingItem:
    """Return what is to be done about an order that Stripe refused."""
    text = "Look at the invoice at Stripe; order again when what the reason names is gone."
    route = order.action.replace("_", "-")
    reason = f"{order.action}:{order.reason or 'unknown'}"
    return InvoicingItem(
        code="refused_correction",
        subject=order.invoice_id,
        ids={"invoice_id": order.invoice_id, "tenant_id": order.tenant_id},
        message=f"Stripe refused what was ordered for the invoice: {reason}.",
        since=order.created_at,
        action=call("POST", f"/v1/invoices/{order.invoice_id}/{route}", text),
        kind="refused_correction",
        invoice_id=order.invoice_id,
        tenant_id=order.tenant_id,
        reason=reason,
    )


def parked_note_item(note: CreditNote) -> InvoicingItem:
    """Return what is to be done about a credit note that Stripe or the comparison refused."""
    text = "Look at the invoice's payments at Stripe, then retry the credit note, or cancel it."
    reason = note.reason or "unknown"
    return InvoicingItem(
        code="parked_credit_note",
        subject=note.credit_note_id,
        ids={
            "credit_note_id": note.credit_note_id,
            "invoice_id": note.invoice_id,
            "tenant_id": note.tenant_id,
        },
        message=f"A credit note is parked: {reason}. The tenant does not have it.",
        since=note.created_at,
        action=call("POST", f"/v1/credit-notes/{note.credit_note_id}/retry", text),
        kind="parked_credit_note",
        invoice_id=note.invoice_id,
        tenant_id=note.tenant_id,
        reason=reason,
    )


def failing_order_item(order: ActionOrder | CreditNote) -> InvoicingItem:
    """Return what is to be done about an order that is tried again and again."""
    if isinstance(order, CreditNote):
        what, subject = "credit_note", order.credit_note_id
    else:
        what, subject = order.action, order.invoice_id
    text = "Stripe is not reached, or we fail: invoicing's log has the cause. It goes on by itself."
    return InvoicingItem(
        code="backing_off_correction",
        subject=subject,
        ids={"invoice_id": order.invoice_id, "tenant_id": order.tenant_id},
        message=f"The order {what} failed {order.failures} times in a row.",
        since=order.created_at,
        action=call("GET", f"/v1/invoices/{order.invoice_id}", text),
        kind="backing_off_correction",
        invoice_id=order.invoice_id,
        tenant_id=order.tenant_id,
        reason=f"{what}:failing",
    )


def webhooks_item(dead: DeadDeliveries) -> InvoicingItem:
    """Return what is to be done about an endpoint that is gone, or did not answer in time."""
    path = f"/v1/webhook-endpoints/{dead.endpoint_id}"
    if dead.disabled_reason == GONE:
        text = "The endpoint answered 410. Enable it when it is there again, then replay."
        kind, reason, action = "webhook_endpoint_gone", GONE, call("PUT", path, text)
    else:
        text = "Look at an attempt's answer, repair the receiver, then replay since a time."
        kind, reason = "dead_webhooks", EXHAUSTED
        action = call("POST", f"{path}/replay", text)
    return InvoicingItem(
        code=kind,
        subject=dead.endpoint_id,
        ids={"endpoint_id": dead.endpoint_id},
        message=f"Webhooks to {dead.endpoint_id} were given up: {reason}.",
        since=dead.oldest,
        newest=dead.newest,
        count=dead.count,
        action=action,
        kind=kind,
        endpoint_id=dead.endpoint_id,
        reason=reason,
    )
