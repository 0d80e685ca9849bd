"""Discounts, maximum, minimum and commitment around a price, and in which order."""

from dataclasses import replace
from datetime import date
from fractions import Fraction
from typing import Any

import pytest

from services.pricing.domain.bounds import at_least, at_most, discount_fixed, discount_percent
from services.pricing.domain.charges.flat import Flat
from services.pricing.domain.charges.graduated import Graduated
from services.pricing.domain.charges.matrix import Cell, Matrix
from services.pricing.domain.charges.per_unit import PerUnit
from services.pricing.domain.commitment import Commitment, commit
from services.pricing.domain.conditions import Conditions
from services.pricing.domain.periods import Period
from services.pricing.domain.pipeline import PIPELINE
from services.pricing.domain.plan import Plan
from services.pricing.domain.rating import rate_period
from services.pricing.domain.split.parts import Part, SplitTerms
from services.pricing.domain.split.rating import rate_parts
from services.pricing.domain.statement import Line
from shared.currencies import CURRENCIES
from tests.support.pricing_values import (
    NOVEMBER,
    TOKENS,
    charged,
    plan,
    sentences,
    terms,
    tier,
    usage,
)

UNIT = PerUnit(Fraction(2))
HALF = Period(date(2023, 11, 16), date(2023, 12, 1), 30)


def rate(used: int, period: Period = NOVEMBER, **conditions: Any) -> Line | None:
    rated = rate_period(terms(charged(UNIT, **conditions), period=period), [usage("units", used)])
    return rated.lines[0] if rated.lines else None


def amount(used: int, period: Period = NOVEMBER, **conditions: Any) -> Fraction:
    line = rate(used, period, **conditions)
    return line.amount if line else Fraction(0)


@pytest.mark.parametrize(
    ("used", "conditions", "expected"),
    [
        (10, {"discount_percent": Fraction(10)}, 18),
        (-10, {"discount_percent": Fraction(10)}, -18),
        (10, {"discount_amount": Fraction(5)}, 15),
        (2, {"discount_amount": Fraction(5)}, 0),
        (-2, {"discount_amount": Fraction(5)}, -4),
        (10, {"discount_percent": Fraction(50), "discount_amount": Fraction(4)}, 6),
        (10, {"maximum": Fraction(15)}, 15),
        (7, {"maximum": Fraction(15)}, 14),
        (1, {"minimum": Fraction(5)}, 5),
        (0, {"minimum": Fraction(5)}, 5),
        (10, {"discount_percent": Fraction(50), "minimum": Fraction(15)}, 15),
        (10, {"discount_percent": Fraction(50), "maximum": Fraction(15)}, 10),
        (10, {"free_units": Fraction(4), "discount_percent": Fraction(50)}, 6),
    ],
)
def test_the_order_is_price_discount_maximum_minimum(
    used: int, conditions: dict[str, Any], expected: int
) -> None:
    """The percentage comes first, a fixed discount takes no more than is there, bounds last."""
    assert expected == amount(used, **conditions)


@pytest.mark.parametrize(
    ("used", "commitment", "expected"),
    [
        (2, Commitment(Fraction(10)), 10),
        (2, Commitment(Fraction(10), true_up=False), 4),
        (8, Commitment(Fraction(10), overage_factor=Fraction(2)), 22),
        (5, Commitment(Fraction(10), overage_factor=Fraction(2)), 10),
        (8, Commitment(quantity=Fraction(5), overage_factor=Fraction(3, 2)), 19),
        (0, Commitment(quantity=Fraction(5)), 10),
        (0, Commitment(Fraction(0)), 0),
        (0, Commitment(quantity=Fraction(0)), 0),
    ],
)
def test_a_commitment_is_due_and_more_costs_its_factor(
    used: int, commitment: Commitment, expected: int
) -> None:
    """Below it the missing part is due with true-up; above it usage costs the factor."""
    assert expected == amount(used, commitment=commitment)


def test_a_minimum_counts_towards_a_commitment_and_is_no_overage() -> None:
    """Usage of 2 is raised to 5, above a commitment of 4: nothing of it costs the factor."""
    double = Commitment(Fraction(4), overage_factor=Fraction(2))

    assert [5, 12] == [amount(n, minimum=Fraction(5), commitment=double) for n in (1, 4)]


