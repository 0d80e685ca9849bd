"""Lines of an invoice: changed in drafts only, at most 250, listed in the order of creation."""

from typing import Any

from deploy.local.stripe_simulator.errors import StripeError, missing_object, state_conflict
from deploy.local.stripe_simulator.identifiers import new_id
from deploy.local.stripe_simulator.operations import Call, Operation, Shown, list_object, public
from deploy.local.stripe_simulator.resources.invoice_object import (
    get_invoice,
    save_invoice,
    shown_invoice,
)
from deploy.local.stripe_simulator.resources.invoice_totals import (
    LINES_MAX,
    add_to_totals,
    check_line,
    recompute,
)
from deploy.local.stripe_simulator.resources.line_input import (
    LINE_FIELDS,
    changed_values,
    line_values,
)
from deploy.local.stripe_simulator.shapes import (
    PAGE,
    Choice,
    Metadata,
    Reader,
    Repeated,
    Shape,
    Text,
    merged_metadata,
)
from deploy.local.stripe_simulator.state import Body, Filter, cursor_of

_LINE = Shape({**LINE_FIELDS, "invoice_item": Text()})
_CHANGE = Shape({**LINE_FIELDS, "id": Text()}, required=("id",))
_REMOVAL = Shape(
    {"id": Text(), "behavior": Choice(("delete", "unassign"))}, required=("id", "behavior")
)


def add_lines(call: Call) -> Shown:
    record = _draft(call)
    before = shown_invoice(call, record)
    lines = [
        _given_line(call, record, given, f"lines[{index}]")
        for index, given in enumerate(call.params["lines"])
    ]
    add_to_totals(call, record, lines)
    _merge_metadata(call, record)
    return save_invoice(call, record, before)


def _given_line(call: Call, record: Body, given: Body, name: str) -> Body:
    if "invoice_item" not in given:
        return new_line(call, record, given, name)
    if len(given) > 1:
        raise StripeError(
            f"{name}[invoice_item] goes with nothing else.",
            code="parameters_exclusive",
            param=f"{name}[invoice_item]",
        )
    param = f"{name}[invoice_item]"
    item = call.find("invoiceitem", given["invoice_item"], param=param, status=400)
    return line_of_item(call, record, item, param)


def new_line(call: Call, record: Body, given: Body, name: str) -> Body:
    where = {"customer": record["customer"], "invoice": record["id"]}
    values = line_values(call, given, code=record["currency"], name=name, where=where)
    return line_record(record, values, new_id("ii"))


def line_of_item(call: Call, record: Body, item: Body, name: str) -> Body:
    """Put a pending item on a draft and return its line."""
    if item["invoice"] is not None:
        raise StripeError("The invoice item is on an invoice already.", param=name)
    if (item["customer"], item["currency"]) != (record["customer"], record["currency"]):
        raise StripeError("The invoice item is of another customer or currency.", param=name)
    item["invoice"] = record["id"]
    call.put("invoiceitem", item)
    return line_record(record, item, item["id"])


def line_record(record: Body, values: Body, item: str) -> Body:
    taken = (
        "amount", "description", "discountable", "discounts", "metadata", "period", "pricing",
        "quantity", "quantity_decimal", "_product", "_tax_amounts", "_tax_behavior",
        "_tax_rates", "_unit",
    )  # fmt: skip
    return {
        "id": new_id("il"),
        "object": "line_item",
        "currency": record["currency"],
        "discount_amounts": [],
        "invoice": record["id"],
        "livemode": False,
        "parent": {
            "invoice_item_details": {
                "invoice_item": item,
                "proration": False,
                "proration_details": {"credited_items": None},
                "subscription": None,
            },
            "subscription_item_details": None,
            "type": "invoice_item_details",
        },
        "pretax_credit_amounts": [],
        "subscription": None,
        "subtotal": values["amount"],
        "taxes": [],
        "_item": item,
        **{name: values[name] for name in taken},
    }


