"""Prices by the context of a request."""

from fractions import Fraction

import pytest

from services.pricing.domain.charges.context_tier import ContextTier, ContextTiers
from services.pricing.domain.context_bands import BOUNDS, band_of
from services.pricing.domain.rating import rate_period
from shared.context_bands import BAND_ABOVE, CONTEXT_BANDS, context_band
from shared.money import exact
from tests.support.pricing_values import MILLION, charged, sentences, terms, usage

PRICES = ContextTiers(
    (
        ContextTier(
            Fraction(272_000), {"input_uncached": exact("2.5"), "output_text": Fraction(15)}
        ),
        ContextTier(None, {"input_uncached": Fraction(5), "output_text": exact("22.5")}),
    ),
    MILLION,
)
PLAN = terms(charged(PRICES, "*"))


@pytest.mark.parametrize(
    ("band", "amount"), [("32k", "2.5"), ("272k", "2.5"), ("512k", "5"), ("above", "5")]
)
def test_the_band_picks_the_price_of_all_tokens(band: str, amount: str) -> None:
    """Upper bounds are inclusive: a request of exactly 272,000 is in the first tier."""
    rated = rate_period(PLAN, [usage("input_uncached", MILLION, context_band=band)])

    assert (exact(amount), ()) == (rated.total, rated.unrated)


@pytest.mark.parametrize(
    ("kind", "band"), [("input_uncached", "unknown"), ("input_cache_read", "32k")]
)
def test_what_has_no_price_is_unrated(kind: str, band: str) -> None:
    """An unknown context is not read as a short one, and an unnamed kind is not free."""
    rated = rate_period(PLAN, [usage(kind, 5, context_band=band)])

    assert [Fraction(5)] == [row.quantity for row in rated.unrated]


def test_the_steps_tell_the_class_of_requests() -> None:
    """A customer sees how much of the usage had long contexts."""
    rows = [usage("input_uncached", MILLION, context_band=band) for band in ("32k", "1M")]

    steps = sentences(list(rate_period(PLAN, rows).lines[0].steps))

    assert [
        "requests of up to 272,000 input tokens",
        "requests above 272,000 input tokens",
    ] == [step.partition(":")[0] for step in steps]
    assert steps[0].endswith(": 1,000,000 input_uncached at 2.50 USD per 1,000,000")


def test_the_bands_are_those_of_the_events() -> None:
    """Pricing and metering agree on every band and bound."""
    assert [*CONTEXT_BANDS, (BAND_ABOVE, None)] == list(BOUNDS.items())
    for tokens in (0, 1, 32_000, 32_001, 272_000, 272_001, 1_000_000, 1_000_001):
        assert context_band(tokens) == band_of(Fraction(tokens))


def test_other_bounds_cannot_be_constructed() -> None:
    """A border inside a band could not be rated from what was counted."""
    with pytest.raises(ValueError, match="context bands"):
        ContextTiers((ContextTier(Fraction(250_000), {}), ContextTier(None, {})))


def test_picking_the_tier_after_adding_requests_would_be_caught() -> None:
    """Two requests of 150,000 are not one of 300,000."""
    rows = [usage("input_uncached", 150_000, context_band="200k", agent=a) for a in "ab"]

    assert exact("1.5") != rate_period(PLAN, rows).total


def test_usage_of_a_class_is_added_up() -> None:
    """Agents and days of one class and kind are one step."""
    rows = [usage("input_uncached", MILLION, context_band="32k", agent=a) for a in "ab"]

    (step,) = rate_period(PLAN, rows).lines[0].steps

    assert (Fraction(5), True) == (step.amount, ": 2,000,000 input" in step.description)


def test_a_single_tier_is_for_all_requests() -> None:
    """Nothing is said of a border that there is not."""
    one = ContextTiers((ContextTier(None, {"k": Fraction(1)}),))

    (line,) = rate_period(terms(charged(one, "k")), [usage("k", 2, context_band="1M")]).lines

    assert ["requests: 2 k at 1.00 USD each"] == sentences(list(line.steps))
