"""Discounts and taxes on lines: nothing is lost, nothing is invented."""

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.local.stripe_simulator.arithmetic import Discount, Rate, rounded, settle, spread


def _line(amount: int, **extra: Any) -> dict[str, Any]:
    return {"amount": amount, "discountable": amount >= 0, **extra}


def _rate(percent: str, *, inclusive: bool = False) -> Rate:
    return Rate(f"txr_{percent}_{inclusive}", Fraction(percent), inclusive=inclusive)


@pytest.mark.parametrize(
    ("amounts", "percent", "taxes"),
    [
        ([43, 484], "15", [6, 73]),  # the example of Stripe's page on rounding
        ([10000], "8.875", [888]),
        ([9999], "20", [2000]),
        ([12345], "7.25", [895]),
        ([999], "10.5", [105]),
        ([-1000, 1000], "19", [-190, 190]),
    ],
)
def test_tax_is_rounded_per_line(amounts: list[int], percent: str, taxes: list[int]) -> None:
    """Each line's tax is rounded half away from zero, and the total adds the lines'."""
    lines = [_line(amount) for amount in amounts]
    totals = settle(lines, rates=lambda _line: [_rate(percent)])

    assert taxes == [line["taxes"][0]["amount"] for line in lines]
    assert sum(amounts) + sum(taxes) == totals.total
    assert sum(amounts) == totals.total_excluding_tax


def test_two_rates_are_rounded_each() -> None:
    """10 % and 5 % of 10.30 are 1.03 and 0.52."""
    totals = settle([_line(1030)], rates=lambda _line: [_rate("10"), _rate("5")])

    assert ([103, 52], 1185) == ([tax["amount"] for tax in totals.taxes], totals.total)


def test_inclusive_tax_is_inside_the_amount() -> None:
    """Inclusive tax leaves the total alone and lowers what excludes tax."""
    totals = settle([_line(1190)], rates=lambda _line: [_rate("19", inclusive=True)])

    assert (1190, 1000, 1000) == (
        totals.total, totals.total_excluding_tax, totals.subtotal_excluding_tax,
    )  # fmt: skip


def test_fixed_discount_is_spread_by_amount_before_tax() -> None:
    """10.00 off over lines of 100, 50, 30 and 20 lowers each by 5 %, and tax follows."""
    percents = {10000: "10", 5000: "0", 3000: "20", 2000: "20"}
    lines = [_line(amount) for amount in percents]
    totals = settle(
        lines,
        discounts=[Discount("d", amount_off=1000)],
        rates=lambda line: [_rate(percents[line["amount"]])],
    )

    assert [950, 0, 570, 380] == [line["taxes"][0]["amount"] for line in lines]
    assert (1000, 20900) == (totals.discount, totals.total)


def test_discounts_follow_one_another() -> None:
    """The second discount takes its part of what the first has left, never more than there is."""
    lines = [_line(1000, _product="p"), _line(500, _product="q"), _line(-100)]
    totals = settle(
        lines,
        discounts=[
            Discount("half", percent=Fraction(50), products=frozenset({"p"})),
            Discount("tenth", percent=Fraction(10)),
            Discount("all", amount_off=10_000),
        ],
    )

    assert ({"half": 500, "tenth": 100, "all": 900}, -100) == (totals.discounts, totals.total)
    assert [] == lines[2]["discount_amounts"]


def test_own_discounts_of_a_line_are_in_the_subtotal() -> None:
    """A line's own discount comes off before the invoice's."""
    totals = settle(
        [_line(1000), _line(1000)],
        discounts=[Discount("tenth", percent=Fraction(10))],
        own_discounts=lambda _line: [Discount("own", amount_off=100)],
    )

    assert (1800, 180, 1620) == (totals.subtotal, totals.discount, totals.total)


_AMOUNTS = st.lists(st.integers(-10_000, 100_000), min_size=1, max_size=12)
_PERCENT = st.integers(0, 10_000).map(lambda n: Fraction(n, 100))


@given(amounts=_AMOUNTS, off=st.integers(0, 200_000), percent=_PERCENT, tax=_PERCENT)
def test_lines_and_totals_agree(
    amounts: list[int], off: int, percent: Fraction, tax: Fraction
) -> None:
    """Whatever is taken or added, the sums over the lines are those of the invoice."""
    lines = [_line(amount) for amount in amounts]
    totals = settle(
        lines,
        discounts=[Discount("a", percent=percent), Discount("b", amount_off=off)],
        rates=lambda _line: [Rate("t", tax)],
    )
    taken = sum(one["amount"] for line in lines for one in line["discount_amounts"])
    added = sum(one["amount"] for line in lines for one in line["taxes"])

    assert (taken, added) == (totals.discount, totals.tax("exclusive"))
    assert sum(amounts) - taken + added == totals.total
    assert 0 <= totals.discount <= sum(max(amount, 0) for amount in amounts)


@given(total=st.integers(0, 10**6), weights=st.lists(st.integers(0, 10**6), min_size=1))
def test_spreading_loses_nothing(total: int, weights: list[int]) -> None:
    """The shares add up, and none is a whole unit away from its exact part."""
    shares = spread(total, weights)
    whole = sum(weights)

    assert (total if whole else 0) == sum(shares)
    for share, weight in zip(shares, weights, strict=True):
        assert abs(share - Fraction(total * weight, whole or 1)) < 1 or not whole


@pytest.mark.parametrize(
    ("exact", "whole"), [("1/2", 1), ("-1/2", -1), ("3/2", 2), ("49/100", 0), ("5/2", 3)]
)
def test_rounding_is_half_away_from_zero(exact: str, whole: int) -> None:
    """Half a unit is rounded away from zero, on both sides."""
    assert whole == rounded(Fraction(exact))
