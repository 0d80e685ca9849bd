"""What a charge may not ask of a meter that does not add up, each fault with its place."""

from typing import Any

import pytest

from services.pricing.schemas.price_book import CHARGE_MODELS, Pool
from services.pricing.schemas.single_values import single_value_faults

PEOPLE = "meter:people@1"
UNIT: dict[str, Any] = {"model": "per_unit", "unit_amount": "1", "usage": {"kinds": [PEOPLE]}}
TIERS = [{"up_to": None, "unit_amount": "1"}]
RATE = {"kinds": [PEOPLE], "units": "20"}
POOLS = {
    "own": Pool(key="own", name="Own", scope="per_seat", included_per_seat={"": "1"}),
    "all": Pool(key="all", name="All", included="1"),
}


def faults(**charge: Any) -> list[tuple[str, str]]:
    written = {"key": "c", "name": "C", **charge}
    read = CHARGE_MODELS[charge["model"]].model_validate(written)
    found = single_value_faults(read, "charges[0]", [PEOPLE], POOLS)
    return [(fault.code, fault.path.removeprefix("charges[0].")) for fault in found]


def converted(*rates: dict[str, Any]) -> dict[str, Any]:
    return {"conversion": {"unit": "credits", "rates": list(rates)}}


@pytest.mark.parametrize(
    "charge",
    [
        UNIT,
        UNIT | {"model": "graduated", "tiers": TIERS, "unit_amount": None},
        UNIT | converted(RATE),
        UNIT | converted({"units": "2"}),
        UNIT | {"usage": {"kinds": ["output_text", PEOPLE]}},
        UNIT | {"pools": ["all"], "free_units": "3"},
        {"model": "percentage", "rate_percent": "3", "usage": {"kinds": [PEOPLE]}},
    ],
)
def test_a_quantity_can_be_priced(charge: dict[str, Any]) -> None:
    """Prices of a sum, conversions, free units and shared pools take it as any quantity."""
    assert [] == faults(**{name: value for name, value in charge.items() if value is not None})


@pytest.mark.parametrize(
    "charge",
    [
        {"model": "matrix", "cells": [{"kinds": [PEOPLE], "unit_amount": "1"}]},
        {"model": "context_tier", "tiers": [{"up_to": None, "unit_amounts": {PEOPLE: "1"}}]},
        {"model": "cost_plus", "multiplier": "2", "usage": {"kinds": [PEOPLE]}},
        {"model": "weighted_sum", "unit_amount": "1", "usage": {"kinds": [PEOPLE]}},
        {"model": "prorated_graduated", "tiers": TIERS, "usage": {"kinds": [PEOPLE]}},
    ],
    ids=lambda charge: str(charge["model"]),
)
def test_it_has_no_rows(charge: dict[str, Any]) -> None:
    """Prices by model, context, cost or day have nothing to go by."""
    assert [("meter_needs_one_price", "model")] == faults(**charge)


def test_it_has_no_dimensions() -> None:
    """Every other dimension that the filter names is told at once."""
    usage = {"kinds": [PEOPLE], "models": ["*"], "batch": False, "exempt_models": ["gpt-5"]}

    assert ["usage.models", "usage.batch", "usage.exempt_models"] == [
        path
        for code, path in faults(**UNIT | {"usage": usage})
        if code == "meter_has_no_dimensions"
    ]


def test_a_rate_for_models_does_not_convert_it() -> None:
    """A rate that names it for some models, and a table without a rate for it, are told."""
    by_model = UNIT | converted(RATE | {"models": ["gpt-*"]})
    for_others = UNIT | converted({"kinds": ["output_text"], "units": "1"})

    assert [("meter_has_no_dimensions", "conversion.rates[0].models")] == faults(**by_model)
    assert [("meter_not_converted", "conversion.rates")] == faults(**for_others)


def test_it_is_nobodys_seat_and_no_single_event() -> None:
    """Pools of each seat and prices of single events need what it has not."""
    events = {"model": "percentage", "rate_percent": "3", "free_events": 2}

    assert [("meter_has_no_dimensions", "pools[1]")] == faults(**UNIT | {"pools": ["all", "own"]})
    assert [("meter_has_no_events", "model")] == faults(**events, usage={"kinds": [PEOPLE]})
