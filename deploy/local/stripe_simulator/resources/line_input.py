"""What a line is made of: an amount, a price made on the spot, or a stored price; never two."""

from decimal import Decimal
from typing import Any

from deploy.local.stripe_simulator.errors import StripeError, not_simulated
from deploy.local.stripe_simulator.identifiers import new_id
from deploy.local.stripe_simulator.money import check_multiple, currency
from deploy.local.stripe_simulator.operations import Call
from deploy.local.stripe_simulator.resources.coupons import DISCOUNTS, new_discounts
from deploy.local.stripe_simulator.resources.products import (
    PRODUCT_DATA,
    TAX_BEHAVIOR,
    exact_amount,
    get_product,
    new_product,
    plain,
)
from deploy.local.stripe_simulator.resources.tax_amounts import TAX_AMOUNTS, given_taxes
from deploy.local.stripe_simulator.resources.tax_rates import TAX_RATES, checked_rates
from deploy.local.stripe_simulator.shapes import (
    Boolean,
    DecimalText,
    Integer,
    Metadata,
    Reader,
    Shape,
    Text,
    merged_metadata,
    timestamp,
)
from deploy.local.stripe_simulator.state import Body

DESCRIPTION_LENGTH_MAX = 500
_UNIT: dict[str, Reader] = {
    "currency": Text(),
    "product": Text(),
    "tax_behavior": TAX_BEHAVIOR,
    "unit_amount": Integer(least=0),
    "unit_amount_decimal": DecimalText(least=0),
}
PERIOD = Shape({"start": timestamp(), "end": timestamp()}, required=("start", "end"))
LINE_FIELDS: dict[str, Reader] = {
    "amount": Integer(),
    "description": Text(DESCRIPTION_LENGTH_MAX, clearable=True),
    "discountable": Boolean(),
    "discounts": DISCOUNTS,
    "metadata": Metadata(),
    "period": PERIOD,
    "price_data": Shape({**_UNIT, "product_data": PRODUCT_DATA}, required=("currency",)),
    "pricing": Shape({"price": Text()}, required=("price",)),
    "quantity": Integer(least=0),
    "quantity_decimal": DecimalText(least=0),
    "tax_amounts": TAX_AMOUNTS,
    "tax_rates": TAX_RATES,
}
# A pending item's price_data takes a product only; its tax behavior also stands beside it.
ITEM_FIELDS: dict[str, Reader] = {
    **{name: reader for name, reader in LINE_FIELDS.items() if name != "tax_amounts"},
    "price_data": Shape(_UNIT, required=("currency", "product")),
    "tax_behavior": TAX_BEHAVIOR,
    "tax_code": Text(clearable=True),
    "unit_amount_decimal": DecimalText(),
}
_SOURCES = ("amount", "price_data", "pricing", "unit_amount_decimal")


def line_values(call: Call, given: Body, *, code: str, name: str, where: dict[str, Any]) -> Body:
    """Return the fields of a line or item that its parameters decide.

    `code` is the invoice's currency, `name` the parameter's, `where` what its discounts stand on.
    """
    values = _amount_values(call, given, code=code, name=name)
    amount = values["amount"]
    wire = currency(code)
    check_multiple(amount, wire.line_multiple, param=f"{name}[amount]", code=code)
    period = given.get("period", {"start": call.now, "end": call.now})
    if period["end"] < period["start"]:
        raise StripeError(
            "The end of a period is not before its start.", param=f"{name}[period][end]"
        )
    rates = checked_rates(call, given.get("tax_rates", []), f"{name}[tax_rates]")
    return values | {
        "description": given.get("description") or values["description"],
        "discountable": given.get("discountable", amount >= 0),
        "discounts": new_discounts(
            call, given.get("discounts", []), code=code, name=f"{name}[discounts]", **where
        ),
        "metadata": merged_metadata({}, given.get("metadata", {})),
        "period": period,
        "_tax_amounts": given_taxes(
            call, given.get("tax_amounts", []), amount=amount, name=f"{name}[tax_amounts]"
        ),
        "_tax_rates": rates,
        "_tax_behavior": given.get("tax_behavior") or values["_tax_behavior"],
    }


