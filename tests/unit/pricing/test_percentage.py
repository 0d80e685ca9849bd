"""Percentages of single events."""

from fractions import Fraction
from typing import Any

import pytest

from services.pricing.domain.charges.percentage import Percentage
from services.pricing.domain.rating import rate_period
from services.pricing.domain.readings import Readings
from shared.money import exact
from tests.support.pricing_values import TOKENS, amounts, charged, sentences, terms, usage

KIND = "meter:payments@1"
FEES = Percentage(exact("1.3"), exact("2"))


def price(percentage: Percentage, *values: str) -> Fraction:
    steps = percentage.price_events([exact(value) for value in values], TOKENS)
    return sum(amounts(steps), Fraction(0))


@pytest.mark.parametrize(
    ("allowances", "amount"),
    [
        ({}, "18.4"),
        ({"free_events": 3}, "7.2"),
        ({"free_amount": Fraction(250)}, "11.15"),
        ({"free_events": 3, "free_amount": Fraction(500)}, "7.2"),
        ({"free_events": 3, "free_amount": Fraction(120)}, "14.84"),
        ({"free_events": 0}, "18.4"),
        ({"free_events": 4}, "0"),
        ({"free_amount": Fraction(800)}, "0"),
    ],
)
def test_the_first_allowance_to_run_out_ends_both(allowances: dict[str, Any], amount: str) -> None:
    """Free events come first; a partly free one pays on the rest and the full fixed fee.

    With 3 events and 120: 50 is free, of 100 only 70; 30 + 250 + 400 at 1.3 % and three fees.
    """
    found = Percentage(exact("1.3"), exact("2"), **allowances)

    assert Fraction(amount) == price(found, "50", "100", "250", "400")


def test_bounds_come_after_the_fixed_fee_and_spare_free_events() -> None:
    """An event costs at least the minimum and at most the maximum; a free one costs nothing."""
    bounded = Percentage(
        exact("2.99"),
        exact("2"),
        free_events=1,
        min_per_event=exact("3"),
        max_per_event=exact("12"),
    )

    assert exact("4.392") + 3 + 12 == price(bounded, "10", "80", "1", "10000")


def test_the_steps_tell_what_each_rule_did() -> None:
    """Rate, fixed fees, and what the bounds added and took; together they are the amount."""
    bounded = Percentage(
        exact("1"), exact("2"), free_events=1, min_per_event=exact("2.5"), max_per_event=exact("5")
    )

    steps = bounded.price_events([exact("7"), exact("10"), exact("1000")], TOKENS)

    assert [
        ("1 event free", Fraction(0)),
        ("1 % of 1010.00 USD in 2 events", exact("10.1")),
        ("2 events at a fixed 2.00 USD", Fraction(4)),
        ("raised to the minimum of an event", exact("0.4")),
        ("capped at the maximum of an event", Fraction(-7)),
    ] == list(zip(sentences(steps), amounts(steps), strict=True))


def test_a_plain_rate_needs_no_single_events() -> None:
    """A rate, also with a free amount, is the same for the sum as for its parts."""
    plain = Percentage(exact("20"), free_amount=Fraction(3))

    whole = rate_period(terms(charged(plain, KIND)), [usage(KIND, 10)])
    parts = Readings(events={KIND: (Fraction(1), Fraction(9))})
    split = rate_period(terms(charged(plain, KIND)), [usage(KIND, 10)], parts)

    assert exact("1.4") == whole.total == split.total


def test_usage_without_its_events_is_unrated_and_not_free() -> None:
    """A price of single events is never guessed from a sum."""
    rated = rate_period(terms(charged(FEES, KIND)), [usage(KIND, 10)])

    assert (Fraction(0), [KIND]) == (rated.total, [row.kind for row in rated.unrated])


def test_the_line_says_how_many_events_were_priced() -> None:
    """And of what, before it says what they cost."""
    events = Readings(events={KIND: (Fraction(1), Fraction(9))})
    price_of_each = charged(Percentage(exact("10"), fixed_amount=Fraction(1)), KIND)

    (line,) = rate_period(terms(price_of_each), [usage(KIND, 10)], events).lines

    assert ("meter", f"2 events of {KIND}, in their order") == (
        line.steps[0].step,
        line.steps[0].description,
    )


def test_events_that_do_not_sum_to_the_usage_are_refused() -> None:
    """Two sources that disagree are an error, not a choice."""
    events = Readings(events={KIND: (Fraction(9),)})

    with pytest.raises(ValueError, match="do not sum"):
        rate_period(terms(charged(FEES, KIND)), [usage(KIND, 10)], events)


def test_bounds_on_the_sum_would_be_caught() -> None:
    """A minimum applied to the sum instead of to each event is another amount."""
    bounded = Percentage(exact("1"), min_per_event=exact("2"))

    assert Fraction(2) != price(bounded, "1", "1")


def test_contradicting_bounds_cannot_be_constructed() -> None:
    """A minimum above the maximum is no price."""
    with pytest.raises(ValueError, match="at most"):
        Percentage(Fraction(1), min_per_event=Fraction(2), max_per_event=Fraction(1))


def test_what_is_just_used_up_is_over() -> None:
    """The last unit of a free amount ends it: an event after it pays its fee, of no value even."""
    free = Percentage(Fraction(10), Fraction(1), free_amount=Fraction(5))

    assert [Fraction(1), exact("1.05")] == [price(free, "5", "0"), price(free, "4.5", "1")]
    assert exact("1.01") == price(free, "4.5", "0.4", "0.2")


def test_equal_bounds_are_a_fixed_price() -> None:
    """A minimum may be the maximum."""
    fixed = Percentage(Fraction(10), min_per_event=Fraction(3), max_per_event=Fraction(3))

    assert Fraction(6) == price(fixed, "1", "1000")


def test_events_that_all_pay_are_not_said_to_be_free() -> None:
    """A note tells of free events where there are some."""
    paid = Percentage(Fraction(10), free_events=0).price_events([Fraction(1)], TOKENS)

    assert ["10 % of 1.00 USD in 1 event"] == sentences(paid)
