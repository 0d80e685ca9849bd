"""What waits for a person, with one action each."""

from services.invoicing.corrections.models import ActionOrder, CreditNote
from services.invoicing.domain.holds import HOLD_REASONS
from services.invoicing.domain.standing import Fact, waits_for_a_person
from services.invoicing.handlers import UNSENDABLE
from services.invoicing.models import Invoice
from services.invoicing.repository.standing import WaitingFacts
from services.invoicing.schemas import AttentionAction, AttentionItem
from services.invoicing.webhooks_out.models import EXHAUSTED, GONE, DeadDeliveries


def attention_item(invoice: Invoice) -> AttentionItem:
    """Return what is to be done about a parked or waiting invoice."""
    reason = invoice.reason or "unknown"
    return AttentionItem(
        kind="parked_invoice" if invoice.state == "parked" else "waiting_invoice",
        invoice_id=invoice.invoice_id,
        tenant_id=invoice.tenant_id,
        reason=reason,
        action=_action(invoice, reason),
    )


def _action(invoice: Invoice, reason: str) -> AttentionAction:
    if reason == "stripe_account_missing":
        text = "Connect the vendor's Stripe account; the invoice then goes on by itself."
        return AttentionAction(description=text, method="PUT", path="/v1/stripe-account")
    if reason.startswith("billing_"):
        text = "Set the tenant's billing to on (accounts API) when it is to be invoiced."
        return AttentionAction(
            description=text, method="PUT", path=f"/v1/tenants/{invoice.tenant_id}"
        )
    if reason in HOLD_REASONS:
        text = "Look at the draft, then approve it; a grace period ends by itself."
        path = f"/v1/invoices/{invoice.invoice_id}/approve"
        return AttentionAction(description=text, method="POST", path=path)
    if reason in UNSENDABLE:
        text = "Correct the price book or the usage; the difference goes on the next statement."
        return AttentionAction(description=text, method=None, path=None)
    text = "Look at the invoice at Stripe, then retry; a draft that differs is built anew."
    path = f"/v1/invoices/{invoice.invoice_id}/retry"
    return AttentionAction(description=text, method="POST", path=path)


_FACT_ACTIONS: dict[Fact, str] = {
    "overdue": "Remind the tenant; give the invoice up with mark-uncollectible, or credit it.",
    "payment_failed": "Ask the tenant for another means of payment on Stripe's hosted page.",
    "finalization_failed": "Complete what the reason names (mostly the tenant's address), retry.",
    "refund_failed": "The bank did not take the refund: pay it back another way.",
    "disputed": "Answer the dispute at Stripe before it is due.",
}


def standing_items(waiting: WaitingFacts) -> list[AttentionItem]:
    """Return what is to be done about an invoice's payments, an item for each fact."""
    path = f"/v1/invoices/{waiting.invoice_id}/standing"
    return [
        AttentionItem(
            kind="invoice_payment",
            invoice_id=waiting.invoice_id,
            tenant_id=waiting.tenant_id,
            reason=fact if reason is None else f"{fact}:{reason}",
            action=AttentionAction(description=_FACT_ACTIONS[fact], method="GET", path=path),
        )
        for fact, reason in sorted(waiting.facts.items())
        if waits_for_a_person(fact, reason)
    ]


def refused_action_item(order: ActionOrder) -> AttentionItem:
    """Return what is to be done about an order that Stripe refused."""
    text = "Look at the invoice at Stripe; order again when what the reason names is gone."
    route = "void" if order.action == "void" else "mark-uncollectible"
    path = f"/v1/invoices/{order.invoice_id}/{route}"
    return AttentionItem(
        kind="refused_correction",
        invoice_id=order.invoice_id,
        tenant_id=order.tenant_id,
        reason=f"{order.action}:{order.reason or 'unknown'}",
        action=AttentionAction(description=text, method="POST", path=path),
    )


def parked_note_item(note: CreditNote) -> AttentionItem:
    """Return what is to be done about a credit note that Stripe or the comparison refused."""
    text = "Look at the invoice's payments at Stripe, then retry the credit note, or cancel it."
    path = f"/v1/credit-notes/{note.credit_note_id}/retry"
    return AttentionItem(
        kind="parked_credit_note",
        invoice_id=note.invoice_id,
        tenant_id=note.tenant_id,
        reason=note.reason or "unknown",
        action=AttentionAction(description=text, method="POST", path=path),
    )


def webhooks_item(dead: DeadDeliveries) -> AttentionItem:
    """Return what is to be done about an endpoint that is gone, or did not answer in time."""
    path = f"/v1/webhook-endpoints/{dead.endpoint_id}"
    if dead.disabled_reason == GONE:
        text = "The endpoint answered 410. Enable it when it is there again, then replay."
        kind, reason = "webhook_endpoint_gone", GONE
        action = AttentionAction(description=text, method="PUT", path=path)
    else:
        text = "Look at an attempt's answer, repair the receiver, then replay since a time."
        kind, reason = "dead_webhooks", EXHAUSTED
        action = AttentionAction(description=text, method="POST", path=f"{path}/replay")
    return AttentionItem(
        kind=kind, endpoint_id=dead.endpoint_id, reason=reason, count=dead.count, action=action
    )