def changed_values(call: Call, line: Body, given: Body, *, code: str, name: str) -> Body:
    """Return the fields of an existing line or item that its parameters change."""
    values: Body = {}
    if any(source in given for source in (*_SOURCES, "quantity", "quantity_decimal")):
        values |= _amount_values(call, given, code=code, name=name)
        values.pop("description")
        wire = currency(code)
        check_multiple(values["amount"], wire.line_multiple, param=f"{name}[amount]", code=code)
    values |= {key: given[key] for key in ("description", "discountable", "period") if key in given}
    period: Body = values.get("period") or line["period"]
    if period["end"] < period["start"]:
        raise StripeError(
            "The end of a period is not before its start.", param=f"{name}[period][end]"
        )
    if "metadata" in given:
        values["metadata"] = merged_metadata(line["metadata"], given["metadata"])
    if "discounts" in given:
        values["discounts"] = new_discounts(
            call, given["discounts"], code=code, name=f"{name}[discounts]"
        )
    if "tax_rates" in given:
        values["_tax_rates"] = checked_rates(call, given["tax_rates"], f"{name}[tax_rates]")
    if "tax_amounts" in given:
        values["_tax_amounts"] = given_taxes(
            call,
            given["tax_amounts"],
            amount=values["amount"] if "amount" in values else line["amount"],
            name=f"{name}[tax_amounts]",
        )
    if "tax_behavior" in given:
        values["_tax_behavior"] = given["tax_behavior"]
    return values


def _amount_values(call: Call, given: Body, *, code: str, name: str) -> Body:
    """Work out amount and quantity from the one source that is given."""
    sources = [source for source in _SOURCES if source in given]
    if len(sources) != 1:
        raise StripeError(
            f"Exactly one of {name}[amount], [price_data] and [pricing] must be given.",
            code="parameters_exclusive" if sources else "parameter_missing",
            param=f"{name}[amount]",
        )
    quantity = _quantity(given, name)
    if "amount" in given:
        # What Stripe makes of an amount times a quantity is nowhere said, so it is refused.
        if quantity != 1:
            raise StripeError(
                f"{name}[quantity] goes with a unit price, not with an amount.",
                code="parameters_exclusive",
                param=f"{name}[quantity]",
            )
        return _values(given["amount"], quantity)
    if "unit_amount_decimal" in given:
        return _priced(given["unit_amount_decimal"], quantity, name)
    if "pricing" in given:
        return _by_price(call, given["pricing"]["price"], quantity, code=code, name=name)
    return _by_price_data(call, given["price_data"], quantity, code=code, name=name)


def _quantity(given: Body, name: str) -> Decimal:
    if "quantity" in given and "quantity_decimal" in given:
        raise StripeError(
            f"Only one of {name}[quantity] and {name}[quantity_decimal] can be given.",
            code="parameters_exclusive",
            param=f"{name}[quantity]",
        )
    quantity: Any = given.get("quantity_decimal", given.get("quantity", 1))
    return Decimal(quantity)


def _by_price(call: Call, identifier: str, quantity: Decimal, *, code: str, name: str) -> Body:
    at = f"{name}[pricing][price]"
    price = call.find("price", identifier, param=at, status=400)
    if price["currency"] != code:
        raise StripeError("An invoice has one currency.", param=at)
    if not price["active"]:
        raise StripeError(f"The price {identifier} is not active.", param=at)
    values = _priced(Decimal(price["unit_amount_decimal"]), quantity, name)
    details = {"price": price["id"], "product": price["product"]}
    return values | _described(call, price["product"], price["tax_behavior"], values, details)


def _by_price_data(call: Call, price: Body, quantity: Decimal, *, code: str, name: str) -> Body:
    at = f"{name}[price_data]"
    if price["currency"] != code:
        raise StripeError("An invoice has one currency.", param=f"{at}[currency]")
    if ("product" in price) == ("product_data" in price):
        raise StripeError(
            f"Exactly one of {at}[product] and {at}[product_data] must be given.",
            code="parameters_exclusive" if "product" in price else "parameter_missing",
            param=f"{at}[product_data]",
        )
    unit = exact_amount(price, "unit_amount", at)
    values = _priced(unit, quantity, name)
    if "product" in price:
        product = get_product(call, price["product"], f"{at}[product]")
    else:
        product = new_product(call, price["product_data"])
    details = {"price": new_id("price"), "product": product["id"]}
    behavior = price.get("tax_behavior", "unspecified")
    return values | _described(call, product["id"], behavior, values, details)


def _described(call: Call, product: str, behavior: str, values: Body, details: Body) -> Body:
    pricing = {"price_details": details, "type": "price_details"}
    return {
        "description": call.find("product", product)["name"],
        "pricing": {**pricing, "unit_amount_decimal": values["_unit"]},
        "_product": product,
        "_tax_behavior": behavior,
    }


def _priced(unit: Decimal, quantity: Decimal, name: str) -> Body:
    """Multiply; how Stripe rounds a product that is no whole number is nowhere said."""
    exact = unit * quantity
    if exact != int(exact):
        raise not_simulated("amounts that need rounding", param=f"{name}[quantity_decimal]")
    return _values(int(exact), quantity) | {"_unit": plain(unit)}


def _values(amount: int, quantity: Decimal) -> Body:
    return {
        "amount": amount,
        "description": None,
        "pricing": None,
        "quantity": int(quantity),
        "quantity_decimal": plain(quantity),
        "_product": None,
        "_tax_behavior": None,
        "_unit": None,
    }
