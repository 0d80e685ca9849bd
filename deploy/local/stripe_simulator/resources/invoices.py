"""Invoices: create, retrieve, update, list, delete."""

from deploy.local.stripe_simulator.errors import StripeError, not_simulated, state_conflict
from deploy.local.stripe_simulator.identifiers import new_id
from deploy.local.stripe_simulator.money import currency
from deploy.local.stripe_simulator.operations import Call, Operation, list_object
from deploy.local.stripe_simulator.resources.customers import get_customer
from deploy.local.stripe_simulator.resources.events import record_event
from deploy.local.stripe_simulator.resources.invoice_object import (
    DAY_SECONDS,
    all_lines,
    get_invoice,
    new_record,
    save_invoice,
    shown_invoice,
)
from deploy.local.stripe_simulator.shapes import (
    PAGE,
    Boolean,
    Choice,
    Integer,
    Metadata,
    Reader,
    Repeated,
    Shape,
    Text,
    TimeFilter,
    merged_metadata,
    timestamp,
)
from deploy.local.stripe_simulator.state import Body, Filter, cursor_of, filters_of

CUSTOM_FIELDS_MAX = 4
DAYS_UNTIL_DUE_MAX = 36_500  # a sanity bound of the simulator; Stripe documents none
_COLLECTION = Choice(("charge_automatically", "send_invoice"))
_STATUS = Choice(("draft", "open", "paid", "uncollectible", "void"))
_EDITABLE: dict[str, Reader] = {
    "auto_advance": Boolean(),
    "automatic_tax": Shape({"enabled": Boolean()}, required=("enabled",)),
    "collection_method": _COLLECTION,
    "custom_fields": Repeated(
        Shape({"name": Text(40), "value": Text(140)}, required=("name", "value")),
        most=CUSTOM_FIELDS_MAX,
        clearable=True,
    ),
    "days_until_due": Integer(least=0, most=DAYS_UNTIL_DUE_MAX),
    "description": Text(clearable=True),
    "due_date": timestamp(),
    "effective_at": timestamp(),
    "footer": Text(clearable=True),
    "metadata": Metadata(),
    "number": Text(clearable=True),
}
_CREATE = Shape(
    {
        **_EDITABLE,
        "currency": Text(),
        "customer": Text(),
        "pending_invoice_items_behavior": Choice(("exclude", "include")),
    },
    required=("customer",),
)
_PLAIN = (
    "auto_advance", "collection_method", "description", "effective_at", "footer", "number",
)  # fmt: skip
# A finalized invoice is a document; only these may still change.
_EDITABLE_WHEN_FINAL = {"auto_advance", "metadata"}


def create_invoice(call: Call) -> Body:
    params = call.params
    customer = get_customer(call, params["customer"], param="customer", status=400)
    code = str(params.get("currency") or customer["currency"] or "usd")
    currency(code)
    if params.get("pending_invoice_items_behavior") == "include":
        raise not_simulated("pending invoice items", param="pending_invoice_items_behavior")
    record = new_record(call, new_id("in"), customer)
    record["currency"] = code
    _apply(call, record, params)
    if record["collection_method"] == "send_invoice" and record["due_date"] is None:
        raise StripeError(
            "With collection_method=send_invoice, days_until_due or due_date must be given.",
            code="parameter_missing",
            param="days_until_due",
        )
    call.state.put(call.account, "invoice", record)
    shown = shown_invoice(call, record)
    record_event(call, "invoice.created", shown)
    return shown


def retrieve_invoice(call: Call) -> Body:
    return shown_invoice(call, get_invoice(call))


def update_invoice(call: Call) -> Body:
    record = get_invoice(call)
    before = shown_invoice(call, record)
    frozen = set(call.params) - _EDITABLE_WHEN_FINAL
    if record["status"] != "draft" and frozen:
        raise state_conflict(
            f"This invoice is no longer a draft; {', '.join(sorted(frozen))} cannot be changed."
        )
    _apply(call, record, call.params)
    return save_invoice(call, record, before)


def delete_invoice(call: Call) -> Body:
    record = get_invoice(call)
    if record["status"] != "draft":
        raise state_conflict("Only a draft can be deleted; void a finalized invoice instead.")
    shown = shown_invoice(call, record)
    for line in all_lines(call.state, call.account, record["id"]):
        call.state.delete(call.account, "line_item", line["id"])
    call.state.delete(call.account, "invoice", record["id"])
    record_event(call, "invoice.deleted", shown)
    return {"id": record["id"], "object": "invoice", "deleted": True}


def list_invoices(call: Call) -> Body:
    if "customer" in call.params:
        get_customer(call, call.params["customer"], param="customer", status=400)
    names = ("customer", "status", "created", "due_date", "collection_method")
    records, has_more = call.state.page(
        call.account, "invoice", *filters_of(call.params, *names), cursor=cursor_of(call.params)
    )
    data = [shown_invoice(call, record) for record in records]
    return list_object("/v1/invoices", data, has_more=has_more)


def _apply(call: Call, record: Body, params: Body) -> None:
    if params.get("auto_advance"):
        raise not_simulated("automatic advancement", param="auto_advance")
    if params.get("automatic_tax", {}).get("enabled"):
        raise not_simulated("automatic tax", param="automatic_tax[enabled]")
    if params.get("number") is not None:
        _check_number(call, record, params["number"])
    record.update({name: params[name] for name in _PLAIN if name in params})
    if "custom_fields" in params:
        record["custom_fields"] = params["custom_fields"] or None
    if "metadata" in params:
        record["metadata"] = merged_metadata(record["metadata"], params["metadata"])
    _apply_due_date(record, params)


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
    where = Filter("number", "eq", number)
    taken = call.state.count(call.account, "invoice", where)
    if taken and record["number"] != number:
        raise StripeError(
            f"The invoice number '{number[:100]}' is already in use.",
            code="resource_already_exists",
            param="number",
        )


OPERATIONS = [
    Operation("POST", "/v1/invoices", _CREATE, create_invoice),
    Operation(
        "GET",
        "/v1/invoices",
        Shape(
            {
                **PAGE,
                "collection_method": _COLLECTION,
                "created": TimeFilter(),
                "customer": Text(),
                "due_date": TimeFilter(),
                "status": _STATUS,
            }
        ),
        list_invoices,
    ),
    Operation("GET", "/v1/invoices/{id}", Shape(), retrieve_invoice),
    Operation("POST", "/v1/invoices/{id}", Shape(_EDITABLE), update_invoice),
    Operation("DELETE", "/v1/invoices/{id}", Shape(), delete_invoice),
]
