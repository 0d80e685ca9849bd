"""Invoices: create, retrieve, update, list, delete, search, preview."""

from deploy.local.stripe_simulator.errors import StripeError, state_conflict
from deploy.local.stripe_simulator.identifiers import new_id
from deploy.local.stripe_simulator.money import currency
from deploy.local.stripe_simulator.operations import Call, Operation, Shown, list_object
from deploy.local.stripe_simulator.resources.events import record_event
from deploy.local.stripe_simulator.resources.invoice_fields import (
    COLLECTION,
    CREATE,
    EDITABLE,
    PREVIEW,
    apply_fields,
)
from deploy.local.stripe_simulator.resources.invoice_items import pending_items
from deploy.local.stripe_simulator.resources.invoice_lines import line_of_item, new_line
from deploy.local.stripe_simulator.resources.invoice_object import (
    all_lines,
    get_invoice,
    new_record,
    save_invoice,
    shown_invoice,
)
from deploy.local.stripe_simulator.resources.invoice_totals import add_to_totals
from deploy.local.stripe_simulator.resources.lookup import get_customer
from deploy.local.stripe_simulator.resources.revisions import revision_of
from deploy.local.stripe_simulator.search import SEARCH, Searchable, search
from deploy.local.stripe_simulator.shapes import PAGE, Choice, Shape, Text, TimeFilter
from deploy.local.stripe_simulator.state import Body, cursor_of, filters_of

FINALIZES_AFTER_SECONDS = 3600
_STATUS = Choice(("draft", "open", "paid", "uncollectible", "void"))
# A finalized invoice is a document; only these may still change.
_EDITABLE_WHEN_FINAL = {"auto_advance", "default_payment_method", "metadata"}
_SEARCHABLE = Searchable(
    "invoice", "/v1/invoices/search", ("currency", "customer", "number", "status", "total")
)


def create_invoice(call: Call) -> Body:
    record = revision_of(call) if "from_invoice" in call.params else _new_draft(call)
    if record["collection_method"] == "send_invoice" and record["due_date"] is None:
        raise StripeError(
            "With collection_method=send_invoice, days_until_due or due_date must be given.",
            code="parameter_missing",
            param="days_until_due",
        )
    call.put("invoice", record)
    if record["auto_advance"] or record["automatically_finalizes_at"] is not None:
        schedule_finalization(call, record)
    shown = shown_invoice(call, record)
    record_event(call, "invoice.created", shown)
    return shown


def _new_draft(call: Call) -> Body:
    params = call.params
    if "customer" not in params:
        raise StripeError(
            "Missing required param: customer.", code="parameter_missing", param="customer"
        )
    customer = get_customer(call, params["customer"], param="customer", status=400)
    code = str(params.get("currency") or customer["currency"] or "usd")
    currency(code)
    record = new_record(call, new_id("in"), customer)
    record["currency"] = code
    apply_fields(call, record, params)
    if params.get("pending_invoice_items_behavior") == "include":
        _take_pending(call, record)
    return record


def _take_pending(call: Call, record: Body) -> None:
    items = pending_items(call, record["customer"], record["currency"])
    if items:
        lines = [
            line_of_item(call, record, item, "pending_invoice_items_behavior") for item in items
        ]
        add_to_totals(call, record, lines)


def schedule_finalization(call: Call, record: Body) -> None:
    """A draft that advances by itself is finalized an hour after it was made."""
    at = record["automatically_finalizes_at"]
    if at is None and record["auto_advance"] and record["status"] == "draft":
        at = record["created"] + FINALIZES_AFTER_SECONDS
    call.state.schedule(call.account, "finalize", record["id"], at)


def schedule_collection(call: Call, record: Body) -> None:
    """Collect an open invoice from now on, or no longer."""
    if record["status"] != "open" or record["collection_method"] != "charge_automatically":
        return
    record["next_payment_attempt"] = call.now if record["auto_advance"] else None
    call.state.schedule(call.account, "collect", record["id"], record["next_payment_attempt"])


