"""Growth told in lines that add up, whatever there is on either side."""

from datetime import date, timedelta
from fractions import Fraction
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from services.pricing.domain.growth.cohorts import UnitUse
from services.pricing.domain.growth.factors import Cell
from services.pricing.domain.growth.growth import (
    Growth,
    Side,
    growth_of_revenue,
    growth_of_tokens,
)
from services.pricing.domain.growth.windows import Window

CELLS = [Cell("small", "output_text"), Cell("large", "input_uncached")]
AMOUNTS = st.fractions(0, 1000, max_denominator=1000)
NAMES = ["a/ada", "a/bob", "b/cleo", "b/dan"]


@st.composite
def sides(draw: st.DrawFn) -> Side:
    """Draw units with revenue of their own, also of units that are not active."""
    units: dict[str, UnitUse] = {}
    by_group: dict[str, dict[Cell, Fraction]] = {}
    totals: dict[str, Fraction] = {}
    for name in draw(st.lists(st.sampled_from(NAMES), unique=True)):
        group = name.partition("/")[0]
        counts = draw(st.dictionaries(st.sampled_from(CELLS), st.integers(-(10**6), 10**9)))
        revenue = {cell: draw(AMOUNTS) for cell in CELLS if draw(st.booleans())}
        for cell, amount in revenue.items():
            cells = by_group.setdefault(group, {})
            cells[cell] = cells.get(cell, Fraction(0)) + amount
        if sum(counts.values()) > 0:
            tokens = {cell: Fraction(count) for cell, count in counts.items()}
            own = {cell: amount for cell, amount in revenue.items() if tokens.get(cell)}
            units[name] = UnitUse(group, draw(st.integers(1, 31)), tokens, own)
        totals[name] = sum(revenue.values(), Fraction(0))
    other = draw(AMOUNTS)
    totals["a/ada"] = totals.get("a/ada", Fraction(0)) + other
    return Side(units, draw(AMOUNTS), by_group, other, draw(AMOUNTS), totals)


EARLIER = st.frozensets(st.sampled_from(NAMES))


def _adds_up(growth: Growth) -> None:
    assert growth.change == sum(growth.effects.values(), Fraction(0))
    assert growth.cohorts is not None
    cohorts = {one.cohort: one.change for one in growth.cohorts.cohorts}
    assert growth.change == sum(cohorts.values(), growth.cohorts.outside)
    assert cohorts["kept"] == sum(growth.cohorts.kept.values(), Fraction(0))


@given(sides(), sides(), EARLIER)
@settings(max_examples=60, deadline=None)
def test_tokens_and_revenue_add_up(before: Side, after: Side, earlier: frozenset[str]) -> None:
    """Effects, cohorts and what the kept ones changed: no residual, nothing twice."""
    tokens = growth_of_tokens(before, after, earlier)
    revenue = growth_of_revenue(before, after, earlier)

    _adds_up(tokens)
    _adds_up(revenue)
    assert (after.tokens, after.revenue) == (tokens.after, revenue.after)


@given(sides(), EARLIER)
@settings(max_examples=60, deadline=None)
def test_nothing_that_changed_is_nothing_told(side: Side, earlier: frozenset[str]) -> None:
    """Every line is 0: effects, cohorts, what the kept ones changed, what is outside."""
    for grow in (growth_of_tokens, growth_of_revenue):
        growth = grow(side, side, earlier)

        assert growth.cohorts is not None
        lines = [*growth.effects.values(), *growth.cohorts.kept.values(), growth.cohorts.outside]
        lines += [one.change for one in growth.cohorts.cohorts]
        assert {0} == {*lines, *(growth.depth or {}).values()}
        assert {"new", "returned", "lost"}.isdisjoint(
            one.cohort for one in growth.cohorts.cohorts if one.units
        )


@given(sides(), sides())
@settings(max_examples=60, deadline=None)
def test_going_back_turns_every_sign(before: Side, after: Side) -> None:
    """Effects, and the kept ones' part; who came is then lost, and nobody else is."""
    for grow in (growth_of_tokens, growth_of_revenue):
        there, back = grow(before, after, ()), grow(after, before, ())

        assert {name: -effect for name, effect in back.effects.items()} == there.effects
        assert there.cohorts is not None
        assert back.cohorts is not None
        assert {n: -e for n, e in back.cohorts.kept.items()} == there.cohorts.kept
        came, gone = (
            {one.cohort: one.change for one in side.cohorts}
            for side in (there.cohorts, back.cohorts)
        )
        assert (came["new"], came["lost"]) == (-gone["lost"], -gone["new"])


@given(sides(), sides())
@settings(max_examples=60, deadline=None)
def test_of_units_that_are_groups_the_kept_ones_made_all_but_breadth_and_mix(
    before: Side, after: Side
) -> None:
    """Who came and went is breadth and mix to the last token: both tables say the same."""
    one, other = (
        Side({name: use._replace(group=name) for name, use in side.units.items()})
        for side in (before, after)
    )

    growth = growth_of_tokens(one, other, ())

    assert growth.cohorts is not None
    told = {name: growth.effects[name] for name in ("frequency", "depth")}
    assert told == growth.cohorts.kept


def test_revenue_that_its_group_used_no_tokens_for_is_told_apart() -> None:
    """Half of 10 has tokens; the rest is neither price nor mix of anything. Fees are fees."""
    cell, other = CELLS
    used = UnitUse("a", 1, {cell: Fraction(100)}, {cell: Fraction(5)})
    after = Side(
        {"a/ada": used},
        token_revenue={"a": {cell: Fraction(5), other: Fraction(2)}, "b": {cell: Fraction(3)}},
        fees=Fraction(7),
    )

    growth = growth_of_revenue(Side({}), after, earlier=())

    told = {name: effect for name, effect in growth.effects.items() if effect}
    assert {"breadth": 5, "without_tokens": 5, "fees": 7} == told
    assert growth.cohorts is None


def test_tails_by_hand() -> None:
    """1, 1, 2, 16: mean 5, median 1.5; four tenths of one unit of four hold 32 %; Gini 0.575."""
    amounts = {f"acme/{n}": amount for n, amount in enumerate((2, 16, 1, 1))}
    units = {
        name: UnitUse("acme", 1, {CELLS[0]: Fraction(amount)}, {})
        for name, amount in amounts.items()
    }

    nobody, four = growth_of_tokens(Side({}), Side(units), earlier=()).units

    assert nobody.tail is None
    assert four.tail is not None
    assert [5, Fraction("1.5"), Fraction("0.32"), Fraction("0.575")] == [
        *(four.tail.mean, four.tail.median, four.tail.top_decile_share, four.tail.gini)
    ]


@given(st.dates(max_value=date(2200, 1, 1)), st.integers(1, 400), st.integers(1, 40))
def test_days_are_shared_among_spans_without_a_rest(start: date, days: int, cut: int) -> None:
    """A fee's shares of spans that follow one another sum to it."""
    fee = Window(start, start + timedelta(days=days))
    ends = [start + timedelta(days=n * cut) for n in range(days // cut + 2)]

    shares = [Window(one, other).share_of(fee) for one, other in pairwise(ends)]

    assert 1 == sum(shares)
