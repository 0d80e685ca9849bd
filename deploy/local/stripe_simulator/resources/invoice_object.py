"""The invoice as stored, and as the API shows it.

Stored records carry what the API hides under names with a leading underscore.
"""

import copy

from deploy.local.stripe_simulator.errors import missing_object
from deploy.local.stripe_simulator.operations import Call, list_object
from deploy.local.stripe_simulator.resources.events import changed_fields, record_event
from deploy.local.stripe_simulator.state import Body, Cursor, Filter, State

EMBEDDED_LINES = 10
DAY_SECONDS = 86_400
URL_LIFE_DAYS = 30
URL_LIFE_DAYS_MAX = 120


_EMPTY: Body = {
    "object": "invoice",
    "account_country": "US",
    "account_tax_ids": None,
    "amount_overpaid": 0,
    "amount_paid": 0,
    "amount_paid_off_stripe": 0,
    "amount_shipping": 0,
    "application": None,
    "attempt_count": 0,
    "attempted": False,
    "auto_advance": False,
    "automatic_tax": {
        "disabled_reason": None,
        "enabled": False,
        "liability": None,
        "provider": None,
        "status": None,
    },
    "automatically_finalizes_at": None,
    "billing_reason": "manual",
    "collection_method": "charge_automatically",
    "currency": "usd",
    "custom_fields": None,
    "default_payment_method": None,
    "default_source": None,
    "default_tax_rates": [],
    "description": None,
    "discounts": [],
    "due_date": None,
    "effective_at": None,
    "ending_balance": None,
    "footer": None,
    "from_invoice": None,
    "issuer": {"type": "self"},
    "last_finalization_error": None,
    "latest_revision": None,
    "livemode": False,
    "metadata": {},
    "next_payment_attempt": None,
    "number": None,
    "on_behalf_of": None,
    "parent": None,
    "payment_settings": {
        "default_mandate": None,
        "payment_method_options": None,
        "payment_method_types": None,
    },
    "post_payment_credit_notes_amount": 0,
    "pre_payment_credit_notes_amount": 0,
    "receipt_number": None,
    "rendering": None,
    "shipping_cost": None,
    "shipping_details": None,
    "starting_balance": 0,
    "statement_descriptor": None,
    "status": "draft",
    "status_transitions": {
        "finalized_at": None,
        "marked_uncollectible_at": None,
        "paid_at": None,
        "voided_at": None,
    },
    "subtotal": 0,
    "test_clock": None,
    "total_discount_amounts": [],
    "total_pretax_credit_amounts": [],
    "total_taxes": [],
    "webhooks_delivered_at": None,
    "_token": None,
}


def get_invoice(call: Call) -> Body:
    record = call.state.get(call.account, "invoice", call.path["id"])
    if record is None:
        raise missing_object("invoice", call.path["id"])
    return record


def new_record(call: Call, identifier: str, customer: Body) -> Body:
    """Return an empty draft with every field that needs no parameter."""
    return copy.deepcopy(_EMPTY) | {
        "id": identifier,
        "account_name": call.account_name,
        "created": call.now,
        "customer": customer["id"],
        "period_end": call.now,
        "period_start": call.now,
        **customer_fields(customer),
    }


def customer_fields(customer: Body) -> Body:
    """Return what an invoice copies from its customer while it is a draft."""
    return {
        "customer_account": None,
        "customer_address": customer["address"],
        "customer_email": customer["email"],
        "customer_name": customer["name"],
        "customer_phone": customer["phone"],
        "customer_shipping": customer["shipping"],
        "customer_tax_exempt": customer["tax_exempt"],
        "customer_tax_ids": [],
    }


def shown_invoice(call: Call, record: Body) -> Body:
    """Add what is derived: the amounts, the first lines and the page's address."""
    public = {key: value for key, value in record.items() if not key.startswith("_")}
    total = record["subtotal"]
    page = None
    if record["_token"] is not None:
        page = f"{call.base_url}/invoice/{record['_token']}"
    return public | {
        "amount_due": total,
        "amount_remaining": total - record["amount_paid"],
        "hosted_invoice_url": page,
        "invoice_pdf": page and f"{page}/pdf",
        "lines": _embedded_lines(call, record["id"]),
        "subtotal_excluding_tax": total,
        "total": total,
        "total_excluding_tax": total,
    }


def _embedded_lines(call: Call, identifier: str) -> Body:
    where = Filter("invoice", "eq", identifier)
    data, has_more = call.state.page(
        call.account,
        "line_item",
        where,
        cursor=Cursor(limit=EMBEDDED_LINES),
        oldest_first=True,
    )
    count = call.state.count(call.account, "line_item", where)
    return list_object(
        f"/v1/invoices/{identifier}/lines", data, has_more=has_more, total_count=count
    )


def all_lines(state: State, account: str, identifier: str) -> list[Body]:
    """Return every line of an invoice in the order of creation."""
    data, _ = state.page(
        account,
        "line_item",
        Filter("invoice", "eq", identifier),
        cursor=Cursor(limit=1000),
        oldest_first=True,
    )
    return data


def save_invoice(call: Call, record: Body, before: Body, *events: str) -> Body:
    """Store the record, emit the events and `invoice.updated`, return the shown invoice."""
    call.state.put(call.account, "invoice", record)
    after = shown_invoice(call, record)
    for name in events:
        record_event(call, name, after)
    if after != before:
        record_event(call, "invoice.updated", after, changed_fields(before, after))
    return after


def url_expires_at(record: Body) -> int:
    """Return when the hosted page ends: 30 days after due (or finalization), never over 120."""
    finalized = int(record["status_transitions"]["finalized_at"])
    due = int(record["due_date"] or finalized)
    latest = finalized + URL_LIFE_DAYS_MAX * DAY_SECONDS
    return min(max(due, finalized) + URL_LIFE_DAYS * DAY_SECONDS, latest)
