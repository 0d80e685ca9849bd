"""Rating a period: pure, exact, independent of order."""

from dataclasses import replace
from datetime import date
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from examples.demo.catalog import price_book
from services.pricing.domain.charges.cost_plus import CostPlus
from services.pricing.domain.charges.flat import Flat
from services.pricing.domain.charges.graduated import Graduated
from services.pricing.domain.charges.matrix import Cell, Matrix
from services.pricing.domain.charges.per_seat import PerSeat
from services.pricing.domain.charges.per_unit import PerUnit
from services.pricing.domain.charges.volume import Volume
from services.pricing.domain.rating import RatingTerms, rate_period
from services.pricing.domain.seats import Seats
from services.pricing.domain.statement import FeePeriod
from services.pricing.domain.usage import Usage
from services.pricing.schemas.validation import read_price_book
from shared.currencies import CURRENCIES
from shared.money import exact, format_exact
from tests.support.pricing_values import MILLION, NOVEMBER, charged, terms, tier, usage

PLAN = terms(
    charged(Flat(Fraction(7)), key="fee"),
    charged(
        Graduated((tier("1000", "0.02", "5"), tier(None, "0.01")), Fraction(3)),
        "input_uncached",
        key="in",
    ),
    charged(Volume((tier(None, "0.1", "1"),)), "output_text", key="out"),
    charged(PerSeat(Fraction(20)), key="seats"),
    charged(PerUnit(exact("0.25"), MILLION), "input_cache_read", key="cache"),
    seats=2,
)

ROWS = st.lists(
    st.builds(
        usage,
        st.sampled_from(["input_uncached", "output_text", "input_cache_read", "web_searches"]),
        st.integers(min_value=0, max_value=10**15),
        agent=st.sampled_from(["a", "b"]),
        model=st.sampled_from(["m", "n"]),
        usage_day=st.sampled_from([date(2023, 11, 16), date(2023, 11, 17)]),
    ),
    max_size=12,
)


@given(ROWS, st.randoms(use_true_random=False))
def test_order_changes_nothing(rows: list[Usage], random: object) -> None:
    """The same rows in another order give the same statement and hashes."""
    shuffled = list(rows)
    random.shuffle(shuffled)  # type: ignore[attr-defined]

    assert rate_period(PLAN, rows) == rate_period(PLAN, shuffled)


@given(ROWS)
def test_how_counting_was_split_changes_nothing(rows: list[Usage]) -> None:
    """Each row as two halves gives the same statement and hashes."""
    halves = [row._replace(quantity=row.quantity / 2) for row in rows for _ in range(2)]

    assert rate_period(PLAN, rows) == rate_period(PLAN, halves)


@given(ROWS)
def test_parts_sum_to_their_whole(rows: list[Usage]) -> None:
    """Steps and details sum to their line, lines to the total, exactly."""
    rated = rate_period(PLAN, rows)

    assert rated.total == sum(line.amount for line in rated.lines)
    for line in rated.lines:
        assert line.amount == sum(step.amount for step in line.steps)
        if line.details:
            assert line.amount == sum(detail.amount for detail in line.details)
            assert line.quantity == sum(detail.quantity for detail in line.details)


@given(ROWS)
def test_no_usage_is_dropped(rows: list[Usage]) -> None:
    """What no charge claims is listed as unrated; nothing is lost between the two."""
    rated = rate_period(PLAN, rows)

    shown = sum(d.quantity for line in rated.lines for d in line.details)
    unrated = sum(row.quantity for row in rated.unrated)
    assert sum(row.quantity for row in rows) == shown + unrated


def test_rows_of_one_agent_model_kind_and_day_are_one_detail() -> None:
    """What differs between them (a region) is no part of it: quantities and amounts are added."""
    plan = terms(charged(CostPlus(Fraction(2))))
    rows = [
        usage("units", quantity, region=region, cost=Fraction(cost))
        for region, quantity, cost in (("", 3, 1), ("eu", 5, 4), ("us", 7, 9))
    ]

    (detail,) = rate_period(plan, rows).lines[0].details

    assert (Fraction(15), Fraction(28)) == (detail.quantity, detail.amount)


def test_usage_that_costs_nothing_is_a_detail_all_the_same() -> None:
    """Who used what stands there, also where its price is 0; what cancels out does not."""
    cells = (Cell(Fraction(2), kinds=("a",)), Cell(Fraction(0), kinds=("b",)))
    rows = [usage("a", 3), usage("b", 5), usage("b", 4, agent="x"), usage("b", -4, agent="x")]

    (line,) = rate_period(terms(charged(Matrix(cells), "a", "b")), rows).lines

    assert ["a", "b"] == [detail.kind for detail in line.details]
    assert [3, 5] == [detail.quantity for detail in line.details]
    assert [6, 0] == [detail.amount for detail in line.details]