def retrieve_invoice(call: Call) -> Body:
    return shown_invoice(call, get_invoice(call))


def update_invoice(call: Call) -> Shown:
    record = get_invoice(call)
    before = shown_invoice(call, record)
    frozen = set(call.params) - _EDITABLE_WHEN_FINAL
    if record["status"] != "draft" and frozen:
        raise state_conflict(
            f"This invoice is no longer a draft; {', '.join(sorted(frozen))} cannot be changed."
        )
    apply_fields(call, record, call.params)
    if {"auto_advance", "automatically_finalizes_at"} & set(call.params):
        schedule = schedule_finalization if record["status"] == "draft" else schedule_collection
        schedule(call, record)
    return save_invoice(call, record, before)


def delete_invoice(call: Call) -> Body:
    record = get_invoice(call)
    if record["status"] != "draft":
        raise state_conflict("Only a draft can be deleted; void a finalized invoice instead.")
    shown = shown_invoice(call, record)
    for line in all_lines(call.state, call.account, record["id"]):
        call.state.delete(call.account, "line_item", line["id"])
        call.state.delete(call.account, "invoiceitem", line["_item"])
    call.state.delete(call.account, "invoice", record["id"])
    call.state.schedule(call.account, "finalize", record["id"], None)
    record_event(call, "invoice.deleted", shown)
    return {"id": record["id"], "object": "invoice", "deleted": True}


def list_invoices(call: Call) -> Body:
    if "customer" in call.params:
        call.find("customer", call.params["customer"], param="customer", status=400)
    names = ("customer", "status", "created", "due_date", "collection_method")
    records, has_more = call.state.page(
        call.account, "invoice", *filters_of(call.params, *names), cursor=cursor_of(call.params)
    )
    data = [shown_invoice(call, record) for record in records]
    return list_object("/v1/invoices", data, has_more=has_more)


def search_invoices(call: Call) -> Body:
    """Search as Stripe does, `search_lag_s` behind what is written."""
    found = search(call, _SEARCHABLE, call.state.all(call.account, "invoice"))
    return found | {"data": [shown_invoice(call, record) for record in found["data"]]}


def preview_invoice(call: Call) -> Body:
    """Show the invoice that pending items and the given ones would make, and forget it."""
    with call.state.rehearsal():
        record = _new_draft(call)
        record["id"] = new_id("upcoming_in")
        record["billing_reason"] = "upcoming"
        lines = [
            _preview_line(call, record, given, f"invoice_items[{at}]")
            for at, given in enumerate(call.params.get("invoice_items", []))
        ]
        _take_pending(call, record)
        add_to_totals(call, record, lines)
        call.put("invoice", record)
        return shown_invoice(call, record)


def _preview_line(call: Call, record: Body, given: Body, name: str) -> Body:
    """Return a line of what a preview calls an item: it names its price and currency directly."""
    if given.get("currency", record["currency"]) != record["currency"]:
        raise StripeError("An invoice has one currency.", param=f"{name}[currency]")
    values = {key: value for key, value in given.items() if key not in {"currency", "price"}}
    if "price" in given:
        values["pricing"] = {"price": given["price"]}
    return new_line(call, record, values, name)


OPERATIONS = [
    Operation("POST", "/v1/invoices", CREATE, create_invoice),
    Operation("POST", "/v1/invoices/create_preview", PREVIEW, preview_invoice),
    Operation("GET", "/v1/invoices/search", SEARCH, search_invoices),
    Operation(
        "GET",
        "/v1/invoices",
        Shape(
            {
                **PAGE,
                "collection_method": COLLECTION,
                "created": TimeFilter(),
                "customer": Text(),
                "due_date": TimeFilter(),
                "status": _STATUS,
            }
        ),
        list_invoices,
    ),
    Operation("GET", "/v1/invoices/{id}", Shape(), retrieve_invoice),
    Operation("POST", "/v1/invoices/{id}", Shape(EDITABLE), update_invoice),
    Operation("DELETE", "/v1/invoices/{id}", Shape(), delete_invoice),
]
