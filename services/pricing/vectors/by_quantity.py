"""Vectors whose price depends on a quantity."""

from collections.abc import Callable
from fractions import Fraction

from services.pricing.domain.adjustment import adjustments, total_of
from services.pricing.domain.charge import Charge
from services.pricing.domain.charges.volume import Volume
from services.pricing.domain.statement import RatedStatement
from services.pricing.vectors.case import (
    amounts,
    number,
    priced,
    rate,
    rounded,
    used,
    words_of,
)
from shared.vectors import Case, Results, Runner, Vector

MAXIMUM = "max_amount"
ACTUAL = "tier_quantity"


def quantity_runner(model: str) -> Runner:
    """Return the runner of a model that prices a sum of quantities."""

    def run(vector: Vector, case: Case) -> Results:
        price = dict(vector["price"])
        if MAXIMUM in price:
            price["maximum_amount"] = price.pop(MAXIMUM)
        charge = priced(model, price)

        def rate_quantity(quantity: Fraction) -> RatedStatement:
            return rate(vector, [charge], [used(quantity)])

        if ACTUAL in case:
            return _rate_part(charge, vector, case)
        if "events" in case:
            return _rate_events(rate_quantity, vector, case)
        quantities = case.get("quantities") or [case["quantity"]]
        totals = [rate_quantity(number(quantity)).total for quantity in quantities]
        amount = sum(totals, Fraction(0))
        return {"amount": amount, "rounded": rounded(amount, vector)}

    return run


def _rate_part(charge: Charge, vector: Vector, case: Case) -> Results:
    price = charge.price
    if not isinstance(price, Volume):
        raise TypeError(f"{ACTUAL} is for volume prices")
    reaching = number(case[ACTUAL])
    steps = price.price_at(number(case["quantity"]), reaching, words_of(vector))
    amount = sum((step.amount for step in steps), Fraction(0))
    return {"amount": amount, "rounded": rounded(amount, vector)}


def _rate_events(
    rate_quantity: Callable[[Fraction], RatedStatement], vector: Vector, case: Case
) -> Results:
    """Book what each event adds to the period, as late usage is booked."""
    quantity = Fraction(0)
    last = rate_quantity(quantity)
    marginal = []
    for event in case["events"]:
        quantity += number(event)
        now = rate_quantity(quantity)
        marginal.append(total_of(adjustments(last, now)))
        last = now
    return {"marginal": marginal, **amounts(last, vector)}


def dynamic(vector: Vector, case: Case) -> Results:
    """Add up amounts that the producer stated."""
    rows = [used(number(amount)) for amount in case["event_amounts"]]
    return amounts(rate(vector, [priced("dynamic", {})], rows), vector)


QUANTITY_MODELS = (
    *("per_unit", "graduated", "graduated_percentage", "volume"),
    *("package", "graduated_package", "volume_package"),
)
RUNNERS: dict[str, Runner] = {
    **{model: quantity_runner(model) for model in QUANTITY_MODELS},
    "dynamic": dynamic,
}
