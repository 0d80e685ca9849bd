"""Products and one-time prices: what a line may name in place of an amount."""

from decimal import Decimal

from deploy.local.stripe_simulator.errors import StripeError, not_simulated
from deploy.local.stripe_simulator.identifiers import new_id
from deploy.local.stripe_simulator.money import currency
from deploy.local.stripe_simulator.operations import Call, Operation, public
from deploy.local.stripe_simulator.resources.events import changed_fields, record_event
from deploy.local.stripe_simulator.resources.lookup import page_of
from deploy.local.stripe_simulator.shapes import (
    PAGE,
    Boolean,
    Choice,
    DecimalText,
    Integer,
    Metadata,
    Reader,
    Repeated,
    Shape,
    Text,
    TimeFilter,
    merged_metadata,
)
from deploy.local.stripe_simulator.state import Body, filters_of

TAX_BEHAVIOR = Choice(("exclusive", "inclusive", "unspecified"))
_PRODUCT: dict[str, Reader] = {
    "active": Boolean(),
    "description": Text(clearable=True),
    "metadata": Metadata(),
    "name": Text(250),
    "tax_code": Text(clearable=True),
    "unit_label": Text(12, clearable=True),
}
PRODUCT_DATA = Shape(
    {
        "description": Text(),
        "images": Repeated(Text(), most=8),
        "metadata": Metadata(),
        "name": Text(250),
        "tax_code": Text(),
        "unit_label": Text(12),
    },
    required=("name",),
)
_PRICE: dict[str, Reader] = {
    "active": Boolean(),
    "lookup_key": Text(200, clearable=True),
    "metadata": Metadata(),
    "nickname": Text(clearable=True),
    "tax_behavior": TAX_BEHAVIOR,
}
_NEW_PRICE: dict[str, Reader] = {
    **_PRICE,
    "currency": Text(),
    "product": Text(),
    "product_data": Shape(
        {
            "active": Boolean(),
            "id": Text(),
            "metadata": Metadata(),
            "name": Text(250),
            "tax_code": Text(),
            "unit_label": Text(12),
        },
        required=("name",),
    ),
    "unit_amount": Integer(least=0),
    "unit_amount_decimal": DecimalText(least=0),
}


def new_product(call: Call, given: Body) -> Body:
    record: Body = {
        "id": given.get("id") or new_id("prod", length=14),
        "object": "product",
        "active": given.get("active", True),
        "created": call.now,
        "default_price": None,
        "description": given.get("description"),
        "images": given.get("images", []),
        "livemode": False,
        "marketing_features": [],
        "metadata": merged_metadata({}, given.get("metadata", {})),
        "name": given["name"],
        "package_dimensions": None,
        "shippable": None,
        "statement_descriptor": None,
        "tax_code": given.get("tax_code"),
        "type": "service",
        "unit_label": given.get("unit_label"),
        "updated": call.now,
        "url": None,
    }
    if call.state.get(call.account, "product", record["id"]) is not None:
        raise StripeError(
            f"Product already exists: {record['id']}", code="resource_already_exists", param="id"
        )
    call.put("product", record)
    record_event(call, "product.created", record)
    return record


def create_product(call: Call) -> Body:
    return new_product(call, call.params)


def get_product(call: Call, identifier: str, param: str) -> Body:
    """Return a product that a price may be made for."""
    product = call.find("product", identifier, param=param, status=400)
    if not product["active"]:
        raise StripeError(f"The product {identifier} is not active.", param=param)
    return product


def delete_product(call: Call) -> Body:
    record = call.find("product", call.path["id"])
    if any(one["product"] == record["id"] for one in call.state.all(call.account, "price")):
        raise StripeError(
            "This product cannot be deleted because it has one or more prices.", param="id"
        )
    call.state.delete(call.account, "product", record["id"])
    record_event(call, "product.deleted", record)
    return {"id": record["id"], "object": "product", "deleted": True}


