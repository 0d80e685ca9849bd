"""What caching saved and could have, reckoned by hand and as identities."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.pricing.domain.efficiency.caching import CacheTarget, cache_report
from services.pricing.domain.usage import Usage
from tests.unit.pricing.efficiency.prices import PRICES, dollars, used

TARGET = CacheTarget(Fraction("0.6"), Fraction(2))
NOTHING_MORE = CacheTarget(Fraction(0), Fraction(1))
KINDS = ("input_uncached", "input_cache_read", "input_cache_write_5m", "output_text")
ROWS = st.lists(
    st.builds(
        used,
        st.sampled_from(KINDS),
        st.integers(0, 1_000),
        model=st.sampled_from(["dear", "cheap"]),
        agent=st.sampled_from("xy"),
    ),
    max_size=10,
)


def test_reads_save_and_writes_cost() -> None:
    """300 reads save 9 each, 100 writes cost 2.5 more each: 2,450.

    At 60 % of 1,000 there are 300 more reads and 150 more writes: 2,700 - 375 = 2,325.
    """
    rows = [
        used("input_uncached", 600),
        used("input_cache_read", 300),
        used("input_cache_write_5m", 100),
        used("output_text", 77),
    ]

    (use,) = cache_report(rows, PRICES, TARGET).uses

    assert Fraction("0.3") == use.hit_ratio
    assert dollars(2_700, 250, 2_450) == (use.saved_by_reads, use.lost_by_writes, use.saved)
    assert Fraction(2_325) == use.could_save


def test_writes_that_nobody_reads_lose() -> None:
    """Without a read the cache cost money: the saving is below zero, not zero."""
    report = cache_report([used("input_cache_write_5m", 100)], PRICES, NOTHING_MORE)

    assert Fraction(-250) == report.saved


def test_no_more_is_read_than_there_is_input() -> None:
    """A target of everything: of 300 fresh tokens 200 are read and 100 written before."""
    (use,) = cache_report(
        [used("input_uncached", 300)], PRICES, CacheTarget(Fraction(1), Fraction(2))
    ).uses

    assert Fraction(200 * 9) - Fraction(100) * Fraction("2.5") == use.could_save


def test_what_has_no_price_is_listed_and_not_zero() -> None:
    """A write of a life that has no price counts in no sum, and is told."""
    report = cache_report([used("input_cache_write_1h", 5)], PRICES, NOTHING_MORE)

    assert Fraction(0) == report.saved
    assert [("lab", "dear", "input_cache_write_1h")] == [key[:3] for key in report.unpriced]


@given(ROWS)
def test_saved_is_the_difference_to_a_world_without_caches(rows: list[Usage]) -> None:
    """Identity: all input at the fresh price less what the input cost."""
    inputs = [row for row in rows if row.kind.startswith("input")]
    without = sum((PRICES.cost(r._replace(kind="input_uncached")) or 0 for r in inputs), start=0)
    paid = sum((PRICES.cost(row) or 0 for row in inputs), start=0)

    assert without - paid == cache_report(rows, PRICES, NOTHING_MORE).saved


@given(ROWS, st.randoms(use_true_random=False))
def test_order_and_splitting_change_nothing(rows: list[Usage], chance: object) -> None:
    """The report of the halves of all rows, in any order, is that of the rows."""
    halves = [row._replace(quantity=row.quantity / 2) for row in rows for _ in range(2)]
    chance.shuffle(halves)  # type: ignore[attr-defined]

    assert cache_report(rows, PRICES, TARGET).uses == cache_report(halves, PRICES, TARGET).uses


@pytest.mark.parametrize(("ratio", "reads"), [("1.01", 1), ("-0.01", 1), ("0.5", 0)])
def test_a_target_that_cannot_be_is_refused(ratio: str, reads: int) -> None:
    """A share above all, or writes that are never read, mean nothing."""
    with pytest.raises(ValueError, match="hit ratio"):
        CacheTarget(Fraction(ratio), Fraction(reads))
