"""The lines of a credit note, with the part of discounts and taxes that goes back with them.

Of a line's discount and taxes each credit takes what its amount adds to the share so far, so that
crediting a line in parts gives back exactly what it cost.
"""

from decimal import Decimal
from fractions import Fraction
from typing import Any

from deploy.local.stripe_simulator.arithmetic import Line, Rate, rounded, settle, summed_taxes
from deploy.local.stripe_simulator.errors import StripeError, not_simulated
from deploy.local.stripe_simulator.identifiers import new_id
from deploy.local.stripe_simulator.operations import Call
from deploy.local.stripe_simulator.resources.products import plain
from deploy.local.stripe_simulator.resources.tax_amounts import credited_taxes
from deploy.local.stripe_simulator.resources.tax_rates import arithmetic_rate, checked_rates
from deploy.local.stripe_simulator.state import Body, Filter


def note_lines(call: Call, invoice: Body, given: list[Body]) -> list[Line]:
    """Return the lines that the `lines` parameter asks for."""
    earlier = credited_lines(call, invoice["id"])
    lines = []
    for index, one in enumerate(given):
        name = f"lines[{index}]"
        make = _of_invoice if one["type"] == "invoice_line_item" else _custom
        line = make(call, invoice, one, name, earlier)
        lines.append(line)
        if line["invoice_line_item"]:
            earlier[line["invoice_line_item"]] = (
                earlier.get(line["invoice_line_item"], 0) + line["amount"]
            )
    return lines


def credited_lines(call: Call, invoice: str) -> dict[str, int]:
    """Return how much of each invoice line the notes so far have credited."""
    credited: dict[str, int] = {}
    for note in call.state.all(call.account, "credit_note", Filter("invoice", "eq", invoice)):
        if note["status"] == "void":
            continue
        where = Filter("_credit_note", "eq", note["id"])
        for line in call.state.all(call.account, "credit_note_line_item", where):
            if line["invoice_line_item"]:
                key = line["invoice_line_item"]
                credited[key] = credited.get(key, 0) + line["amount"]
    return credited


def _of_invoice(call: Call, invoice: Body, given: Body, name: str, earlier: dict[str, int]) -> Line:
    _only(given, name, "amount", "invoice_line_item", "metadata", "quantity", "tax_amounts")
    identifier = given.get("invoice_line_item")
    if identifier is None:
        raise _missing(f"{name}[invoice_line_item]")
    at = f"{name}[invoice_line_item]"
    source = call.find("line_item", identifier, noun="invoice line item", param=at, status=400)
    if source["invoice"] != invoice["id"]:
        raise StripeError("The line is of another invoice.", param=at)
    before = earlier.get(source["id"], 0)
    amount = _line_amount(given, source, name)
    if amount < 1 or before + amount > source["amount"]:
        left = source["amount"] - before
        raise StripeError(
            f"Only {max(left, 0)} of the line is left to credit.", param=f"{name}[amount]"
        )
    return (
        _share(source, before, amount)
        | _own_taxes(call, invoice, given, name)
        | {
            "description": source["description"],
            "invoice_line_item": source["id"],
            "quantity": given.get("quantity"),
            "unit_amount": None,
            "unit_amount_decimal": None,
            "type": "invoice_line_item",
            "metadata": given.get("metadata") or {},
        }
    )


def _own_taxes(call: Call, invoice: Body, given: Body, name: str) -> Body:
    """Return the taxes that the caller worked out, in place of a share of the line's."""
    if not given.get("tax_amounts"):
        return {}
    at = f"{name}[tax_amounts]"
    if invoice["automatic_tax"]["enabled"]:
        raise StripeError("Tax amounts cannot be used together with automatic tax.", param=at)
    return {"taxes": credited_taxes(call, given["tax_amounts"], name=at)}


def _line_amount(given: Body, source: Body, name: str) -> int:
    if ("amount" in given) == ("quantity" in given):
        raise StripeError(
            f"Exactly one of {name}[amount] and {name}[quantity] must be given.",
            code="parameters_exclusive" if "amount" in given else "parameter_missing",
            param=f"{name}[amount]",
        )
    if "amount" in given:
        return int(given["amount"])
    if given["quantity"] > source["quantity"]:
        raise StripeError("The line has a smaller quantity.", param=f"{name}[quantity]")
    exact = Fraction(source["amount"] * given["quantity"], source["quantity"] or 1)
    if exact.denominator != 1:
        raise not_simulated("quantities whose amount needs rounding", param=f"{name}[quantity]")
    return int(exact)