def test_a_committed_quantity_costs_what_the_price_says() -> None:
    """The commitment of 15 units at graduated prices is their own price."""
    price = Graduated((tier("10", "2"), tier(None, "1")))
    charge = charged(price, commitment=Commitment(quantity=Fraction(15)))

    assert Fraction(25) == rate_period(terms(charge), []).total


def test_a_period_cut_short_has_its_share_of_every_amount() -> None:
    """Free units, discounts, bounds and commitments are for a whole period."""
    found = [
        amount(10, HALF, free_units=Fraction(4)),
        amount(10, HALF, discount_amount=Fraction(4)),
        amount(10, HALF, maximum=Fraction(20)),
        amount(1, HALF, minimum=Fraction(20)),
        amount(1, HALF, commitment=Commitment(Fraction(20))),
    ]

    assert [16, 18, 10, 10, 10] == found


def test_free_units_are_free_to_the_last() -> None:
    """One unit is, and half a unit; where nothing was used, nothing is told of them."""
    lines = [rate(n, free_units=Fraction(4), minimum=Fraction(1)) for n in (1, 0)]

    assert [["free_units", "minimum"], ["minimum"]] == [
        [step.step for step in line.steps if step.step != "price"] for line in lines if line
    ]
    half = rate_period(terms(charged(UNIT, free_units=Fraction(4))), [usage("units", "0.5")])
    assert 0 == half.total


def test_every_step_is_told() -> None:
    """A customer can follow how the amount came about."""
    line = rate(
        10,
        free_units=Fraction(2),
        discount_percent=Fraction(50),
        discount_amount=Fraction(1),
        maximum=Fraction(5),
        commitment=Commitment(Fraction(9)),
    )

    assert line is not None
    assert [
        "2 units free",
        "8 units at 2.00 USD each",
        "discount of 50 % on 16.00 USD",
        "discount of 1.00 USD",
        "capped at 5.00 USD",
        "true-up to the commitment of 9.00 USD",
    ] == sentences(list(line.steps))
    assert Fraction(9) == line.amount == sum(step.amount for step in line.steps)
    places = [*("free_units", "price", "discount", "discount", "maximum"), "commitment"]
    assert places == [step.step for step in line.steps]


def test_the_steps_above_a_bound_are_told() -> None:
    """A minimum, a percentage of it all, and what is above a commitment, each at its place."""
    line = rate(2, minimum=Fraction(10))
    above = rate(8, commitment=Commitment(Fraction(10), overage_factor=Fraction(3, 2)))

    assert line is not None
    assert above is not None
    assert [
        ("minimum", "true-up to the minimum of 10.00 USD", Fraction(6)),
        ("commitment", "6.00 USD above the commitment of 10.00 USD x 1.5", Fraction(3)),
    ] == [(s.step, s.description, s.amount) for s in (line.steps[-1], above.steps[-1])]


def test_what_is_just_reached_is_no_step() -> None:
    """At a bound or a commitment exactly, and without anything to discount, nothing is told."""
    found = [
        at_most(Fraction(5), Fraction(5), TOKENS),
        at_least(Fraction(5), Fraction(5), TOKENS),
        discount_percent(Fraction(0), Fraction(5), TOKENS),
        discount_percent(Fraction(5), Fraction(0), TOKENS),
        discount_fixed(Fraction(0), Fraction(5), TOKENS),
        commit(Commitment(Fraction(5)), Fraction(5), committed=Fraction(5), words=TOKENS),
        commit(Commitment(Fraction(5)), Fraction(9), committed=Fraction(5), words=TOKENS),
    ]

    assert [[]] * 7 == found


def test_the_pipeline_is_one_list() -> None:
    """The order of the steps is that of the rules, and changing it changes bills."""
    assert [
        "convert_units",
        "read_meter",
        "take_free_units",
        "burn_quantity_pools",
        "apply_price",
        "burn_amount_pools",
        "discount",
        "cap",
        "raise_to_minimum",
        "apply_commitment",
    ] == [step.__name__ for step in PIPELINE]


def test_a_discount_after_the_minimum_would_be_caught() -> None:
    """Another order is another amount: half of a minimum of 30 is not 30."""
    assert Fraction(15) != amount(10, discount_percent=Fraction(50), minimum=Fraction(30))


