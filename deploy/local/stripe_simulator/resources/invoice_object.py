"""The invoice as stored, and as the API shows it.

Stored records carry what the API hides under names with a leading underscore: `_amount_due` as
fixed at finalization, `_line_count`, `_simple` while no line has tax or discounts, `_token` of the
hosted page.
"""

import msgspec

from deploy.local.stripe_simulator.money import CURRENCIES
from deploy.local.stripe_simulator.operations import Call, Shown, list_object, public
from deploy.local.stripe_simulator.resources.balance import applicable_balance
from deploy.local.stripe_simulator.resources.events import changed_fields, record_event
from deploy.local.stripe_simulator.resources.tax_ids import tax_ids_of
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
    "subtotal_excluding_tax": 0,
    "test_clock": None,
    "total": 0,
    "total_discount_amounts": [],
    "total_excluding_tax": 0,
    "total_pretax_credit_amounts": [],
    "total_taxes": [],
    "webhooks_delivered_at": None,
    "_amount_due": 0,
    "_line_count": 0,
    "_simple": True,
    "_token": None,
}


_EMPTY_JSON = msgspec.json.encode(_EMPTY)


def get_invoice(call: Call) -> Body:
    return call.find("invoice", call.path["id"])


def new_record(call: Call, identifier: str, customer: Body) -> Body:
    """Return an empty draft with every field that needs no parameter."""
    empty: Body = msgspec.json.decode(_EMPTY_JSON)
    return empty | {
        "id": identifier,
        "account_name": call.account_name,
        "created": call.now,
        "customer": customer["id"],
        "period_end": call.now,
        "period_start": call.now,
        **customer_fields(call, customer),
    }


def customer_fields(call: Call, customer: Body) -> Body:
    """Return what an invoice copies from its customer while it is a draft."""
    tax_ids = tax_ids_of(call, customer["id"])
    return {
        "customer_account": None,
        "customer_address": customer["address"],
        "customer_email": customer["email"],
        "customer_name": customer["name"],
        "customer_phone": customer["phone"],
        "customer_shipping": customer["shipping"],
        "customer_tax_exempt": customer["tax_exempt"],
        "customer_tax_ids": [{"type": one["type"], "value": one["value"]} for one in tax_ids],
    }


def amount_due(total: int, starting_balance: int, code: str) -> tuple[int, int]:
    """Return what is asked for and the ending balance: credit first, small amounts carried over."""
    due = total + starting_balance
    if due <= 0 or total <= 0 or due < CURRENCIES[code].minimum:
        return 0, due
    return due, 0


def shown_invoice(call: Call, record: Body) -> Body:
    """Add what is derived: the amounts, the first lines and the page's address."""
    due, starting = record["_amount_due"], record["starting_balance"]
    if record["status"] == "draft":
        customer = call.state.derived(
            "customer", record["customer"], lambda: call.find("customer", record["customer"])
        )
        starting = applicable_balance(customer, record["currency"])
        due, _ = amount_due(record["total"], starting, record["currency"])
    due -= record["pre_payment_credit_notes_amount"]
    page = f"{call.base_url}/invoice/{record['_token']}" if record["_token"] else None
    return public(record) | {
        "amount_due": due,
        "amount_remaining": max(due - record["amount_paid"], 0),
        "default_tax_rates": [
            public(call.find("tax_rate", rate)) for rate in record["default_tax_rates"]
        ],
        "hosted_invoice_url": page,
        "invoice_pdf": page and f"{page}/pdf",
        "lines": _embedded_lines(call, record),
        "starting_balance": starting,
    }


def amount_remaining(record: Body) -> int:
    """Return what is still open of a finalized invoice."""
    due = record["_amount_due"] - record["pre_payment_credit_notes_amount"]
    return max(int(due - record["amount_paid"]), 0)


def _embedded_lines(call: Call, record: Body) -> msgspec.Raw:
    """Return the list object of the first lines, encoded: it is shown far more than changed."""
    found: msgspec.Raw = call.state.derived(
        "line_item", record["id"], lambda: _first_lines(call, record)
    )
    return found


def _first_lines(call: Call, record: Body) -> msgspec.Raw:
    data, has_more = call.state.page(
        call.account,
        "line_item",
        Filter("invoice", "eq", record["id"]),
        cursor=Cursor(limit=EMBEDDED_LINES),
        oldest_first=True,
    )
    url, shown = f"/v1/invoices/{record['id']}/lines", [public(line) for line in data]
    count = record["_line_count"]
    return msgspec.Raw(
        msgspec.json.encode(list_object(url, shown, has_more=has_more, total_count=count))
    )


def all_lines(state: State, account: str, identifier: str) -> list[Body]:
    """Return every line of an invoice in the order of creation."""
    return state.all(account, "line_item", Filter("invoice", "eq", identifier))


def save_invoice(call: Call, record: Body, before: Body, *events: str) -> Shown:
    """Store the record, emit the events and `invoice.updated`, return the shown invoice."""
    call.put("invoice", record)
    after = shown_invoice(call, record)
    # Written once: the answer and the events hold the same bytes.
    snapshot = msgspec.Raw(msgspec.json.encode(after))
    for name in events:
        record_event(call, name, snapshot, about=record["id"])
    changed = changed_fields(before, after)
    if changed:
        record_event(call, "invoice.updated", snapshot, about=record["id"], previous=changed)
    return snapshot


def url_expires_at(record: Body) -> int:
    """Return when the hosted page ends: 30 days after due (or finalization), never over 120."""
    finalized = int(record["status_transitions"]["finalized_at"])
    due = int(record["due_date"] or finalized)
    latest = finalized + URL_LIFE_DAYS_MAX * DAY_SECONDS
    return min(max(due, finalized) + URL_LIFE_DAYS * DAY_SECONDS, latest)
