"""The parameters of each call to Stripe, as functions of what we store."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from typing import Any

from services.invoicing.documents.locales import DEFAULT_LOCALE, period_text
from services.invoicing.domain.invoice_key import NO_SUBSCRIPTION
from services.invoicing.domain.stripe_locales import stripe_locale
from services.invoicing.models import Invoice, InvoiceLine, StripeJob, Tenant
from services.invoicing.stripe_sync import tax_params
from services.invoicing.stripe_types import Step, StripeCustomer
from shared.accounts.repository import Account

CHUNK_LINES = 100
DESCRIPTION_LENGTH_MAX = 500
FIELD_LENGTH_MAX = 140
DAYS_UNTIL_DUE = 30
ADDRESS_FIELDS = ("line1", "line2", "city", "state", "postal_code", "country")
CLOCK_SLACK = timedelta(hours=1)
"""Stripe's clock and ours may differ by this much when we look by time of creation."""

_ELLIPSIS = "…"


@dataclass(frozen=True)
class StripeCall:
    """One call to make; `material` says what it is for, `target` which invoice it is about."""

    account: Account
    tenant_id: str
    step: Step
    target: str
    material: str
    params: dict[str, Any]


def canonical_json(params: dict[str, Any]) -> str:
    """Return the bytes of parameters as they are stored; their order is the order on the wire."""
    return json.dumps(params, ensure_ascii=False, separators=(",", ":"))


def customer_call(
    account: Account, tenant_id: str, tenant: Tenant, *, attempt: int, locate: bool = False
) -> StripeCall:
    """Return the call that makes a customer; `locate`: only if its place is one for tax."""
    address = {name: text for name, text in tenant.address.items() if text}
    params: dict[str, Any] = {
        "name": tenant.name,
        "metadata": {
            "vendor_id": account.vendor_id,
            "mode": account.mode,
            "tenant_id": tenant_id,
        },
    }
    if tenant.billing_email:
        params["email"] = tenant.billing_email
    if address:
        params["address"] = address
    if locales := _locales(tenant):
        params["preferred_locales"] = locales
    if locate:
        params["tax"] = tax_params.LOCATE
    material = f"cus/{account.vendor_id}/{tenant_id}/{attempt}"
    return StripeCall(account, tenant_id, "create_customer", "", material, params)


def customer_fields(tenant: Tenant) -> dict[str, Any]:
    """Return all that Stripe is told of a tenant; an empty text clears a field there."""
    given = {"name": tenant.name, "email": tenant.billing_email, "address": tenant.address}
    return _fields(given | {"preferred_locales": _locales(tenant)})


def _locales(tenant: Tenant) -> list[str]:
    known = stripe_locale(tenant.locale) if tenant.locale else None
    return [known] if known else []


