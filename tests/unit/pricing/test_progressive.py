"""Progressive billing: each threshold once, and all statements of a period sum to the period."""

from copy import deepcopy
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.pricing.domain.adjustment import with_adjustments
from services.pricing.domain.charges.flat import Flat
from services.pricing.domain.charges.graduated import Graduated
from services.pricing.domain.charges.package import Package
from services.pricing.domain.charges.per_unit import PerUnit
from services.pricing.domain.commitment import Commitment
from services.pricing.domain.progressive import (
    ProgressiveBilled,
    Thresholds,
    crossing_of,
    spend_of,
    with_progressive_credits,
)
from services.pricing.domain.rating import rate_period
from services.pricing.domain.statement import AdjustedPeriod, RatedStatement
from services.pricing.handlers.billed import billed_content
from services.pricing.schemas.validation import read_price_book
from shared.currencies import CURRENCIES
from shared.errors import TallyrollError
from shared.money import sum_exact
from tests.support.pricing_values import NOVEMBER, charged, terms, tier, usage

from .test_price_book_language import BOOK

NOON = datetime(2023, 11, 16, 12, tzinfo=UTC)
USD = CURRENCIES["USD"]
PERIOD = AdjustedPeriod("s", "sub", NOVEMBER.start, NOVEMBER.end)
PLAN = terms(
    charged(Flat(Fraction(31)), key="fee"),
    charged(Graduated((tier("100", "2", "10"), tier(None, "0.5"))), "a", key="a"),
    charged(Package(Fraction(30), Fraction(4, 3)), "b", key="b", minimum=Fraction(500)),
    charged(PerUnit(Fraction(1)), "c", key="c", commitment=Commitment(Fraction(90))),
    minimum=Fraction(2_000),
)
ROWS = st.dictionaries(st.sampled_from("abc"), st.integers(min_value=0, max_value=400))
AMOUNTS = st.lists(
    st.fractions(min_value=1, max_value=900, max_denominator=9), min_size=1, max_size=5, unique=True
)
THRESHOLDS = st.builds(
    lambda amounts, recurring: Thresholds(tuple(sorted(amounts)), recurring),
    AMOUNTS,
    st.none() | st.fractions(min_value=1, max_value=300, max_denominator=9),
)


def rated(quantities: dict[str, int]) -> RatedStatement:
    return rate_period(PLAN, [usage(kind, quantity) for kind, quantity in quantities.items()])


def billed_of(number: int, threshold: Fraction, total: Fraction) -> ProgressiveBilled:
    return ProgressiveBilled(f"s-{number}", number, threshold, total, NOON)


@given(st.lists(st.tuples(ROWS, st.booleans()), min_size=1, max_size=8), THRESHOLDS)
def test_all_statements_of_a_period_sum_to_it(
    looks: list[tuple[dict[str, int], bool]], thresholds: Thresholds
) -> None:
    """Whatever usage becomes, and whichever invoices are void: what stands is the fees, exactly.

    Each threshold is invoiced once, rising, and for more than nothing.
    """
    known: list[tuple[ProgressiveBilled, bool]] = []
    for quantities, is_void in looks:
        standing = [one for one, void in known if not void]
        bill = with_progressive_credits(rated(quantities), standing, currency=USD)
        last = max((one.threshold for one, _ in known), default=None)
        crossing = crossing_of(bill, thresholds, last=last, watermark=NOON)
        if crossing is None:
            continue
        made = crossing.statement
        assert made.total == sum_exact(line.amount for line in made.lines) > 0
        assert crossing.threshold <= crossing.spend
        known.append((billed_of(len(known) + 1, crossing.threshold, made.total), is_void))
    standing = [one for one, void in known if not void]
    whole = rated(looks[-1][0])
    final = with_progressive_credits(whole, standing, currency=USD)

    assert whole.total == final.total + sum_exact(one.total for one in standing)
    assert whole.total == final.revenue == whole.revenue
    reached = [one.threshold for one, _ in known]
    assert reached == sorted(set(reached))


@given(ROWS)
def test_only_usage_is_spent(quantities: dict[str, int]) -> None:
    """Fees, minimums and true-ups wait for the period; details sum to each line without them."""
    bill = rated(quantities)
    no_bounds = terms(
        *(charged(charge.price, charge.key, key=charge.key) for charge in PLAN.plan.charges[1:])
    )
    rows = [usage(kind, quantity) for kind, quantity in quantities.items()]

    assert rate_period(no_bounds, rows).total == spend_of(bill)
    crossing = crossing_of(bill, Thresholds((Fraction(1, 100),)), last=None, watermark=NOON)
    lines = crossing.statement.lines if crossing else ()
    assert all(line.amount == sum_exact(one.amount for one in line.details) for line in lines)
    assert all(line.amount == sum_exact(one.amount for one in line.steps) for line in lines)
    assert not {line.charge for line in lines} & {"fee", "plan-minimum"}