def update_lines(call: Call) -> Shown:
    record = _draft(call)
    before = shown_invoice(call, record)
    for index, given in enumerate(call.params["lines"]):
        name = f"lines[{index}]"
        change = {key: value for key, value in given.items() if key != "id"}
        _change_line(call, record, _line(call, record, given["id"], f"{name}[id]"), change, name)
    recompute(call, record)
    _merge_metadata(call, record)
    return save_invoice(call, record, before)


def update_line(call: Call) -> Body:
    """Change one line; the answer is the line."""
    record = _draft(call)
    before = shown_invoice(call, record)
    line = _line(call, record, call.path["line"], "id", status=404)
    _change_line(call, record, line, call.params, "line")
    recompute(call, record)
    save_invoice(call, record, before)
    return public(call.find("line_item", line["id"]))


def _change_line(call: Call, record: Body, line: Body, change: Body, name: str) -> None:
    line.update(changed_values(call, line, change, code=record["currency"], name=name))
    line["subtotal"] = line["amount"]
    check_line(record, line, name)
    if line["discounts"] or line["_tax_rates"] or line["_tax_amounts"]:
        record["_simple"] = False
    call.put("line_item", line)


def remove_lines(call: Call) -> Shown:
    """Take lines off a draft: for good, or back to the pending items they were."""
    record = _draft(call)
    before = shown_invoice(call, record)
    for index, given in enumerate(call.params["lines"]):
        line = _line(call, record, given["id"], f"lines[{index}][id]")
        item = call.state.get(call.account, "invoiceitem", line["_item"])
        if given["behavior"] == "unassign":
            if item is None:
                raise StripeError(
                    "Only a line that came from an invoice item can be unassigned.",
                    param=f"lines[{index}][behavior]",
                )
            item["invoice"] = None
            call.put("invoiceitem", item)
        elif item is not None:
            call.state.delete(call.account, "invoiceitem", item["id"])
        call.state.delete(call.account, "line_item", line["id"])
    recompute(call, record)
    _merge_metadata(call, record)
    return save_invoice(call, record, before)


def list_lines(call: Call) -> Body:
    record = get_invoice(call)
    where = Filter("invoice", "eq", record["id"])
    data, has_more = call.state.page(
        call.account, "line_item", where, cursor=cursor_of(call.params), oldest_first=True
    )
    url = f"/v1/invoices/{record['id']}/lines"
    shown = [public(line) for line in data]
    return list_object(url, shown, has_more=has_more, total_count=record["_line_count"])


def _draft(call: Call) -> Body:
    record = get_invoice(call)
    if record["status"] != "draft":
        raise state_conflict("This invoice is no longer a draft; its lines cannot be changed.")
    return record


def _line(call: Call, record: Body, identifier: str, param: str, *, status: int = 400) -> Body:
    line = call.state.get(call.account, "line_item", identifier)
    if line is None or line["invoice"] != record["id"]:
        raise missing_object("invoice line item", identifier, param=param, status=status)
    return line


def _merge_metadata(call: Call, record: Body) -> None:
    if "invoice_metadata" in call.params:
        change = call.params["invoice_metadata"]
        record["metadata"] = merged_metadata(record["metadata"], change)


def _bulk(name: str, shape: Shape, run: Any) -> Operation:
    fields: dict[str, Reader] = {
        "lines": Repeated(shape, most=LINES_MAX),
        "invoice_metadata": Metadata(),
    }
    return Operation("POST", f"/v1/invoices/{{id}}/{name}", Shape(fields, ("lines",)), run)


OPERATIONS = [
    _bulk("add_lines", _LINE, add_lines),
    _bulk("update_lines", _CHANGE, update_lines),
    _bulk("remove_lines", _REMOVAL, remove_lines),
    Operation("GET", "/v1/invoices/{id}/lines", Shape(PAGE), list_lines),
    Operation("POST", "/v1/invoices/{id}/lines/{line}", Shape(LINE_FIELDS), update_line),
]
