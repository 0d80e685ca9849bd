"""Lines of an invoice: added to drafts only, at most 250, listed in the order of creation."""

from typing import Any

from deploy.local.stripe_simulator.errors import StripeError, missing_object, state_conflict
from deploy.local.stripe_simulator.identifiers import new_id
from deploy.local.stripe_simulator.money import check_multiple, currency
from deploy.local.stripe_simulator.operations import Call, Operation, list_object
from deploy.local.stripe_simulator.resources.invoice_object import (
    get_invoice,
    save_invoice,
    shown_invoice,
)
from deploy.local.stripe_simulator.shapes import (
    PAGE,
    Boolean,
    Choice,
    Integer,
    Metadata,
    Repeated,
    Shape,
    Text,
    merged_metadata,
    timestamp,
)
from deploy.local.stripe_simulator.state import Body, Filter, cursor_of

LINES_MAX = 250
DESCRIPTION_LENGTH_MAX = 500

_PRICE_DATA = Shape(
    {
        "currency": Text(),
        "product": Text(),
        "product_data": Shape(
            {"name": Text(250), "description": Text(), "metadata": Metadata()},
            required=("name",),
        ),
        "tax_behavior": Choice(("exclusive", "inclusive", "unspecified")),
        "unit_amount": Integer(least=0),
    },
    required=("currency", "unit_amount"),
)
_LINE = Shape(
    {
        "amount": Integer(),
        "description": Text(DESCRIPTION_LENGTH_MAX, clearable=True),
        "discountable": Boolean(),
        "metadata": Metadata(),
        "period": Shape({"start": timestamp(), "end": timestamp()}, required=("start", "end")),
        "price_data": _PRICE_DATA,
        "quantity": Integer(least=0),
    }
)


def add_lines(call: Call) -> Body:
    record = get_invoice(call)
    if record["status"] != "draft":
        raise state_conflict("This invoice is no longer a draft; lines cannot be added.")
    before = shown_invoice(call, record)
    held = call.state.count(call.account, "line_item", Filter("invoice", "eq", record["id"]))
    given = call.params["lines"]
    if held + len(given) > LINES_MAX:
        raise StripeError(f"An invoice holds at most {LINES_MAX} lines.", param="lines")
    lines = [_new_line(call, record, line, f"lines[{index}]") for index, line in enumerate(given)]
    for line in lines:
        call.state.put(call.account, "line_item", line)
    record["subtotal"] += sum(line["amount"] for line in lines)
    if "invoice_metadata" in call.params:
        change = call.params["invoice_metadata"]
        record["metadata"] = merged_metadata(record["metadata"], change)
    return save_invoice(call, record, before)


def list_lines(call: Call) -> Body:
    record = get_invoice(call)
    where = Filter("invoice", "eq", record["id"])
    data, has_more = call.state.page(
        call.account, "line_item", where, cursor=cursor_of(call.params), oldest_first=True
    )
    count = call.state.count(call.account, "line_item", where)
    url = f"/v1/invoices/{record['id']}/lines"
    return list_object(url, data, has_more=has_more, total_count=count)


def _new_line(call: Call, invoice: Body, given: dict[str, Any], name: str) -> Body:
    amount, quantity = _amount(invoice, given, name)
    wire = currency(invoice["currency"])
    check_multiple(amount, wire.line_multiple, param=f"{name}[amount]", code=wire.code)
    period = given.get("period", {"start": call.now, "end": call.now})
    if period["end"] < period["start"]:
        raise StripeError(
            "The end of a period is not before its start.", param=f"{name}[period][end]"
        )
    return {
        "id": new_id("il"),
        "object": "line_item",
        "amount": amount,
        "currency": invoice["currency"],
        "description": given.get("description") or _product_name(given),
        "discount_amounts": [],
        "discountable": given.get("discountable", amount >= 0),
        "discounts": [],
        "invoice": invoice["id"],
        "livemode": False,
        "metadata": merged_metadata({}, given.get("metadata", {})),
        "parent": {
            "invoice_item_details": {
                "invoice_item": new_id("ii"),
                "proration": False,
                "proration_details": {"credited_items": None},
                "subscription": None,
            },
            "subscription_item_details": None,
            "type": "invoice_item_details",
        },
        "period": period,
        "pretax_credit_amounts": [],
        "pricing": None,
        "quantity": quantity,
        "quantity_decimal": str(quantity),
        "subscription": None,
        "subtotal": amount,
        "taxes": [],
    }


def _amount(invoice: Body, given: dict[str, Any], name: str) -> tuple[int, int]:
    """Return the line's amount and quantity from `amount` or from `price_data`, never both."""
    quantity = given.get("quantity", 1)
    price = given.get("price_data")
    if ("amount" in given) == (price is not None):
        raise StripeError(
            f"Exactly one of {name}[amount] and {name}[price_data] must be given.",
            code="parameters_exclusive" if price else "parameter_missing",
            param=f"{name}[amount]",
        )
    if price is None:
        # What Stripe makes of an amount times a quantity is nowhere said, so it is refused.
        if quantity != 1:
            raise StripeError(
                f"{name}[quantity] goes with a unit price, not with an amount.",
                code="parameters_exclusive",
                param=f"{name}[quantity]",
            )
        return given["amount"], quantity
    _check_price(price, invoice, f"{name}[price_data]")
    return price["unit_amount"] * quantity, quantity


def _check_price(price: dict[str, Any], invoice: Body, name: str) -> None:
    if price["currency"] != invoice["currency"]:
        raise StripeError("An invoice has one currency.", param=f"{name}[currency]")
    if "product" in price:
        raise missing_object("product", price["product"], param=f"{name}[product]", status=400)
    if "product_data" not in price:
        raise StripeError(
            f"Missing required param: {name}[product_data].",
            code="parameter_missing",
            param=f"{name}[product_data]",
        )


def _product_name(given: dict[str, Any]) -> str | None:
    product = given.get("price_data", {}).get("product_data")
    return None if product is None else product["name"]


OPERATIONS = [
    Operation(
        "POST",
        "/v1/invoices/{id}/add_lines",
        Shape(
            {"lines": Repeated(_LINE, most=LINES_MAX), "invoice_metadata": Metadata()},
            required=("lines",),
        ),
        add_lines,
    ),
    Operation("GET", "/v1/invoices/{id}/lines", Shape(PAGE), list_lines),
]
