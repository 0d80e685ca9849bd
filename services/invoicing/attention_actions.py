"""The one thing to do about an invoice that is parked or waits, told by its reason."""

from services.invoicing.domain.holds import HOLD_REASONS
from services.invoicing.domain.tax_places import TAX_ADDRESS
from services.invoicing.handlers import UNSENDABLE
from services.invoicing.models import Invoice
from shared.attention import AttentionAction, Method, call

_RETRY = "/v1/invoices/{invoice_id}/retry"
_TENANT = "/v1/tenants/{tenant_id}"

Rule = tuple[tuple[str, ...], Method, str, str]
"""(beginnings of reasons, method, path, words)."""

RULES: tuple[Rule, ...] = (
    (
        ("stripe_account_missing",),
        "PUT",
        "/v1/stripe-account",
        "Connect the vendor's Stripe account; the invoice then goes on by itself.",
    ),
    (
        ("billing_",),
        "PUT",
        _TENANT,
        "Set the tenant's billing to on (accounts API) when it is to be invoiced.",
    ),
    (
        tuple(HOLD_REASONS),
        "POST",
        "/v1/invoices/{invoice_id}/approve",
        "Look at the draft, then approve it; a grace period ends by itself.",
    ),
    (
        ("customer_edited_at_stripe",),
        "POST",
        _RETRY,
        "Tenant and customer at Stripe both changed: make them agree, then retry.",
    ),
    (
        (TAX_ADDRESS,),
        "PUT",
        _TENANT,
        "Complete the tenant's address with what the reason names; the invoice goes on by itself.",
    ),
    (
        ("stripe_tax_id_invalid",),
        "PUT",
        "/v1/tax-settings/{tenant_id}",
        "Correct the tenant's tax ids, then retry the invoice.",
    ),
    (
        tuple(UNSENDABLE),
        "GET",
        "/v1/invoices/{invoice_id}/details",
        "Correct the price book or the usage: the difference goes on the next statement.",
    ),
    (
        ("",),
        "POST",
        _RETRY,
        "Look at the invoice at Stripe, then retry; a draft that differs is built anew.",
    ),
)
"""The first that fits is the one; the last fits always."""


def action_for(invoice: Invoice, reason: str) -> AttentionAction:
    """Return what is to be done about an invoice that waits for a reason."""
    _, method, path, text = next(rule for rule in RULES if reason.startswith(rule[0]))
    ids = {"invoice_id": invoice.invoice_id, "tenant_id": invoice.tenant_id}
    return call(method, path.format(**ids), text)