def test_a_fee_in_advance_names_its_days() -> None:
    """Those of the period that it is for; one in arrears needs none."""
    fees = (charged(Flat(Fraction(7), "in_advance"), key="a"), charged(Flat(Fraction(7)), key="b"))

    lines = rate_period(terms(*fees), []).lines

    assert [FeePeriod(NOVEMBER.start, NOVEMBER.end), None] == [line.advance for line in lines]


def test_rounding_each_detail_would_be_caught() -> None:
    """Details rounded to cents do not sum to their line: the property above tells them apart."""
    rows = [usage("output_text", 1, agent=name) for name in "abc"]
    line = rate_period(PLAN, rows).lines[1]

    rounded = sum(Fraction(round(detail.amount * 100), 100) for detail in line.details)

    assert line.amount != rounded


@pytest.mark.parametrize(
    "other",
    [
        replace(PLAN, seats=Seats.of(3)),
        replace(PLAN, price_hash="another"),
        replace(PLAN, period=replace(NOVEMBER, end=date(2023, 11, 30))),
    ],
)
def test_other_input_has_another_hash(other: RatingTerms) -> None:
    """Seats, price and period are part of what was rated."""
    rows = [usage("input_uncached", 1)]

    assert rate_period(PLAN, rows).input_hash != rate_period(other, rows).input_hash


def test_lines_stand_in_the_plans_order_and_empty_ones_are_left_out() -> None:
    """A charge without quantity and amount gives no line; keys keep the plan's order."""
    rated = rate_period(PLAN, [usage("output_text", 5)])

    assert ["000-fee", "002-out", "003-seats"] == [line.line_key for line in rated.lines]


def test_corrections_that_cancel_out_leave_nothing_to_pay() -> None:
    """A quantity that sums to zero over two agents is shown with amounts of zero."""
    rows = [usage("output_text", 5, agent="a"), usage("output_text", -5, agent="b")]

    rated = rate_period(PLAN, rows)

    assert ["000-fee", "003-seats"] == [line.line_key for line in rated.lines]


def demo(plan: str, seats: int = 0) -> RatingTerms:
    """Return the terms of one of the demo's plans."""
    content = read_price_book(price_book())
    found = content.plan(plan)
    assert found is not None
    return RatingTerms("hash", found, CURRENCIES["USD"], Seats.of(seats), NOVEMBER)


def lines_of(plan: RatingTerms, rows: list[Usage]) -> dict[str, str]:
    rated = rate_period(plan, rows)
    assert () == rated.unrated
    lines = {line.charge: format_exact(line.amount) for line in rated.lines}
    return {**lines, "total": format_exact(rated.total)}


def test_the_demos_coding_tenant() -> None:
    """Rates the Azure code trace, split by model.

    Totals by adding the file's columns, every fourth row from the first on gpt-5: input 4,478,293
    and 13,581,681 (together 18,059,974), output 59,965 and 185,931 (together 245,896).
    4.478293 x 1.50; 0.059965 x 12; 13.581681 x 0.30; 0.185931 x 2.40.
    """
    rows = [
        usage("input_uncached", 4_478_293, model="gpt-5"),
        usage("output_text", 59_965, model="gpt-5"),
        usage("input_uncached", 13_581_681, model="gpt-5-mini"),
        usage("output_text", 185_931, model="gpt-5-mini"),
    ]

    assert {
        "gpt-5-input": "6.7174395",
        "gpt-5-output": "0.71958",
        "gpt-5-mini-input": "4.0745043",
        "gpt-5-mini-output": "0.4462344",
        "total": "11.9577582",
    } == lines_of(demo("coding"), rows)


def test_the_demos_support_tenant() -> None:
    """Rates the Azure conversation trace: 22,361,870 input, 4,088,665 output by adding its columns.

    Input 10 x 4.00 + 10 x 3.50 + 2.36187 x 3.00 = 40 + 35 + 7.08561; output 4.088665 x 18.
    """
    rows = [usage("input_uncached", 22_361_870), usage("output_text", 4_088_665)]

    assert {
        "platform-fee": "500",
        "support-input": "82.08561",
        "support-output": "73.59597",
        "total": "655.68158",
    } == lines_of(demo("support"), rows)


def test_the_demos_research_tenant() -> None:
    """Rates the Mooncake trace: 144,793,823 input of which 54,098,411 are cached, 4,122,048 output.

    Cached are the leading blocks of a prompt seen in earlier rows, 512 tokens each, at most the
    prompt. 25 x 20.00; 90,695,412 uncached are above 50 M: all at 2.20; 54.098411 x 0.25;
    4.122048 x 14.
    """
    rows = [
        usage("input_uncached", 90_695_412),
        usage("input_cache_read", 54_098_411),
        usage("output_text", 4_122_048),
    ]

    assert {
        "seats": "500",
        "research-input": "199.5299064",
        "cache-read": "13.52460275",
        "research-output": "57.708672",
        "total": "770.76318115",
    } == lines_of(demo("research", seats=25), rows)
