"""Dated prices and the cliff of long contexts."""

from datetime import date
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.pricing.domain.cost.prices import (
    BAND_EDGES,
    PriceHistory,
    Reason,
    Step,
    UnitPrice,
)
from shared.context_bands import context_band

SHORT, LONG = Fraction(3), Fraction(6)


def cliff(above: int) -> UnitPrice:
    return UnitPrice(SHORT, (Step(above, LONG),))


@given(st.sampled_from(sorted(BAND_EDGES)), st.integers(0, 1_500_000))
def test_a_band_has_the_price_of_each_of_its_requests(edge: int, context: int) -> None:
    """Where a bound is an edge of bands, the band decides exactly as the request would."""
    expected = LONG if context > edge else SHORT

    assert expected == cliff(edge).in_band(context_band(context))


@pytest.mark.parametrize(
    ("above", "band"),
    [(100_000, "128k"), (200_001, "256k"), (524_288, "1M"), (2_000_000, "above")],
)
def test_a_band_on_both_sides_of_a_bound_has_no_price(above: int, band: str) -> None:
    """What a band cannot tell is a reason, not a guess."""
    assert Reason.BAND_STRADDLES_THRESHOLD == cliff(above).in_band(band)


def test_other_bands_of_such_a_price_are_told() -> None:
    """Only the band with the bound inside is without price."""
    assert SHORT == cliff(100_000).in_band("64k")
    assert LONG == cliff(100_000).in_band("200k")


def test_a_band_of_another_kind_is_no_guess() -> None:
    """A band that nobody knows has a price only where context does not matter."""
    assert Reason.BAND_STRADDLES_THRESHOLD == cliff(200_000).in_band("384k")
    assert SHORT == UnitPrice(SHORT).in_band("384k")


def test_two_bounds_inside_one_band_are_seen() -> None:
    """A price that rises and falls inside one band is not taken for the price at its ends."""
    price = UnitPrice(SHORT, (Step(300_000, LONG), Step(400_000, SHORT)))

    assert Reason.BAND_STRADDLES_THRESHOLD == price.in_band("512k")


def test_from_200000_on_is_above_200000() -> None:
    """A list that writes 199,999 means the edge; only a request of exactly 200,000 differs."""
    assert SHORT == cliff(199_999).in_band("200k")
    assert LONG == cliff(199_999).in_band("256k")


def test_the_longest_requests_have_the_last_price() -> None:
    """Of several steps the band above all of them has that of the last."""
    price = UnitPrice(SHORT, (Step(200_000, LONG), Step(1_000_000, Fraction(9))))

    assert [SHORT, LONG, 9] == [price.in_band(band) for band in ("200k", "1M", "above")]


def test_unknown_context_is_short_and_says_so() -> None:
    """Without the context the short price is assumed, and the assumption is shown."""
    assert SHORT == cliff(200_000).in_band("unknown")
    assert cliff(200_000).assumes_context("unknown")
    assert not cliff(200_000).assumes_context("32k")
    assert not UnitPrice(SHORT).assumes_context("unknown")


@pytest.mark.parametrize("bounds", [(0,), (5, 5), (9, 5)])
def test_bounds_rise(bounds: tuple[int, ...]) -> None:
    """A price with bounds that do not rise cannot be constructed."""
    with pytest.raises(ValueError, match="positive and rise"):
        UnitPrice(SHORT, tuple(Step(bound, LONG) for bound in bounds))


def test_a_bound_may_be_a_single_token() -> None:
    """It is positive; nothing is said of more."""
    assert [SHORT, LONG] == cliff(1).amounts()


def test_a_price_is_not_negative() -> None:
    """A negative price cannot be constructed."""
    with pytest.raises(ValueError, match="0 or more"):
        UnitPrice(Fraction(-1))


def test_a_price_holds_from_its_day_until_the_next() -> None:
    """Days are half-open: the first belongs to a price, the day of the next one does not."""
    history = PriceHistory(
        (date(2026, 1, 1), date(2026, 2, 1)), (UnitPrice(SHORT), UnitPrice(LONG))
    )

    assert Reason.NO_PRICE_ON_DAY == history.on(date(2025, 12, 31))
    assert UnitPrice(SHORT) == history.on(date(2026, 1, 1))
    assert UnitPrice(SHORT) == history.on(date(2026, 1, 31))
    assert UnitPrice(LONG) == history.on(date(2026, 2, 1))


def test_days_of_a_history_rise() -> None:
    """Two prices for one day cannot be constructed."""
    with pytest.raises(ValueError, match="the days rise"):
        PriceHistory((date(2026, 1, 1),) * 2, (UnitPrice(SHORT), UnitPrice(LONG)))


@pytest.mark.parametrize(
    ("days", "prices"),
    [
        ((), ()),
        ((), (UnitPrice(SHORT),)),
        ((date(2026, 1, 1), date(2026, 2, 1)), (UnitPrice(SHORT),)),
    ],
)
def test_each_day_of_a_history_has_a_price(
    days: tuple[date, ...], prices: tuple[UnitPrice, ...]
) -> None:
    """Neither more nor fewer, and one at least."""
    with pytest.raises(ValueError, match="a price for each"):
        PriceHistory(days, prices)
