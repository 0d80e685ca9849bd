"""The golden vectors of the models that there are."""

import json
from collections.abc import Callable
from datetime import date
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from services.pricing.domain.charges import (
    GraduatedCharge,
    PerUnitCharge,
    Tier,
    UsageFilter,
    VolumeCharge,
)
from services.pricing.domain.graduated import price_graduated
from services.pricing.domain.per_unit import price_per_unit
from services.pricing.domain.periods import anchor_after
from services.pricing.domain.step import Step
from services.pricing.domain.volume import price_volume
from services.pricing.domain.words import Words
from shared.currencies import CURRENCIES, Currency
from shared.money import (
    allocate_minor_units,
    exact,
    format_exact,
    parse_exact,
    round_to_minor_units,
)

FOLDER = Path(__file__).parent / "golden"

LEFT_OUT = {
    "per-unit-04": "max_amount: a maximum is a step after the price",
    "per-unit-05": "max_amount: a maximum is a step after the price",
    "dynamic-01": "amounts stated by the producer are meters",
    "volume-05": "tier_quantity: prorated units",
    "anchor-04": "periods of a year",
    "token-scale-matrix-01": "matrix",
    "token-scale-matrix-02": "matrix",
    "token-scale-package-01": "package",
    "token-scale-package-02": "package",
    "token-scale-percentage-01": "percentage",
    "token-scale-context-tier-01": "context_tier",
    "token-scale-surcharge-01": "surcharge",
    "token-scale-seat-pool-01": "seat_pool",
}
"""Vectors that need what is not offered, and what that is."""

VECTORS: list[dict[str, Any]] = [
    vector
    for path in sorted(FOLDER.glob("*.json"))
    for vector in json.loads(path.read_text(encoding="utf-8"))
]
CASES = [
    pytest.param(vector, case, id=f"{vector['id']}-{number}")
    for vector in VECTORS
    if vector["id"] not in LEFT_OUT
    for number, case in enumerate(vector["cases"])
]
ANY = UsageFilter({"kind": frozenset({"units"})})
Price = Callable[[Fraction], list[Step]]


def price_of(vector: dict[str, Any]) -> Price:
    """Return the function that prices a quantity as the vector says."""
    words = Words(CURRENCIES[vector["currency"]], "units")
    price = vector["price"]
    per = exact(price.get("per", "1"))
    if vector["model"] == "per_unit":
        charge = PerUnitCharge("c", "C", ANY, per, exact(price["unit_amount"]))
        return lambda quantity: price_per_unit(charge, quantity, words)
    tiers = tuple(
        Tier(
            None if tier["up_to"] is None else exact(tier["up_to"]),
            exact(tier["unit_amount"]),
            exact(tier.get("flat_amount", "0")),
        )
        for tier in price["tiers"]
    )
    if vector["model"] == "graduated":
        graduated = GraduatedCharge("c", "C", ANY, per, tiers)
        return lambda quantity: price_graduated(graduated, quantity, words)
    volume = VolumeCharge("c", "C", ANY, per, tiers)
    return lambda quantity: price_volume(volume, quantity, words)


def total(steps: list[Step]) -> Fraction:
    return sum((step.amount for step in steps), Fraction(0))


def written(minor_units: int, currency: Currency) -> str:
    """Return minor units as the vectors write rounded money: with all decimals."""
    digits = str(minor_units).rjust(currency.exponent + 1, "0")
    whole, part = (
        digits[: len(digits) - currency.exponent],
        digits[len(digits) - currency.exponent :],
    )
    return f"{whole}.{part}" if part else whole


def rate(vector: dict[str, Any], case: dict[str, Any]) -> dict[str, Any]:
    """Return everything that a case of a quantity model may expect."""
    price = price_of(vector)
    currency = CURRENCIES[vector["currency"]]
    if "events" in case:
        running = [Fraction(0)]
        for event in case["events"]:
            running.append(running[-1] + exact(event))
        amounts = [total(price(quantity)) for quantity in running]
        marginal = [format_exact(after - before) for before, after in pairwise(amounts)]
        return {"marginal": marginal, "amount": format_exact(amounts[-1])}
    quantities = case.get("quantities") or [case["quantity"]]
    amount = sum((total(price(exact(quantity))) for quantity in quantities), Fraction(0))
    rounded = written(round_to_minor_units(amount, currency), currency)
    return {"amount": format_exact(amount), "rounded": rounded}


def round_case(vector: dict[str, Any], case: dict[str, Any]) -> dict[str, Any]:
    """Return rounded money: of one value, or of lines that are added first."""
    currency = CURRENCIES[vector["currency"]]
    lines = [exact(line) for line in case.get("lines", [])]
    amount = parse_exact(case["value"]) if "value" in case else sum(lines, Fraction(0))
    rounded = round_to_minor_units(amount, currency)
    scaled = [line * 10**currency.exponent for line in lines]
    allocated = allocate_minor_units(rounded, scaled) if lines else []
    return {
        "rounded": written(rounded, currency),
        "total": written(rounded, currency),
        "lines": [written(units, currency) for units in allocated],
    }


def anchor_case(vector: dict[str, Any], case: dict[str, Any]) -> dict[str, Any]:
    """Return the starts of the first periods."""
    day = date.fromisoformat(vector["price"]["anchor"])
    anchor_day = day.day
    dates = []
    for _ in range(int(case["count"])):
        dates.append(day.isoformat())
        day = anchor_after(day, anchor_day)
    return {"dates": dates}


RUNNERS = {
    "per_unit": rate,
    "graduated": rate,
    "volume": rate,
    "round": round_case,
    "invoice_rounding": round_case,
    "allocate": round_case,
    "anchor": anchor_case,
}


@pytest.mark.parametrize(("vector", "case"), CASES)
def test_a_golden_vector_holds(vector: dict[str, Any], case: dict[str, Any]) -> None:
    """A case comes out exactly as its vector says."""
    expected = case["expect"] if "expect" in case else {"amount": case["amount"]}

    found = RUNNERS[vector["model"]](vector, case)

    assert expected == {name: found[name] for name in expected}


def test_what_is_left_out_exists() -> None:
    """The list of vectors left out names real ones, so that it shrinks as models are added."""
    assert set() == set(LEFT_OUT) - {vector["id"] for vector in VECTORS}


def test_a_changed_expectation_is_noticed() -> None:
    """The runner compares: a wrong amount in a vector does not pass."""
    vector = next(v for v in VECTORS if v["id"] == "graduated-01")
    wrong = {"quantity": "11", "amount": "110.01"}

    assert wrong["amount"] != rate(vector, wrong)["amount"]
