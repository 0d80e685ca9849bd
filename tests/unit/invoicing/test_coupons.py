"""Coupons: never more than is there, in proportion, one after the other."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.invoicing.domain.coupons import Coupon, NamedCoupon, discounts
from tests.support.invoice_statements import Use, fee_line, usage_line, usage_statement

ZERO = Fraction(0)
AMOUNTS = st.fractions(-1000, 1000, max_denominator=1000)
LINES = st.lists(st.tuples(st.sampled_from("abc"), AMOUNTS), max_size=6)
COUPONS = st.lists(
    st.builds(
        lambda percent, amount, names, fixed: Coupon(
            "c",
            None if fixed else percent,
            amount if fixed else None,
            names,
        ),
        st.fractions(0, 100, max_denominator=8),
        st.fractions(0, 500, max_denominator=8),
        st.none() | st.frozensets(st.sampled_from("abc")),
        st.booleans(),
    ),
    max_size=4,
)


@given(LINES, COUPONS)
def test_a_coupon_never_takes_what_is_not_there(
    lines: list[tuple[str, Fraction]], coupons: list[Coupon]
) -> None:
    """No line that owes something falls below zero, and no coupon adds to one."""
    taken = discounts(lines, coupons)

    left = [amount for _, amount in lines]
    for coupon, parts in zip(coupons, taken, strict=True):
        of_it = [
            one if coupon.applies_to is None or name in coupon.applies_to else ZERO
            for (name, _), one in zip(lines, left, strict=True)
        ]
        assert sum(parts, ZERO) == coupon.of(max(sum(of_it, ZERO), ZERO))
        assert all(0 <= part <= max(one, ZERO) for part, one in zip(parts, of_it, strict=True))
        left = [one - part for one, part in zip(left, parts, strict=True)]


def test_it_is_spread_by_what_is_left() -> None:
    """10 off 60 and 30 after half of the first is gone: 5 and 5."""
    half = Coupon("half", percent=Fraction(50), applies_to=frozenset({"a"}))
    ten = Coupon("ten", amount=Fraction(10))

    taken = discounts([("a", Fraction(60)), ("b", Fraction(30))], [half, ten])

    assert [[30, 0], [5, 5]] == taken


def test_a_credit_lowers_what_there_is_to_discount() -> None:
    """Of 100 less 80 that was credited, a coupon of 50 takes 20, and of the 100 alone."""
    lines = [("a", Fraction(100)), ("credits", Fraction(-80))]

    assert [[20, 0]] == discounts(lines, [Coupon("c", amount=Fraction(50))])


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"percent": Fraction(1), "amount": Fraction(1)},
        {"percent": Fraction(101)},
        {"percent": Fraction(-1)},
        {"amount": Fraction(-1)},
    ],
)
def test_what_is_no_coupon_is_refused(values: dict[str, Fraction]) -> None:
    """A coupon takes off either a percentage or an amount, and never adds."""
    with pytest.raises(ValueError, match=r"coupon|percentage"):
        Coupon("c", percent=values.get("percent"), amount=values.get("amount"))


def test_a_coupon_is_taken_off_the_whole_period() -> None:
    """What was invoiced on account is no less to discount: it had no coupon then.

    10 % of 400 of usage are 40, also when 200 of it were invoiced before.
    """
    lines = [usage_line("000-usage", [Use(Decimal(1), Fraction(400))])]
    lines.append(fee_line("~progressive/000001", "-200"))
    tenth = NamedCoupon(Coupon("tenth", percent=Fraction(10)), "a tenth off")

    statement = usage_statement(lines, coupons=[tenth])

    assert 400_00 - 200_00 - 40_00 == statement.invoice.total_minor