def _share(source: Body, before: int, amount: int) -> Line:
    """Return what goes with `amount` of a line after `before` of it was credited."""
    whole = source["amount"]

    def part(value: int) -> int:
        return portion(value, before, amount, whole)

    discounts = [
        {"amount": part(one["amount"]), "discount": one["discount"]}
        for one in source["discount_amounts"]
    ]
    taxes = [
        one | {"amount": part(one["amount"]), "taxable_amount": part(one["taxable_amount"])}
        for one in source["taxes"]
    ]
    return {"amount": amount, "discount_amounts": discounts, "taxes": taxes, "tax_rates": []}


def portion(value: int, before: int, amount: int, whole: int) -> int:
    """Return what `amount` more of `whole` adds to its share of `value`."""
    now = Fraction(value * (before + amount), whole)
    return rounded(now) - rounded(Fraction(value * before, whole))


def _custom(call: Call, invoice: Body, given: Body, name: str, _earlier: dict[str, int]) -> Line:
    _only(
        given, name, "description", "metadata", "quantity", "tax_rates", "unit_amount",
        "unit_amount_decimal",
    )  # fmt: skip
    if invoice["automatic_tax"]["enabled"]:
        raise StripeError(
            "Custom lines cannot be credited where automatic tax is on.", param=f"{name}[type]"
        )
    if not given.get("description"):
        raise _missing(f"{name}[description]")
    unit = given.get("unit_amount_decimal", given.get("unit_amount"))
    if unit is None:
        raise _missing(f"{name}[unit_amount]")
    exact = Fraction(unit) * given.get("quantity", 1)
    if exact.denominator != 1:
        raise not_simulated("amounts that need rounding", param=f"{name}[unit_amount_decimal]")
    rates = checked_rates(call, given.get("tax_rates", []), f"{name}[tax_rates]")
    return custom_line(int(exact), [arithmetic_rate(call, rate) for rate in rates]) | {
        "description": given["description"],
        "quantity": given.get("quantity", 1),
        "unit_amount": given.get("unit_amount"),
        "unit_amount_decimal": plain(Decimal(unit)),
        "metadata": given.get("metadata") or {},
    }


def custom_line(amount: int, rates: list[Rate]) -> Line:
    line: dict[str, Any] = {
        "amount": amount,
        "description": None,
        "discountable": False,
        "invoice_line_item": None,
        "metadata": {},
        "quantity": 1,
        "tax_rates": [],
        "type": "custom_line_item",
        "unit_amount": amount,
        "unit_amount_decimal": str(amount),
    }
    settle([line], rates=lambda _line: rates)
    del line["discountable"]
    return line


def proportional_line(invoice: Body, before: int, amount: int) -> Line:
    """Return the one line of a note made by its total: taxes go back in proportion."""
    taxes = [
        tax
        | {
            "amount": portion(tax["amount"], before, amount, invoice["total"]),
            "taxable_amount": portion(tax["taxable_amount"], before, amount, invoice["total"]),
        }
        for tax in summed_taxes(invoice["total_taxes"])
    ]
    on_top = sum(tax["amount"] for tax in taxes if tax["tax_behavior"] == "exclusive")
    return custom_line(amount - on_top, []) | {"taxes": taxes}


def stored_line(line: Line, note: str) -> Body:
    """Return the line as it is kept and shown."""
    discount = sum(one["amount"] for one in line["discount_amounts"])
    return {
        "id": new_id("cnli"),
        "object": "credit_note_line_item",
        "discount_amount": discount,
        "livemode": False,
        "pretax_credit_amounts": [],
        **line,
        "_credit_note": note,
    }


def _only(given: Body, name: str, *allowed: str) -> None:
    for key in given:
        if key not in {*allowed, "type"}:
            raise StripeError(
                f"{name}[{key}] is not valid for a {given['type']}.", param=f"{name}[{key}]"
            )


def _missing(param: str) -> StripeError:
    return StripeError(f"Missing required param: {param}.", code="parameter_missing", param=param)
