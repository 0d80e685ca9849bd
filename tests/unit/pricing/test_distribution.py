"""How amounts are spread over people and units: by hand, and what must hold of every list."""

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from services.pricing.domain.column import Column
from services.pricing.domain.distribution import Distribution

AMOUNTS = st.lists(st.fractions(0, 10**6, max_denominator=100), min_size=1, max_size=60)


def fractions(*numbers: int) -> list[Fraction]:
    return [Fraction(number) for number in numbers]


def of(*amounts: int) -> Distribution:
    return Distribution.of(Column.of(fractions(*amounts)))


def test_ten_people_by_hand() -> None:
    """1 to 9 and 55: the middle lies between 5 and 6, and the tenth that is one has 55 of 100."""
    spread = of(55, 1, 2, 3, 4, 5, 6, 7, 8, 9)

    assert 10 == spread.count
    assert fractions(100, 10) == [spread.total, spread.mean]
    ranks = [spread.median, spread.p90, spread.p99, spread.largest]
    assert [Fraction(11, 2), *fractions(9, 55, 55)] == ranks
    assert Fraction(55, 100) == spread.top_decile_share
    # 2 x (1x1 + 2x2 + … + 9x9 + 10x55) = 2 x 835; 1670/100 - 11 = 5.7; over 10 people 0.57.
    assert Fraction(57, 100) == spread.gini


def test_two_hundred_people_by_hand() -> None:
    """1 to 200: ranks 180 and 198, and the twenty at the top have 181 + … + 200 of 20,100."""
    spread = of(*range(200, 0, -1))

    ranks = [spread.median, spread.p90, spread.p99, spread.largest]
    assert [Fraction(201, 2), *fractions(180, 198, 200)] == ranks
    assert Fraction(3_810, 20_100) == spread.top_decile_share
    # Of 1 to n it is (n - 1) / 3n.
    assert Fraction(199, 600) == spread.gini


def test_four_people_of_whom_one_has_everything() -> None:
    """The Gini coefficient is 3/4, and four tenths of the one person have four tenths of it."""
    spread = of(0, 0, 0, 8)

    assert (Fraction(3, 4), Fraction(4, 10)) == (spread.gini, spread.top_decile_share)


def test_the_one_at_the_border_of_a_tenth_counts_in_part() -> None:
    """Of eleven equals a tenth has a tenth; of 1, 1, 2, 16 it is 0.4 x 16 of 20, and Gini 0.575."""
    spread = of(2, 16, 1, 1)

    assert Fraction(1, 10) == of(*[1] * 11).top_decile_share
    assert (Fraction(32, 100), Fraction(575, 1_000)) == (spread.top_decile_share, spread.gini)


def test_nobody_has_no_measures() -> None:
    """Without people, or without a positive sum, nothing is claimed."""
    assert Distribution(0, Fraction(0)) == Distribution.of(Column.of([]))
    assert (None, None) == (of(0, 0).gini, of(0, 0).top_decile_share)
    assert None is of(-1, 5).gini


@given(AMOUNTS, st.integers(1, 5))
def test_repeating_people_changes_no_share(amounts: list[Fraction], times: int) -> None:
    """Order and copies of everybody change neither the mean nor the shares."""
    one, many = (Distribution.of(Column.of(some)) for some in (amounts, amounts[::-1] * times))

    assert one.mean == many.mean
    assert (one.gini, one.top_decile_share) == (many.gini, many.top_decile_share)


@given(AMOUNTS, st.fractions(Fraction(1, 100), 100, max_denominator=100))
def test_measures_scale_with_money(amounts: list[Fraction], factor: Fraction) -> None:
    """In another currency amounts are others, and inequality is the same."""
    one = Distribution.of(Column.of(amounts))
    other = Distribution.of(Column.of(amount * factor for amount in amounts))

    assert (one.gini, one.top_decile_share) == (other.gini, other.top_decile_share)
    assert one.median is not None
    assert one.p90 is not None
    assert (one.median * factor, one.p90 * factor) == (other.median, other.p90)


@given(AMOUNTS)
def test_measures_lie_where_they_must(amounts: list[Fraction]) -> None:
    """The top tenth has a tenth at least; Gini lies between 0 and (n - 1)/n; ranks rise."""
    spread = Distribution.of(Column.of(amounts))

    assert spread.p90 is not None
    assert spread.p99 is not None
    assert min(amounts) <= spread.p90 <= spread.p99 <= max(amounts)
    if spread.gini is not None and spread.top_decile_share is not None:
        assert 0 <= spread.gini <= Fraction(len(amounts) - 1, len(amounts))
        assert Fraction(1, 10) <= spread.top_decile_share <= 1


@given(st.integers(1, 50), st.integers(1, 100))
def test_equals_are_equal(count: int, amount: int) -> None:
    """Where all bring in the same, Gini is 0 and a tenth of the people have a tenth."""
    spread = of(*[amount] * count)

    assert [Fraction(0), Fraction(1, 10)] == [spread.gini, spread.top_decile_share]