@pytest.mark.parametrize(
    ("spend", "recurring", "reached"),
    [
        ("199.99", "100", None),
        ("200", "100", "200"),
        ("499.99", "100", "200"),
        ("500", "100", "500"),
        ("599.99", "100", "500"),
        ("600", "100", "600"),
        ("10000000000000000000.5", "100", "10000000000000000000"),
        ("10000", None, "500"),
    ],
)
def test_thresholds_are_reached_at_their_amount(
    spend: str, recurring: str | None, reached: str | None
) -> None:
    """At it, not only above; what recurs does so beyond the last one alone, however far."""
    step = None if recurring is None else Fraction(recurring)
    thresholds = Thresholds((Fraction(200), Fraction(500)), step)

    assert thresholds.reached(Fraction(spend)) == (None if reached is None else Fraction(reached))


def test_the_statement_says_what_it_is_true_for() -> None:
    """Its lines name the watermark; its hash is another for another threshold, not another time."""
    bill = rated({"a": 300})
    found = [
        crossing_of(bill, Thresholds((Fraction(amount),)), last=None, watermark=watermark)
        for amount, watermark in ((5, NOON), (5, NOON), (6, NOON), (5, NOON + timedelta(days=1)))
    ]
    statements = [one.statement for one in found if one]

    assert "A, counted before 2023-11-16 12:00:00 UTC" == statements[0].lines[0].name
    assert statements[0] == statements[1]
    assert 2 == len({one.input_hash for one in statements})


def test_nothing_is_invoiced_while_more_was_invoiced_than_is_used() -> None:
    """Thresholds may be others after a change of plan, when usage was corrected before."""
    billed = [billed_of(1, Fraction(5), Fraction(1_000_000))]
    bill = with_progressive_credits(rated({"a": 300}), billed, currency=USD)

    assert crossing_of(bill, Thresholds((Fraction(6),)), last=Fraction(5), watermark=NOON) is None


def test_a_later_rating_is_compared_with_the_usage_alone() -> None:
    """The credit is no part of what a period came to, so nothing of it is adjusted."""
    whole = rated({"a": 300})
    billed = with_progressive_credits(whole, [billed_of(1, Fraction(5), Fraction(7))], currency=USD)
    stored = billed_content(billed, "USD")
    last = stored.to_domain(PERIOD, billed.rating_hash)

    assert whole.total - 7 == billed.total
    assert whole.lines == with_adjustments(whole, [(last, whole)]).lines


def faults_of(thresholds: list[Any], **values: Any) -> set[tuple[str, str]]:
    content = deepcopy(BOOK)
    content["plans"][0] |= {"progressive_thresholds": thresholds, **values}
    try:
        read_price_book(content)
    except TallyrollError as error:
        return {(fault.code, fault.path) for fault in error.faults}
    return set()


@pytest.mark.parametrize(
    ("thresholds", "values", "faults"),
    [
        (["1", "2.5"], {}, set()),
        (["0"], {}, {("thresholds_not_rising", "progressive_thresholds[0]")}),
        (["2", "2.0"], {}, {("thresholds_not_rising", "progressive_thresholds[1]")}),
        (
            ["3", "2", "1"],
            {},
            {("thresholds_not_rising", f"progressive_thresholds[{n}]") for n in (1, 2)},
        ),
        ([5], {}, {("not_a_decimal_string", "progressive_thresholds[0]")}),
        (["-1"], {}, {("negative_price", "progressive_thresholds[0]")}),
        (
            [],
            {"progressive_recurring": "0"},
            {
                ("not_positive", "progressive_recurring"),
                ("recurring_without_thresholds", "progressive_recurring"),
            },
        ),
        (["1"], {"progressive_recurring": "0"}, {("not_positive", "progressive_recurring")}),
    ],
)
def test_thresholds_rise_and_recur_by_something(
    thresholds: list[Any], values: dict[str, Any], faults: set[tuple[str, str]]
) -> None:
    """All faults are told at once, each with its place."""
    named = {(code, f"plans[0].{path}") for code, path in faults}

    assert named == faults_of(thresholds, **{"progressive_recurring": "10"} | values)