def create_price(call: Call) -> Body:
    params = call.params
    currency(params["currency"])
    if ("product" in params) == ("product_data" in params):
        raise StripeError(
            "You must specify either `product` or `product_data` when creating a price.",
            code="parameter_missing",
            param="product",
        )
    amount = exact_amount(params, "unit_amount")
    if "product" in params:
        product = get_product(call, params["product"], "product")
    else:
        product = new_product(call, params["product_data"])
    record: Body = {
        "id": new_id("price"),
        "object": "price",
        "active": params.get("active", True),
        "billing_scheme": "per_unit",
        "created": call.now,
        "currency": params["currency"],
        "custom_unit_amount": None,
        "livemode": False,
        "lookup_key": params.get("lookup_key"),
        "metadata": merged_metadata({}, params.get("metadata", {})),
        "nickname": params.get("nickname"),
        "product": product["id"],
        "recurring": None,
        "tax_behavior": params.get("tax_behavior", "unspecified"),
        "tiers_mode": None,
        "transform_quantity": None,
        "type": "one_time",
        "unit_amount": int(amount) if amount == int(amount) else None,
        "unit_amount_decimal": plain(amount),
    }
    call.put("price", record)
    record_event(call, "price.created", record)
    return record


def exact_amount(params: Body, name: str, at: str = "") -> Decimal:
    """Return `unit_amount` or `unit_amount_decimal`, exactly one of which must be given."""
    decimal = f"{name}_decimal"
    if (name in params) == (decimal in params):
        raise StripeError(
            f"Exactly one of {at}{name} and {at}{decimal} must be given.",
            code="parameters_exclusive" if name in params else "parameter_missing",
            param=f"{at}[{name}]" if at else name,
        )
    return Decimal(params[name] if name in params else params[decimal])


def plain(number: Decimal) -> str:
    """Write a number without exponent or trailing zeros, as Stripe does."""
    text = format(number, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _updated(kind: str) -> Operation:
    def update(call: Call) -> Body:
        record = call.find(kind, call.path["id"])
        before = dict(record)
        change = {key: value for key, value in call.params.items() if key != "metadata"}
        if record.get("tax_behavior", "unspecified") not in {
            "unspecified", change.get("tax_behavior", record.get("tax_behavior")),
        }:  # fmt: skip
            raise StripeError("The tax behavior cannot be changed again.", param="tax_behavior")
        record.update(change)
        if "metadata" in call.params:
            record["metadata"] = merged_metadata(record["metadata"], call.params["metadata"])
        call.put(kind, record)
        if record != before:
            previous = changed_fields(before, record)
            record_event(call, f"{kind}.updated", record, previous=previous)
        return record

    fields = _PRODUCT if kind == "product" else _PRICE
    return Operation("POST", f"/v1/{kind}s/{{id}}", Shape(fields), update)


def _listed(kind: str, *names: str) -> Operation:
    def list_all(call: Call) -> Body:
        if "active" in call.params:
            raise not_simulated("lists by activity", param="active")
        return page_of(call, kind, f"/v1/{kind}s", *filters_of(call.params, "created", *names))

    fields = {**PAGE, "created": TimeFilter(), "active": Boolean()}
    fields |= {name: Text() for name in names}
    return Operation("GET", f"/v1/{kind}s", Shape(fields), list_all)


def _retrieved(kind: str) -> Operation:
    def retrieve(call: Call) -> Body:
        return public(call.find(kind, call.path["id"]))

    return Operation("GET", f"/v1/{kind}s/{{id}}", Shape(), retrieve)


OPERATIONS = [
    Operation(
        "POST",
        "/v1/products",
        Shape({**_PRODUCT, "id": Text(), "images": Repeated(Text(), most=8)}, ("name",)),
        create_product,
    ),
    _listed("product"),
    _retrieved("product"),
    _updated("product"),
    Operation("DELETE", "/v1/products/{id}", Shape(), delete_product),
    Operation("POST", "/v1/prices", Shape(_NEW_PRICE, ("currency",)), create_price),
    _listed("price", "product"),
    _retrieved("price"),
    _updated("price"),
]
