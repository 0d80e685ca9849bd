"""What may be set on an invoice, and what setting it means."""

from deploy.local.stripe_simulator.errors import StripeError
from deploy.local.stripe_simulator.operations import Call
from deploy.local.stripe_simulator.resources.cards import CARD
from deploy.local.stripe_simulator.resources.coupons import DISCOUNTS, new_discounts
from deploy.local.stripe_simulator.resources.customers import CUSTOM_FIELDS
from deploy.local.stripe_simulator.resources.invoice_object import DAY_SECONDS
from deploy.local.stripe_simulator.resources.invoice_totals import (
    check_automatic_tax,
    is_simple,
    recompute,
)
from deploy.local.stripe_simulator.resources.line_input import ITEM_FIELDS
from deploy.local.stripe_simulator.resources.tax_rates import TAX_RATES, checked_rates
from deploy.local.stripe_simulator.shapes import (
    Boolean,
    Choice,
    Integer,
    Metadata,
    Reader,
    Repeated,
    Shape,
    Text,
    merged_metadata,
    timestamp,
    uncovered,
)
from deploy.local.stripe_simulator.state import Body, Filter

DAYS_UNTIL_DUE_MAX = 36_500  # a sanity bound of the simulator; Stripe documents none
FINALIZES_WITHIN_SECONDS = 5 * 366 * DAY_SECONDS
PREVIEW_ITEMS_MAX = 250
COLLECTION = Choice(("charge_automatically", "send_invoice"))
_AUTOMATIC_TAX = Shape({"enabled": Boolean(), **uncovered("liability")}, required=("enabled",))
EDITABLE: dict[str, Reader] = {
    "auto_advance": Boolean(),
    "automatic_tax": _AUTOMATIC_TAX,
    "automatically_finalizes_at": timestamp(),
    "collection_method": COLLECTION,
    "custom_fields": CUSTOM_FIELDS,
    "days_until_due": Integer(least=0, most=DAYS_UNTIL_DUE_MAX),
    "default_payment_method": CARD,
    "default_tax_rates": TAX_RATES,
    "description": Text(clearable=True),
    "discounts": DISCOUNTS,
    "due_date": timestamp(),
    "effective_at": timestamp(),
    "footer": Text(clearable=True),
    "metadata": Metadata(),
    "number": Text(clearable=True),
    "statement_descriptor": Text(22, clearable=True),
    **uncovered(
        "account_tax_ids", "application_fee_amount", "default_source", "issuer", "on_behalf_of",
        "payment_settings", "rendering", "shipping_cost", "shipping_details", "transfer_data",
    ),
}  # fmt: skip
CREATE = Shape(
    {
        **EDITABLE,
        "currency": Text(),
        "customer": Text(),
        "from_invoice": Shape(
            {"action": Choice(("revision",)), "invoice": Text()}, required=("action", "invoice")
        ),
        "pending_invoice_items_behavior": Choice(("exclude", "include")),
        **uncovered("customer_account", "subscription"),
    }
)
_PREVIEW_ITEM: dict[str, Reader] = {
    **{name: reader for name, reader in ITEM_FIELDS.items() if name != "pricing"},
    "currency": Text(),
    "price": Text(),
    **uncovered("invoiceitem", "unit_amount"),
}
PREVIEW = Shape(
    {
        "automatic_tax": _AUTOMATIC_TAX,
        "currency": Text(),
        "customer": Text(),
        "discounts": DISCOUNTS,
        "invoice_items": Repeated(Shape(_PREVIEW_ITEM), most=PREVIEW_ITEMS_MAX),
        **uncovered(
            "customer_account", "customer_details", "issuer", "on_behalf_of", "preview_mode",
            "schedule", "schedule_details", "subscription", "subscription_details",
        ),
    },
    required=("customer",),
)  # fmt: skip
_PLAIN = (
    "auto_advance", "collection_method", "default_payment_method", "description", "effective_at",
    "footer", "number", "statement_descriptor",
)  # fmt: skip
_MONEY = {"automatic_tax", "default_tax_rates", "discounts"}


def apply_fields(call: Call, record: Body, params: Body) -> None:
    """Set what the parameters say on a draft, and work the totals out again where they change."""
    if params.get("number") is not None:
        _check_number(call, record, params["number"])
    record.update({name: params[name] for name in _PLAIN if name in params})
    if "custom_fields" in params:
        record["custom_fields"] = params["custom_fields"] or None
    if "metadata" in params:
        record["metadata"] = merged_metadata(record["metadata"], params["metadata"])
    if "automatically_finalizes_at" in params:
        _set_finalization(call, record, params["automatically_finalizes_at"])
    _apply_due_date(record, params)
    if _MONEY & set(params):
        _apply_money(call, record, params)
    if record["automatic_tax"]["enabled"] and record["effective_at"] is not None:
        raise StripeError("effective_at cannot be used with automatic tax.", param="effective_at")


def _apply_money(call: Call, record: Body, params: Body) -> None:
    if "default_tax_rates" in params:
        rates = checked_rates(call, params["default_tax_rates"], "default_tax_rates")
        record["default_tax_rates"] = rates
    if "discounts" in params:
        record["discounts"] = new_discounts(
            call,
            params["discounts"],
            code=record["currency"],
            name="discounts",
            customer=record["customer"],
            invoice=record["id"],
        )
    if "automatic_tax" in params:
        enabled = params["automatic_tax"]["enabled"]
        record["automatic_tax"] |= {
            "enabled": enabled,
            "liability": {"type": "self"} if enabled else None,
            "provider": "stripe" if enabled else None,
            "status": None,
        }
    check_automatic_tax(call, record)
    if record["_line_count"] or not is_simple(record):
        recompute(call, record)


def _set_finalization(call: Call, record: Body, at: int) -> None:
    if not call.now < at <= call.now + FINALIZES_WITHIN_SECONDS:
        raise StripeError(
            "automatically_finalizes_at lies in the next five years.",
            param="automatically_finalizes_at",
        )
    record["automatically_finalizes_at"] = at


def _apply_due_date(record: Body, params: Body) -> None:
    given = [name for name in ("days_until_due", "due_date") if name in params]
    if given and record["collection_method"] != "send_invoice":
        raise StripeError(f"{given[0]} needs collection_method=send_invoice.", param=given[0])
    if len(given) > 1:
        raise StripeError(
            "You may only specify one of these parameters: days_until_due, due_date.",
            code="parameters_exclusive",
            param="due_date",
        )
    if "days_until_due" in params:
        record["due_date"] = record["created"] + params["days_until_due"] * DAY_SECONDS
    if "due_date" in params:
        record["due_date"] = params["due_date"]


def _check_number(call: Call, record: Body, number: str) -> None:
    taken = call.state.count(call.account, "invoice", Filter("number", "eq", number))
    if taken and record["number"] != number:
        raise StripeError(
            f"The invoice number '{number[:100]}' is already in use.",
            code="resource_already_exists",
            param="number",
        )
