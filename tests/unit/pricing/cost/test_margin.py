"""Margin: revenue less cost, or nothing where the cost is not known."""

from dataclasses import replace
from fractions import Fraction

from services.pricing.domain.cost.margin import margin
from services.pricing.domain.cost.prices import Reason, Source
from services.pricing.domain.cost.provider_cost import (
    CostedUsage,
    FoundPrice,
    ProviderCost,
    UnpricedUsage,
)
from tests.support.pricing_values import usage

FOUND = FoundPrice(Source.LIST, Fraction(1, 3), context_assumed=False)
COST = ProviderCost((CostedUsage(usage("output_text", 6), FOUND),), ())


def test_margin_is_exact() -> None:
    """Revenue less cost, as an amount and as a share of revenue; a loss is below zero."""
    made = margin(Fraction(3), COST)

    assert 1 == made.amount
    assert Fraction(1, 3) == made.share
    assert -1 == margin(Fraction(1), COST).amount


def test_there_is_no_share_of_nothing() -> None:
    """Usage that brings in nothing has a margin, but no share."""
    made = margin(Fraction(0), COST)

    assert -2 == made.amount
    assert made.share is None


def test_an_unknown_cost_is_no_margin() -> None:
    """While usage is unpriced the margin is not shown; the variant that takes zero shows one."""
    unpriced = UnpricedUsage(usage("output_text", 1, model="x"), Reason.UNKNOWN_MODEL)
    lacking = replace(COST, unpriced=(unpriced,))
    made, naive = margin(Fraction(3), lacking), Fraction(3) - lacking.total

    assert (None, None) == (made.amount, made.share)
    assert 1 == naive