def test_a_plan_has_a_minimum_and_a_commitment_for_all_charges() -> None:
    """What is missing stands on a line of its own, after the charges."""
    charges = (charged(Flat(Fraction(20)), key="fee"), charged(UNIT))
    base = terms(*charges)
    minimum = terms(*charges, minimum=Fraction(50))
    committed = terms(*charges, commitment=Commitment(Fraction(60)))
    rows = [usage("units", 5)]

    assert [30, 50, 60] == [rate_period(t, rows).total for t in (base, minimum, committed)]
    assert ("002-plan-minimum", Fraction(20)) == (
        (line := rate_period(minimum, rows).lines[-1]).line_key,
        line.amount,
    )
    assert (Fraction(1), "periods") == (line.quantity, line.unit)
    assert 3 == len(rate_period(minimum, rows).lines)
    assert 2 == len(rate_period(minimum, [usage("units", 50)]).lines)


def test_a_plan_has_a_maximum_for_all_charges() -> None:
    """30 are lowered to 25; the minimum and the commitment see what is left, not what was used."""
    charges = (charged(Flat(Fraction(20)), key="fee"), charged(UNIT))
    rows = [usage("units", 5)]
    capped = terms(*charges, maximum=Fraction(25))
    both = terms(*charges, minimum=Fraction(25), maximum=Fraction(25))
    committed = terms(*charges, maximum=Fraction(25), commitment=Commitment(Fraction(28)))
    half = replace(capped, period=HALF)

    assert [25, 25, 28] == [rate_period(t, rows).total for t in (capped, both, committed)]
    line = rate_period(capped, rows).lines[-1]
    assert ("002-plan-maximum", Fraction(-5)) == (line.line_key, line.amount)
    assert Fraction(25, 2) == rate_period(half, rows).total
    assert 22 == rate_period(capped, [usage("units", 1)]).total


def test_a_maximum_of_one_part_bounds_no_period() -> None:
    """What lies beyond the part without one could not be told from the rest."""
    charge = charged(UNIT)
    capped = Plan("p", "P", (charge,), maximum=Fraction(3))
    days = (Period(date(2023, 11, 1), date(2023, 11, 16), 30), HALF)

    def total(*plans: Plan) -> Fraction:
        parts = tuple(Part(day, plan, "b", "h") for day, plan in zip(days, plans, strict=True))
        return rate_parts(SplitTerms(parts, CURRENCIES["USD"]), [usage("units", 5)]).total

    assert [3, 10] == [total(capped, capped), total(capped, replace(capped, maximum=None))]


def test_a_minimum_of_a_plan_counts_towards_its_commitment() -> None:
    """30 are raised to 50: 10 are missing to 60, and above 40 nothing was used."""
    fee = charged(Flat(Fraction(30)), key="fee")
    double = Fraction(2)

    below, above = (
        rate_period(terms(fee, minimum=Fraction(50), commitment=commitment), []).lines
        for commitment in (Commitment(Fraction(60)), Commitment(Fraction(40), None, double))
    )

    assert ["fee", "plan-minimum", "plan-commitment"] == [line.charge for line in below]
    assert ["flat", "minimum", "commitment"] == [line.model for line in below]
    assert [30, 20, 10] == [line.amount for line in below]
    assert [30, 20] == [line.amount for line in above]


@pytest.mark.parametrize(
    ("message", "values"),
    [
        ("percent", {"discount_percent": Fraction(101)}),
        ("at most", {"minimum": Fraction(2), "maximum": Fraction(1)}),
    ],
)
def test_bad_conditions_cannot_be_constructed(message: str, values: dict[str, Any]) -> None:
    """What contradicts itself is no price."""
    with pytest.raises(ValueError, match=message):
        Conditions(**values)


@pytest.mark.parametrize("values", [{}, {"amount": Fraction(1), "quantity": Fraction(1)}])
def test_a_commitment_is_one_of_two(values: dict[str, Any]) -> None:
    """An amount or a quantity, never both and never neither."""
    with pytest.raises(ValueError, match="amount or a quantity"):
        Commitment(**values)


def test_units_are_included_only_where_there_is_one_price() -> None:
    """Which of a matrix's units were free could not be told."""
    with pytest.raises(ValueError, match="one price"):
        charged(Matrix((Cell(Fraction(1)),)), free_units=Fraction(1))


def test_plans_are_values() -> None:
    """A plan without anything around it is its charges."""
    assert (None, None) == (plan().minimum, plan().commitment)