def sent_fields(calls: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the same as it was sent by calls in their order; what none sent is empty."""
    known = dict(pair for params in calls for pair in params.items())
    return _fields(known)


def held_fields(customer: StripeCustomer) -> dict[str, Any]:
    """Return the same as Stripe holds it."""
    return _fields(vars(customer))


def _fields(given: dict[str, Any]) -> dict[str, Any]:
    address = given.get("address") or {}
    return {
        "name": given.get("name") or "",
        "email": given.get("email") or "",
        "address": {name: address.get(name) or "" for name in ADDRESS_FIELDS},
        # An empty text takes the list away.
        "preferred_locales": list(given.get("preferred_locales") or ()) or "",
    }


def customer_update_call(
    account: Account,
    tenant_id: str,
    changes: dict[str, Any],
    *,
    customer_id: str,
    number: int,
    attempt: int,
    locate: bool = False,
) -> StripeCall:
    """Return the call that sets what changed; `number` counts a customer's calls."""
    material = f"cus-update/{customer_id}/{number}/{attempt}"
    params = changes | ({"tax": tax_params.LOCATE} if locate else {})
    return StripeCall(account, tenant_id, "update_customer", customer_id, material, params)


def invoice_call(
    invoice: Invoice, tenant: Tenant, customer_id: str, *, attempt: int, line_count: int
) -> StripeCall:
    last_day = invoice.period_end - timedelta(days=1)
    period = period_text(tenant.locale or DEFAULT_LOCALE, invoice.period_start, last_day)
    fields = [{"name": "Service period", "value": period}]
    if tenant.purchase_order and tenant.purchase_order.strip():
        order = shorten(tenant.purchase_order.strip(), FIELD_LENGTH_MAX)
        fields.append({"name": "Purchase order", "value": order})
    params: dict[str, Any] = {
        "customer": customer_id,
        "currency": invoice.currency.lower(),
        "auto_advance": False,
        "pending_invoice_items_behavior": "exclude",
        "collection_method": "send_invoice",
        "days_until_due": DAYS_UNTIL_DUE,
        "description": _described(invoice, period),
        "custom_fields": fields,
        "metadata": {
            "invoice_key": invoice.invoice_key,
            "revision": str(invoice.revision),
            "attempt": str(attempt),
            "line_count": str(line_count),
            "lines_sha256": invoice.lines_sha256,
            "statement_id": invoice.statement_id,
        },
        **tax_params.invoice_fields(invoice),
    }
    material = f"inv/{invoice.invoice_key}/{attempt}"
    return StripeCall(invoice.account, invoice.tenant_id, "create_invoice", "", material, params)


def _described(invoice: Invoice, period: str) -> str:
    one_off = invoice.subscription_id == NO_SUBSCRIPTION
    return f"Services: {period}" if one_off else f"Usage: {period}"


def chunk_count(lines: Sequence[InvoiceLine]) -> int:
    return -(-len(lines) // CHUNK_LINES)


def lines_calls(
    invoice: Invoice, draft_id: str, lines: Sequence[InvoiceLine], *, attempt: int
) -> list[StripeCall]:
    """Return the calls that add lines, a chunk each; the chunk's hash is in its material."""
    calls = []
    for start in range(0, len(lines), CHUNK_LINES):
        chunk = lines[start : start + CHUNK_LINES]
        params = {"lines": [_line_params(invoice, line) for line in chunk]}
        digest = sha256(canonical_json(params).encode()).hexdigest()
        material = f"lines/{draft_id}/{start // CHUNK_LINES}/{digest}/{attempt}"
        calls.append(_call(invoice, "add_lines", draft_id, material, params))
    return calls


def _line_params(invoice: Invoice, line: InvoiceLine) -> dict[str, Any]:
    return {
        **tax_params.line_money(invoice, line),
        "description": shorten(line.description, DESCRIPTION_LENGTH_MAX),
        "metadata": {"line_key": line.line_key},
        # Both ends are inclusive at Stripe, ours is exclusive.
        "period": {
            "start": _seconds(line.period_start or invoice.period_start),
            "end": _seconds(line.period_end or invoice.period_end) - 1,
        },
    }


def number_call(invoice: Invoice, draft_id: str, number: str, *, attempt: int) -> StripeCall:
    material = f"num/{draft_id}/{attempt}"
    return _call(invoice, "set_number", draft_id, material, {"number": number})


def finalize_call(invoice: Invoice, draft_id: str, *, attempt: int) -> StripeCall:
    material = f"fin/{draft_id}/{attempt}"
    return _call(invoice, "finalize_invoice", draft_id, material, {"auto_advance": False})


def send_call(invoice: Invoice, stripe_invoice_id: str, *, attempt: int) -> StripeCall:
    material = f"send/{stripe_invoice_id}/{attempt}"
    return _call(invoice, "send_invoice", stripe_invoice_id, material, {})


def _call(
    invoice: Invoice, step: Step, target: str, material: str, params: dict[str, Any]
) -> StripeCall:
    return StripeCall(invoice.account, invoice.tenant_id, step, target, material, params)


def shorten(text: str, length_max: int) -> str:
    """Cut a text to a length, ending in an ellipsis; the same text always gives the same."""
    return text if len(text) <= length_max else text[: length_max - 1] + _ELLIPSIS


def _seconds(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())


def created_since(instant: datetime) -> int:
    """Return since when (seconds since 1970) what we made then can have been created."""
    return int((instant - CLOCK_SLACK).timestamp())


def created_from(job: StripeJob) -> int:
    """Return the same for what a job made."""
    return created_since(job.first_attempted_at)
