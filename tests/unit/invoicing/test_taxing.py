"""Which rates an invoice has, what they come to, and how they go on the lines that are sent."""

from datetime import date
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.invoicing.domain.carrying import is_carried
from services.invoicing.domain.line_taxes import line_taxes, spread
from services.invoicing.domain.tax_places import missing_fields, waits_for_place
from services.invoicing.domain.taxing import Rate, Tax, TaxPlan, in_force, tax_day, taxes_on
from services.invoicing.domain.wire import to_wire
from shared.currencies import CURRENCIES
from shared.money import round_to_minor_units

USD = CURRENCIES["USD"]
JANUARY, FEBRUARY = date(2026, 1, 1), date(2026, 2, 1)


def rate(percent: str, rate_id: str = "vat", valid_from: date = JANUARY) -> Rate:
    return Rate(rate_id, "VAT", "Germany", "DE", Fraction(percent), valid_from)


def plan(*percents: str) -> TaxPlan:
    rates = [rate(percent, f"r{at}") for at, percent in enumerate(percents)]
    return TaxPlan("rates", tuple(rates))


@pytest.mark.parametrize(
    ("day", "percent"),
    [
        (date(2025, 12, 31), None),
        (JANUARY, "19"),
        (date(2026, 1, 31), "19"),
        (FEBRUARY, "16"),
        (date(2030, 1, 1), "16"),
    ],
)
def test_the_version_of_the_day_is_in_force(day: date, percent: str | None) -> None:
    """From its day on until the next version; before the first one there is none."""
    versions = [rate("16", valid_from=FEBRUARY), rate("19"), rate("7", "other")]

    found = in_force(versions, ["vat", "unknown"], day)

    assert ([] if percent is None else [Fraction(percent)]) == [one.percent for one in found]


def test_a_service_is_taxed_as_it_ends_and_a_fee_in_advance_as_it_begins() -> None:
    """The last day of the period, or the first one of what it opens."""
    assert date(2026, 1, 31) == tax_day("period", JANUARY, FEBRUARY)
    assert date(2026, 1, 31) == tax_day("manual", JANUARY, FEBRUARY)
    assert JANUARY == tax_day("opening", JANUARY, FEBRUARY)


@given(
    st.fractions(0, 10**6, max_denominator=10**6),
    st.lists(st.decimals(0, 100, places=4).map(str), min_size=1, max_size=5),
    st.sampled_from(["USD", "JPY", "KWD", "ISK", "MGA"]),
)
def test_taxes_are_rounded_once_and_can_be_written(
    taxable: Fraction, percents: list[str], code: str
) -> None:
    """Together they are the exact tax rounded once, in a unit that Stripe can count in."""
    currency = CURRENCIES[code]
    taxes = taxes_on(plan(*percents), taxable, currency)

    exact = taxable * sum(map(Fraction, percents)) / 100
    unit = 100 if code == "MGA" else 1
    total = sum(tax.tax_minor for tax in taxes)
    if taxable:
        assert abs(exact * 10**currency.exponent - total) <= Fraction(unit, 2)
        assert code == "MGA" or total == round_to_minor_units(exact, currency)
    assert all(to_wire(tax.tax_minor, currency) >= 0 for tax in taxes)


def test_what_is_not_taxed_says_why() -> None:
    """A line of zero per cent on all that would have been taxed."""
    (tax,) = taxes_on(TaxPlan("reverse_charge", text="§ 13b"), Fraction(10), USD)

    assert ("Reverse charge", 0, 1000) == (tax.label, tax.tax_minor, tax.taxable_minor)
    assert () == taxes_on(TaxPlan("automatic"), Fraction(10), USD)
    assert () == taxes_on(TaxPlan(), Fraction(10), USD)


