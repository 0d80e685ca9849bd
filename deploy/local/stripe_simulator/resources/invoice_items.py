"""Invoice items: pending until an invoice takes them up, or made on a draft at once."""

from deploy.local.stripe_simulator.errors import StripeError, state_conflict
from deploy.local.stripe_simulator.identifiers import new_id
from deploy.local.stripe_simulator.money import currency
from deploy.local.stripe_simulator.operations import Call, Operation, public
from deploy.local.stripe_simulator.resources.events import record_event
from deploy.local.stripe_simulator.resources.invoice_lines import line_of_item
from deploy.local.stripe_simulator.resources.invoice_object import save_invoice, shown_invoice
from deploy.local.stripe_simulator.resources.invoice_totals import (
    LINES_MAX,
    add_to_totals,
    check_line,
    recompute,
)
from deploy.local.stripe_simulator.resources.line_input import (
    ITEM_FIELDS,
    changed_values,
    line_values,
)
from deploy.local.stripe_simulator.resources.lookup import get_customer, page_of
from deploy.local.stripe_simulator.shapes import PAGE, Boolean, Shape, Text, TimeFilter, uncovered
from deploy.local.stripe_simulator.state import Body, Filter, filters_of

_CREATE = Shape(
    {
        **ITEM_FIELDS,
        "currency": Text(),
        "customer": Text(),
        "invoice": Text(),
        **uncovered("customer_account", "subscription"),
    }
)


def shown_item(call: Call, item: Body) -> Body:
    rates = [public(call.find("tax_rate", rate)) for rate in item["_tax_rates"]]
    return public(item) | {"tax_rates": rates}


def new_item(call: Call, customer: Body, given: Body, *, code: str, name: str) -> Body:
    identifier = new_id("ii")
    where = {"customer": customer["id"], "invoice_item": identifier}
    values = line_values(call, given, code=code, name=name, where=where)
    return {
        "id": identifier,
        "object": "invoiceitem",
        "currency": code,
        "customer": customer["id"],
        "customer_account": None,
        "date": call.now,
        "invoice": None,
        "livemode": False,
        "net_amount": values["amount"],
        "parent": None,
        "proration": False,
        "test_clock": None,
        **values,
    }


def create_item(call: Call) -> Body:
    params = call.params
    invoice = None
    if "invoice" in params:
        invoice = _draft(call, params["invoice"])
    if "customer" not in params and invoice is None:
        raise StripeError(
            "Missing required param: customer.", code="parameter_missing", param="customer"
        )
    identifier = params.get("customer") or (invoice or {})["customer"]
    customer = get_customer(call, identifier, param="customer", status=400)
    known = (invoice or customer)["currency"] or "usd"
    code = str(params.get("currency") or params.get("price_data", {}).get("currency") or known)
    currency(code)
    item = new_item(call, customer, params, code=code, name="item")
    call.put("invoiceitem", item)
    if invoice is not None:
        before = shown_invoice(call, invoice)
        add_to_totals(call, invoice, [line_of_item(call, invoice, item, "invoice")])
        save_invoice(call, invoice, before)
    record_event(call, "invoiceitem.created", shown_item(call, item))
    return shown_item(call, item)


def pending_items(call: Call, customer: str, code: str) -> list[Body]:
    """Return a customer's pending items in a currency, newest first, as many as fit."""
    items = call.state.all(
        call.account,
        "invoiceitem",
        Filter("customer", "eq", customer),
        Filter("invoice", "eq", None),
    )
    return [item for item in reversed(items) if item["currency"] == code][:LINES_MAX]


def update_item(call: Call) -> Body:
    item = _item(call)
    change = changed_values(call, item, call.params, code=item["currency"], name="item")
    item.update(change, net_amount=change.get("amount", item["amount"]))
    call.put("invoiceitem", item)
    if item["invoice"] is not None:
        invoice = _draft(call, item["invoice"])
        before = shown_invoice(call, invoice)
        line = _line_of(call, item)
        line.update(change, subtotal=item["amount"])
        check_line(invoice, line, "item")
        invoice["_simple"] = invoice["_simple"] and not (line["discounts"] or line["_tax_rates"])
        call.put("line_item", line)
        recompute(call, invoice)
        save_invoice(call, invoice, before)
    return shown_item(call, item)


def delete_item(call: Call) -> Body:
    item = _item(call)
    call.state.delete(call.account, "invoiceitem", item["id"])
    if item["invoice"] is not None:
        invoice = _draft(call, item["invoice"])
        before = shown_invoice(call, invoice)
        call.state.delete(call.account, "line_item", _line_of(call, item)["id"])
        recompute(call, invoice)
        save_invoice(call, invoice, before)
    record_event(call, "invoiceitem.deleted", shown_item(call, item))
    return {"id": item["id"], "object": "invoiceitem", "deleted": True}


def retrieve_item(call: Call) -> Body:
    return shown_item(call, _item(call))


def list_items(call: Call) -> Body:
    filters = filters_of(call.params, "customer", "invoice", "created")
    if "pending" in call.params:
        operator = "eq" if call.params["pending"] else "ne"
        filters.append(Filter("invoice", operator, None))
    page = page_of(call, "invoiceitem", "/v1/invoiceitems", *filters)
    found = [call.find("invoiceitem", one["id"]) for one in page["data"]]
    return page | {"data": [shown_item(call, item) for item in found]}


def _item(call: Call) -> Body:
    return call.find("invoiceitem", call.path["id"], noun="invoice item")


def _line_of(call: Call, item: Body) -> Body:
    lines = call.state.all(call.account, "line_item", Filter("invoice", "eq", item["invoice"]))
    return next(line for line in lines if line["_item"] == item["id"])


def _draft(call: Call, identifier: str) -> Body:
    invoice = call.find("invoice", identifier, param="invoice", status=400)
    if invoice["status"] != "draft":
        raise state_conflict("The invoice is no longer a draft; its items cannot be changed.")
    return invoice


OPERATIONS = [
    Operation("POST", "/v1/invoiceitems", _CREATE, create_item),
    Operation(
        "GET",
        "/v1/invoiceitems",
        Shape(
            {
                **PAGE,
                "created": TimeFilter(),
                "customer": Text(),
                "invoice": Text(),
                "pending": Boolean(),
            }
        ),
        list_items,
    ),
    Operation("GET", "/v1/invoiceitems/{id}", Shape(), retrieve_item),
    Operation("POST", "/v1/invoiceitems/{id}", Shape(ITEM_FIELDS), update_item),
    Operation("DELETE", "/v1/invoiceitems/{id}", Shape(), delete_item),
]
