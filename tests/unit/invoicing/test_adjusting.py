"""Crediting a closed period: exact in, cents and a remainder out, and never more than there is."""

from fractions import Fraction
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from services.invoicing.domain.adjusting import Charged, coupon_share, plan_credit
from services.invoicing.domain.allocation import payable_multiple
from services.invoicing.domain.coupons import Coupon, discounts
from services.invoicing.domain.crediting import Billed, Earlier, Wanted, expected_credit
from shared.money import CURRENCIES

CURRENCY = st.sampled_from([CURRENCIES[code] for code in ("USD", "JPY", "KWD", "EUR")])
EXACT = st.fractions(0, 10**4, max_denominator=10**6)
MINOR = st.integers(-5000, 10**5)


@st.composite
def _billed(draw: Any) -> tuple[Billed, Earlier]:
    lines = draw(st.dictionaries(st.sampled_from("abcdef"), MINOR, min_size=1, max_size=5))
    net = sum(lines.values())
    tax = draw(st.integers(0, max(net, 0) // 4 + 1))
    billed = Billed(net, tax, lines)
    earlier = draw(st.integers(0, max(billed.total_minor, 0)))
    taken = {key: draw(st.integers(0, max(minor, 0))) for key, minor in lines.items()}
    return billed, Earlier(earlier, taken)


@given(EXACT, _billed(), st.lists(st.sampled_from("abcdefg"), unique=True), CURRENCY)
def test_nothing_is_lost_and_nothing_given_twice(
    amount: Fraction, sides: tuple[Billed, Earlier], cheaper: list[str], currency: Any
) -> None:
    """Credited and carried come to the amount exactly; Stripe's rules for a note hold."""
    billed, earlier = sides
    plan = plan_credit(amount, billed, earlier, cheaper, currency)

    assert amount == plan.carried + Fraction(plan.credited_minor, 10**currency.exponent)
    assert plan.carried >= 0
    assert 0 == plan.credited_minor % payable_multiple(currency)
    if plan.lines:
        credited = expected_credit(billed, earlier, Wanted("lines", lines=plan.lines), currency)
        assert credited.net_minor == plan.credited_minor


@given(EXACT, CURRENCY)
def test_what_can_be_credited_is(amount: Fraction, currency: Any) -> None:
    """With enough left, less than one unit that can be paid is carried on."""
    minor = 10**9
    billed = Billed(minor, 0, {"a": minor})
    plan = plan_credit(amount, billed, Earlier(), ["a"], currency)

    smallest = Fraction(payable_multiple(currency), 10**currency.exponent)
    assert 0 <= plan.carried < smallest


def test_cheaper_lines_come_first() -> None:
    """The line that is cheaper is credited up to what is left of it, then the others."""
    billed = Billed(600, 0, {"a": 100, "b": 300, "c": 200})
    plan = plan_credit(Fraction(45, 10), billed, Earlier(50, {"b": 50}), ["b"], CURRENCIES["USD"])

    assert (("b", 250), ("a", 100), ("c", 100)) == plan.lines
    assert plan.carried == 0


LINES = st.dictionaries(
    st.sampled_from("abc"),
    st.tuples(st.sampled_from(["in", "out"]), st.fractions(0, 1000, max_denominator=100)),
    min_size=1,
)
COUPONS = st.lists(
    st.builds(
        Coupon,
        key=st.just("x"),
        percent=st.fractions(0, 100, max_denominator=10),
        applies_to=st.none() | st.just(frozenset({"in"})),
    )
    | st.builds(Coupon, key=st.just("y"), amount=st.fractions(0, 500, max_denominator=10)),
    max_size=2,
)


def _discounted(lines: Charged, coupons: list[Coupon]) -> Fraction:
    rows = [lines[key] for key in sorted(lines)]
    taken = sum((part for parts in discounts(rows, coupons) for part in parts), Fraction(0))
    return sum((amount for _, amount in rows), Fraction(0)) - taken


@given(LINES, COUPONS, st.data())
def test_with_coupons_it_is_what_billing_at_once_would_have_been(
    lines: dict[str, tuple[str, Fraction]], coupons: list[Coupon], data: Any
) -> None:
    """Invoice with coupons less what is credited = the invoice of all usage with its coupons."""
    changes = {
        key: (charge, -data.draw(st.fractions(0, amount, max_denominator=100)))
        for key, (charge, amount) in lines.items()
    }
    at_once = {key: (charge, lines[key][1] + change) for key, (charge, change) in changes.items()}
    cheaper = -sum((change for _, change in changes.values()), Fraction(0))

    credit = cheaper - coupon_share(lines, changes, coupons)

    assert _discounted(at_once, coupons) == _discounted(lines, coupons) - credit