@given(
    st.lists(st.integers(-(10**6), 10**6), min_size=1, max_size=12),
    st.integers(0, 10**6),
    st.lists(st.decimals(0, 30, places=3).map(str), min_size=1, max_size=3),
)
def test_lines_carry_the_taxes_to_the_unit_and_none_below_zero(
    amounts: list[int], taxable: int, percents: list[str]
) -> None:
    """The parts of each tax sum to it; a line below zero has no tax while another can carry it."""
    taxes = taxes_on(plan(*percents), Fraction(taxable, 100), USD)

    lines = line_taxes(taxes, "standard_rated", amounts, USD)

    parts = [part for line in lines for part in line]
    assert sum(tax.tax_minor for tax in taxes) == sum(part.amount for part in parts)
    assert sum(tax.taxable_minor for tax in taxes) == sum(part.taxable for part in parts)
    assert all(part.amount >= 0 and part.taxable >= 0 for part in parts)
    if any(amount > 0 for amount in amounts):
        assert not [
            line for line, amount in zip(lines, amounts, strict=True) if line and amount <= 0
        ]


def test_every_rate_is_on_the_line_that_it_taxes() -> None:
    """Two rates on two lines are four taxes, named as on the invoice."""
    taxes = taxes_on(plan("5", "9.975"), Fraction(300), USD)

    first, second = line_taxes(taxes, "standard_rated", [10000, 20000], USD)

    assert [("5", 10000, 500), ("9.975", 10000, 998)] == [
        (part.percent, part.taxable, part.amount) for part in first
    ]
    assert [("5", 20000, 1000), ("9.975", 20000, 1995)] == [
        (part.percent, part.taxable, part.amount) for part in second
    ]


def test_whole_units_stay_whole_where_stripe_asks_for_them() -> None:
    """ISK has no minor unit, and Stripe wants multiples of 100 for it."""
    isk = CURRENCIES["ISK"]
    taxes = taxes_on(plan("24"), Fraction(1000), isk)

    lines = line_taxes(taxes, "standard_rated", [33300, 33300, 33400], isk)

    assert 24000 == sum(part.amount for line in lines for part in line)
    assert all(part.amount % 100 == 0 for line in lines for part in line)


@given(st.integers(0, 10**9), st.lists(st.integers(-100, 10**6), min_size=1, max_size=9))
def test_a_total_is_spread_over_what_is_above_zero(total: int, weights: list[int]) -> None:
    """It sums, and each share lies within a unit of its proportion."""
    shares = spread(total, weights)

    whole = sum(weight for weight in weights if weight > 0)
    assert total == sum(shares)
    if whole:
        assert all(
            abs(share - Fraction(total * max(weight, 0), whole)) < 1
            for share, weight in zip(shares, weights, strict=True)
        )


@pytest.mark.parametrize(
    ("net", "tax", "carried"),
    [(-1, 0, True), (-1, 90, True), (0, 0, False), (0, 20, True), (45, 5, False), (45, 4, True)],
)
def test_the_minimum_charge_is_of_what_is_charged(net: int, tax: int, *, carried: bool) -> None:
    """Fifty cents with tax are charged; below zero is told before tax."""
    assert carried == is_carried(net, USD, tax)


@pytest.mark.parametrize(
    ("address", "missing"),
    [
        ({}, ("country", "postal_code")),
        ({"postal_code": "10115"}, ("country",)),
        ({"country": "DE"}, ()),
        ({"country": "US"}, ("postal_code",)),
        ({"country": "US", "postal_code": "9410"}, ("postal_code",)),
        ({"country": "US", "postal_code": "94103-1234"}, ()),
        ({"country": "CA"}, ("postal_code",)),
        ({"country": "CA", "state": "QC"}, ()),
        ({"country": "CA", "postal_code": "K1A 0B1"}, ()),
    ],
)
def test_what_an_address_lacks_for_tax(address: Any, missing: Any) -> None:
    """Stripe's rules: five digits in the US, province or postal code in Canada, else a country."""
    assert missing == missing_fields(address)


def test_an_address_that_stripe_did_not_know_waits_for_another() -> None:
    """The reason names what is missing, or that the place is not known; another address goes on."""
    here, there = {"country": "US", "postal_code": "00000"}, {"country": "DE"}

    assert "tax_address_missing:country,postal_code" == waits_for_place({}, None)
    assert "tax_address_not_located" == waits_for_place(here, here)
    assert waits_for_place(there, here) is None
    assert waits_for_place(here, None) is None


def test_a_tax_knows_its_exact_amount() -> None:
    """What documents show beside the rounded one."""
    (tax,) = taxes_on(plan("8.875"), Fraction("100.1"), USD)

    assert isinstance(tax, Tax)
    assert (Fraction("8.883875"), 888) == (tax.exact, tax.tax_minor)
