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
KINDS = (
    *("input_uncached", "input_cache_read", "output_text"),
    *("input_cache_write_5m", "input_cache_write_1h"),
)
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
    report = cache_report([used("input_cache_write_12h", 5)], PRICES, NOTHING_MORE)

    assert Fraction(0) == report.saved
    assert [("lab", "dear", "input_cache_write_12h")] == [key[:3] for key in report.unpriced]


@pytest.mark.parametrize("target", [TARGET, NOTHING_MORE])
def test_what_is_listed_was_used_and_is_listed_once(target: CacheTarget) -> None:
    """100 fresh tokens and 30 reads of a model that nobody knows; nothing that a target adds.

    Reads that can be told from nothing, since fresh input has no price, are listed as reads.
    """
    rows = [
        used("input_uncached", 100, model="strange"),
        used("input_cache_read", 30, model="strange"),
        used("input_cache_read", 7, model="odd"),
    ]

    report = cache_report(rows, PRICES, target)

    assert {
        ("strange", "input_uncached"): 100,
        ("strange", "input_cache_read"): 30,
        ("odd", "input_cache_read"): 7,
    } == {key[1:3]: quantity for key, quantity in report.unpriced.items()}
    assert dollars(0, 0) == (report.saved, report.could_save)


def test_a_model_without_a_cache_could_save_nothing() -> None:
    """It has no price for reads: no figure is made up, and its input is not unpriced."""
    report = cache_report([used("input_uncached", 100, model="plain")], PRICES, TARGET)

    assert 0 == report.could_save
    assert {} == report.unpriced


@pytest.mark.parametrize(("life", "payback", "first"), [("5m", "5/18", 1), ("1h", "10/9", 2)])
def test_a_write_pays_from_its_nth_read(life: str, payback: str, first: int) -> None:
    """A write of 5 minutes costs 2.5 more, one of an hour 10; each read saves 9.

    So one pays with its first read, the other with its second: with one less it lost money.
    """
    writes = used(f"input_cache_write_{life}", 100)
    (use,) = cache_report([writes], PRICES, NOTHING_MORE).uses
    saved = [
        cache_report([writes, used("input_cache_read", 100 * reads)], PRICES, NOTHING_MORE).saved
        for reads in (first - 1, first)
    ]

    assert Fraction(payback) == use.reads_to_pay
    assert [False, True] == [amount > 0 for amount in saved]


def test_reads_per_write_are_told_beside_what_pays() -> None:
    """150 reads of 100 writes of either life: 1.5 each; the mean of 5/18 and 10/9 would pay."""
    rows = [
        used("input_cache_write_5m", 50),
        used("input_cache_write_1h", 50),
        used("input_cache_read", 150),
        used("input_cache_write_12h", 5, model="strange"),
    ]

    known, strange = cache_report(rows, PRICES, NOTHING_MORE).uses

    assert (Fraction("1.5"), Fraction(25, 36)) == (known.reads_per_write, known.reads_to_pay)
    assert 0 == strange.reads_per_write
    assert strange.reads_to_pay is None
    (nothing,) = cache_report([used("input_uncached", 5)], PRICES, NOTHING_MORE).uses
    assert nothing.reads_per_write is None
    assert nothing.reads_to_pay is None
    assert 0 == nothing.hit_ratio


def test_where_a_read_costs_what_fresh_input_does_no_write_pays() -> None:
    """Nothing is saved by a read, so no number of them pays: no division by 0."""
    (use,) = cache_report([used("input_cache_write", 10, model="even")], PRICES, NOTHING_MORE).uses

    assert use.reads_to_pay is None
    assert 5 == use.saved


def test_corrections_beyond_usage_have_no_ratio() -> None:
    """More was taken back than used: a share of less than nothing would be no share."""
    rows = [used("input_uncached", -10), used("input_cache_read", 4), used("output_text", 1)]

    (use,) = cache_report(rows, PRICES, TARGET).uses

    assert use.hit_ratio is None
    assert dollars(36, 0) == (use.saved, use.could_save)


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
