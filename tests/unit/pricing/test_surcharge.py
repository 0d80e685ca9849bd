"""Surcharges."""

from fractions import Fraction

from services.pricing.domain.charge import Charge, UsageFilter
from services.pricing.domain.charges.per_unit import PerUnit
from services.pricing.domain.charges.surcharge import Surcharge
from services.pricing.domain.rating import rate_period
from shared.money import exact
from tests.support.pricing_values import MILLION, charged, terms, usage

TOKENS = UsageFilter(
    {"kind": frozenset({"input_*", "output_*"})}, {"model": frozenset({"auto", "auto-*"})}
)
SURCHARGE = Charge("fee", "Fee", Surcharge(exact("0.25"), MILLION), TOKENS)
PRICE = charged(PerUnit(Fraction(3), MILLION), "input_uncached", "input_cache_read", key="in")


def test_it_comes_beside_the_price_of_the_usage() -> None:
    """The same tokens pay their price and the surcharge; the usage is counted once as rated."""
    rated = rate_period(terms(PRICE, SURCHARGE), [usage("input_uncached", 4_000_000)])

    assert [Fraction(12), Fraction(1)] == [line.amount for line in rated.lines]
    assert () == rated.unrated


def test_exempt_models_pay_none() -> None:
    """An exemption may be a pattern."""
    rows = [usage("input_uncached", 4_000_000, model=m) for m in ("auto", "auto-2", "gpt")]

    rated = rate_period(terms(PRICE, SURCHARGE), rows)

    assert Fraction(1) == rated.lines[1].amount


def test_a_surcharge_alone_is_no_price() -> None:
    """Usage that only a surcharge names is still unrated, and pays the surcharge."""
    rated = rate_period(terms(PRICE, SURCHARGE), [usage("output_text", 4_000_000)])

    assert ([Fraction(1)], ["output_text"]) == (
        [line.amount for line in rated.lines],
        [row.kind for row in rated.unrated],
    )


def test_a_surcharge_that_claims_would_be_caught() -> None:
    """As a plain charge in first place it would take the usage away from its price."""
    claiming = Charge("fee", "Fee", PerUnit(exact("0.25"), MILLION), TOKENS)
    rows = [usage("input_uncached", 4_000_000)]

    assert (
        rate_period(terms(claiming, PRICE), rows).total
        != rate_period(terms(SURCHARGE, PRICE), rows).total
    )
