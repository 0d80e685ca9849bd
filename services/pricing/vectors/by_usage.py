"""Vectors whose price depends on what each part of the usage is, when it came, or single events."""

from fractions import Fraction
from typing import Any

from services.pricing.domain.charges.action_credits import ActionCredits
from services.pricing.domain.charges.prorated_graduated import Change, ProratedGraduated
from services.pricing.domain.context_bands import band_of
from services.pricing.domain.readings import Readings
from services.pricing.domain.usage import Usage
from services.pricing.vectors.case import (
    amounts,
    day_number,
    number,
    period_of_days,
    priced,
    rate,
    rounded,
    used,
    words_of,
)
from shared.vectors import Case, Results, Runner, Vector

METER = "meter:events@1"
ON = "on"
MODIFIED = ("speed", "service_tier", "region", "purpose", "status", "provider", "batch")
"""Dimensions that multipliers can speak of; each named modifier takes one."""


def percentage(vector: Vector, case: Case) -> Results:
    """Rate the values of single events, in their order."""
    price = dict(vector["price"])
    if "free_events" in price:
        price["free_events"] = int(price["free_events"])
    values = tuple(number(event) for event in case["events"])
    read = Readings(events={METER: values})
    return amounts(rate(vector, [priced("percentage", price, METER)], [], readings=read), vector)


def action_credits(vector: Vector, case: Case) -> Results:
    """Rate single actions by the tokens of each."""
    charge = priced("action_credits", vector["price"], METER)
    actions = tuple(number(action) for action in case["actions"])
    price = charge.price
    assert isinstance(price, ActionCredits)
    rated = rate(vector, [charge], [], readings=Readings(events={METER: actions}))
    used_up = {"blocks": Fraction(price.blocks(actions)), "credits": price.credits(actions)}
    return {**used_up, **amounts(rated, vector)}


def matrix(vector: Vector, case: Case) -> Results:
    """Rate usage by cells; a modifier is a value of a dimension of its own."""
    price = dict(vector["price"])
    multipliers = price.get("multipliers", {})
    dimensions = dict(zip(multipliers, MODIFIED, strict=False))
    price["cells"] = [
        {
            "models": [cell["model"]],
            "kinds": [cell["token_type"]],
            "unit_amount": cell["unit_amount"],
        }
        for cell in price["cells"]
    ]
    price["multipliers"] = [
        {"name": name, "dimension": dimensions[name], "value": ON, "factor": factor}
        for name, factor in multipliers.items()
    ]
    rows = [
        _row(row, **{dimensions[name]: ON for name in row.get("modifiers", [])})
        for row in case["usage"]
    ]
    return amounts(rate(vector, [priced("matrix", price, "*")], rows), vector)


def _row(row: dict[str, Any], **values: str) -> Usage:
    return used(number(row["quantity"]), row["token_type"], model=row["model"], **values)


def surcharge(vector: Vector, case: Case) -> Results:
    """Rate all tokens but those of exempt models."""
    price = dict(vector["price"])
    usage: dict[str, Any] = {"kinds": ["*"]}
    if exempt := price.pop("exempt_models", []):
        usage["exempt_models"] = exempt
    rows = [_row(row) for row in case["usage"]]
    return amounts(rate(vector, [priced("surcharge", price, usage=usage)], rows), vector)


def context_tier(vector: Vector, case: Case) -> Results:
    """Rate requests by the band of their total input."""
    price = dict(vector["price"])
    counted = price.pop("context_token_types")
    rows = []
    for request in case["requests"]:
        tokens = {kind: number(quantity) for kind, quantity in request.items()}
        band = band_of(sum((tokens.get(kind, Fraction(0)) for kind in counted), Fraction(0)))
        rows += [used(n, kind, context_band=band) for kind, n in tokens.items() if n]
    return amounts(rate(vector, [priced("context_tier", price, "*")], rows), vector)


def weighted_sum(vector: Vector, case: Case) -> Results:
    """Rate a level by the days that it holds."""
    charge = priced("weighted_sum", vector["price"])
    rows = [
        used(number(change["delta"]), usage_day=day_number(change["day"]))
        for change in case.get("changes", [])
    ]
    read = Readings(levels={charge.key: number(case.get("initial", "0"))})
    period = period_of_days(int(case["days"]))
    return amounts(rate(vector, [charge], rows, period=period, readings=read), vector)


def prorated_graduated(vector: Vector, case: Case) -> Results:
    """Price changes of a level of which the paid part is given."""
    price = priced("prorated_graduated", vector["price"]).price
    assert isinstance(price, ProratedGraduated)
    pairs = zip(case["events"], case["prorated_events"], strict=True)
    changes = [Change(number(units), number(paid)) for units, paid in pairs]
    steps, _ = price.price_changes(changes, words_of(vector))
    amount = sum((step.amount for step in steps), Fraction(0))
    return {"amount": amount, "rounded": rounded(amount, vector)}


RUNNERS: dict[str, Runner] = {
    "percentage": percentage,
    "action_credits": action_credits,
    "matrix": matrix,
    "surcharge": surcharge,
    "context_tier": context_tier,
    "weighted_sum": weighted_sum,
    "prorated_graduated": prorated_graduated,
}
