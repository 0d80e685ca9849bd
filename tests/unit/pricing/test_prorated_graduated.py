"""Graduated levels charged by days."""

from datetime import date
from fractions import Fraction

from services.pricing.domain.charges.prorated_graduated import Change, ProratedGraduated
from services.pricing.domain.periods import Period
from services.pricing.domain.rating import rate_period
from services.pricing.domain.readings import Readings
from shared.money import exact
from tests.support.pricing_values import TOKENS, amounts, charged, sentences, terms, tier, usage

PRICE = ProratedGraduated((tier("5", "10", "100"), tier(None, "5", "50")))


def price(*changes: tuple[str, str]) -> Fraction:
    steps, _ = PRICE.price_changes([Change(exact(u), exact(p)) for u, p in changes], TOKENS)
    return sum(amounts(steps), Fraction(0))


def test_full_units_pick_the_tier_and_prorated_ones_pay() -> None:
    """The sixth to tenth unit are in the second tier, however few days they were there."""
    assert exact("35") + 100 == price(("5", "3.5"))
    assert exact("35") + 100 + exact("13.33335") + 50 == price(("5", "3.5"), ("5", "2.66667"))


def test_a_change_over_a_border_is_split_in_proportion() -> None:
    """Of four units that reach from 3 to 7, half are in each tier."""
    assert 30 + 100 + (1 * 10 + 1 * 5) + 50 == price(("3", "3"), ("4", "2"))


def test_flat_fees_are_kept_after_removals() -> None:
    """Units that go away take back their own days, and no flat fee."""
    assert price(("7", "7"), ("-7", "-7")) == 150


def test_changes_of_usage_are_prorated_by_their_days() -> None:
    """Five units on the 16th of thirty days are 2.5; a level from before is there all along."""
    row = usage("licences", 5, usage_day=date(2023, 11, 16))
    read = Readings(levels={"c": Fraction(5)})

    rated = rate_period(terms(charged(PRICE, "licences")), [row], read)

    assert Fraction(50 + 100) + exact("2.5") * 5 + 50 == rated.total
    assert rated.total == sum(detail.amount for detail in rated.lines[0].details)


def test_a_level_in_a_period_cut_short_is_paid_by_days() -> None:
    """Five units from before, half a period: half of their price, and the flat fee in full."""
    half = Period(date(2023, 11, 16), date(2023, 12, 1), 30)
    read = Readings(levels={"c": Fraction(5)})

    rated = rate_period(terms(charged(PRICE, "licences"), period=half), [], read)

    assert Fraction(25 + 100) == rated.total


def test_details_are_shared_by_what_each_change_costs() -> None:
    """Five units at 10 and five at 5, for the same days: two thirds and one third."""
    plain = ProratedGraduated((tier("5", "10"), tier(None, "5")))
    rows = [
        usage("licences", 5, usage_day=date(2023, 11, day), agent=agent)
        for day, agent in ((1, "b"), (16, "a"))
    ]

    line = rate_period(terms(charged(plain, "licences")), rows).lines[0]

    assert {"b": Fraction(50), "a": exact("12.5")} == {d.agent: d.amount for d in line.details}


def test_the_steps_tell_tier_and_days() -> None:
    """Each tier and each flat fee is a step."""
    steps, _ = PRICE.price_changes([Change(Fraction(7), exact("3.5"))], TOKENS)

    assert [
        "tier 1: 2.5 tokens, by days, at 10.00 USD each",
        "flat fee of tier 1: 100.00 USD",
        "tier 2: 1 tokens, by days, at 5.00 USD each",
        "flat fee of tier 2: 50.00 USD",
    ] == sentences(steps)


def test_picking_the_tier_by_prorated_units_would_be_caught() -> None:
    """3.5 + 1.5 prorated units would never leave the first tier."""
    assert Fraction(50 + 100) != price(("5", "3.5"), ("5", "1.5"))
