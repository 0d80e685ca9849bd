"""Tax amounts that the caller worked out: kept as they are, shown with a rate made for each.

Sources: the SDK's `tax_amounts` (at most 20 on a line; not beside tax rates of any line, default
tax rates or automatic tax; equal rate data reuses a rate, which is archived at once) and
https://docs.stripe.com/invoicing/taxes/manual-tax-amounts.
"""

import hashlib
import json

from deploy.local.stripe_simulator.errors import StripeError, not_simulated
from deploy.local.stripe_simulator.operations import Call
from deploy.local.stripe_simulator.resources.tax_rates import TAX_TYPES, new_rate
from deploy.local.stripe_simulator.shapes import (
    Boolean,
    Choice,
    DecimalText,
    Integer,
    Reader,
    Repeated,
    Shape,
    Text,
    uncovered,
)
from deploy.local.stripe_simulator.state import Body

TAX_AMOUNTS_MAX = 20
_REASONS = (
    "customer_exempt", "not_collecting", "not_subject_to_tax", "not_supported",
    "portion_product_exempt", "portion_reduced_rated", "portion_standard_rated", "product_exempt",
    "product_exempt_holiday", "proportionally_rated", "reduced_rated", "reverse_charge",
    "standard_rated", "taxable_basis_reduced", "zero_rated",
)  # fmt: skip
_RATE: dict[str, Reader] = {
    "country": Text(2),
    "description": Text(),
    "display_name": Text(50),
    "inclusive": Boolean(),
    "jurisdiction": Text(50),
    "percentage": DecimalText(places=4, least=0, most=100),
    "state": Text(3),
    "tax_type": Choice(TAX_TYPES),
    **uncovered("jurisdiction_level"),
}
TAX_AMOUNTS = Repeated(
    Shape(
        {
            "amount": Integer(),
            "tax_rate_data": Shape(_RATE, ("display_name", "inclusive", "percentage")),
            "taxability_reason": Choice(_REASONS),
            "taxable_amount": Integer(),
        },
        required=("amount", "tax_rate_data", "taxable_amount"),
    ),
    most=TAX_AMOUNTS_MAX,
    clearable=True,
)
CREDITED_TAX_AMOUNTS = Repeated(
    Shape(
        {"amount": Integer(), "tax_rate": Text(), "taxable_amount": Integer()},
        required=("amount", "tax_rate", "taxable_amount"),
    ),
    most=TAX_AMOUNTS_MAX,
    clearable=True,
)
"""Those of a credit note name the rate that was made for the invoice."""

_MADE = "txr_manual_"


def given_taxes(call: Call, given: list[Body], *, amount: int, name: str) -> list[Body]:
    """Return the taxes of a line of this amount as they are kept on it."""
    if given and amount < 0:
        raise not_simulated("tax amounts on a line below zero", param=name)
    taxes = []
    for index, one in enumerate(given):
        at = f"{name}[{index}]"
        if one["tax_rate_data"]["inclusive"]:
            raise not_simulated("inclusive tax amounts", param=f"{at}[tax_rate_data][inclusive]")
        reason = one.get("taxability_reason", "not_available")
        taxes.append(_kept(one, _rate(call, one["tax_rate_data"]), reason, at))
    return taxes


def credited_taxes(call: Call, given: list[Body], *, name: str) -> list[Body]:
    """Return the taxes of a credited line; their rates are those made for tax amounts."""
    taxes = []
    for index, one in enumerate(given):
        at = f"{name}[{index}]"
        param = f"{at}[tax_rate]"
        call.find("tax_rate", one["tax_rate"], noun="tax rate", param=param, status=400)
        if not one["tax_rate"].startswith(_MADE):
            raise StripeError("The tax rate was not made for tax amounts.", param=param)
        taxes.append(_kept(one, one["tax_rate"], "not_available", at))
    return taxes


def _kept(given: Body, rate: str, reason: str, name: str) -> Body:
    if given["amount"] < 0 or given["taxable_amount"] < 0:
        raise not_simulated("tax amounts below zero", param=f"{name}[amount]")
    return {
        "amount": given["amount"],
        "tax_behavior": "exclusive",
        "tax_rate_details": {"tax_rate": rate},
        "taxability_reason": reason,
        "taxable_amount": given["taxable_amount"],
        "type": "tax_rate_details",
    }


def _rate(call: Call, data: Body) -> str:
    """Return the rate of this data: archived, made once."""
    document = json.dumps(data, sort_keys=True, default=str)
    identifier = f"{_MADE}{hashlib.sha256(document.encode()).hexdigest()[:16]}"
    if call.state.get(call.account, "tax_rate", identifier) is None:
        call.put("tax_rate", new_rate(call, identifier, data | {"active": False}))
    return identifier


def check_tax_amounts(record: Body, lines: list[Body], name: str) -> None:
    """Refuse tax amounts beside any other tax; `lines` are all of the draft's."""
    if not any(line["_tax_amounts"] for line in lines):
        return
    refusals = {
        "automatic tax": record["automatic_tax"]["enabled"],
        "default tax rates": bool(record["default_tax_rates"]),
        "tax rates on a line": any(line["_tax_rates"] for line in lines),
    }
    for what, refused in refusals.items():
        if refused:
            raise StripeError(f"Tax amounts cannot be used together with {what}.", param=name)
