"""Contribution to growth: points that sum to it, and the growth without a part."""

from collections.abc import Sequence
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from services.pricing.domain.growth.contribution import (
    Contribution,
    Part,
    contributions,
    parts_of,
)
from services.pricing.domain.growth.shown import PLACES, shown, shown_parts

AMOUNTS = st.fractions(min_value=0, max_value=10**15, max_denominator=10**9)
PARTS = st.lists(st.builds(Part, st.uuids().map(str), AMOUNTS, AMOUNTS), min_size=1, max_size=9)


def _told(one: Contribution) -> tuple[object, ...]:
    return (one.part.name, one.points, one.share, one.if_unchanged, one.of_the_rest)


def own_growth(parts: Sequence[Part]) -> Fraction:
    """Add the growth of each part, which is not the growth of the whole."""
    return sum((part.change / part.before * 100 for part in parts if part.before), Fraction(0))


def test_contributions_by_hand() -> None:
    """200 → 250: agents made 37.5 of the 50, so 18.75 points and 75 % of a growth of 25 %.

    Had they stood still it would have been 6.25 %; all but them grew by 12.5 of 150.
    """
    rest = Part("rest", Fraction(150), Fraction("162.5"))
    agents = Part("agents", Fraction(50), Fraction("87.5"))

    found = contributions([rest, agents])

    assert [200, 250, 25] == [found.before, found.after, found.growth]
    assert [
        ("agents", Fraction("18.75"), 75, Fraction("6.25"), Fraction("12.5") / 150 * 100),
        ("rest", Fraction("6.25"), 25, Fraction("18.75"), Fraction("37.5") / 50 * 100),
    ] == [_told(one) for one in found.parts]


def test_of_a_whole_that_shrinks() -> None:
    """200 → 150: agents lost 60, so -30 points and 120 % of the fall; the rest grew against it.

    A share below 0 is of a part that moved the other way, whichever way the whole went. Without
    the agents' fall it would have been growth of 5 %. The largest change comes first, up or down.
    """
    agents = Part("agents", Fraction(80), Fraction(20))
    rest = Part("rest", Fraction(120), Fraction(130))

    found = contributions([rest, agents])

    assert -25 == found.growth
    assert [
        ("agents", -30, 120, 5, Fraction(10, 120) * 100),
        ("rest", 5, -20, -30, -75),
    ] == [_told(one) for one in found.parts]


def test_the_largest_changes_are_named_whichever_way_they_go() -> None:
    """-9 and 5 are named, 1 and -1 are not: what grew alone would hide the largest fall."""
    changes = {"a": 1, "b": -9, "c": 5, "d": -1}
    before = {("value", name): Fraction(10) for name in changes}
    after = {("value", name): Fraction(10 + change) for name, change in changes.items()}

    parts = parts_of(before, after, top=2)

    assert [("b", -9), ("c", 5), ("2 others", 0)] == [(p.name, int(p.change)) for p in parts]


def test_growth_from_nothing_has_no_percentage() -> None:
    """The changes and the shares are told, growth and points are not made up."""
    found = contributions(
        [Part("a", Fraction(0), Fraction(3)), Part("b", Fraction(0), Fraction(1))]
    )

    assert found.growth is None
    assert [("a", None, 75, None, None), ("b", None, 25, None, None)] == [
        _told(one) for one in found.parts
    ]


def test_growth_from_below_nothing_has_no_percentage() -> None:
    """-5 → 5 is no growth of -200 %."""
    found = contributions([Part("a", Fraction(-5), Fraction(5))])

    assert (None, None) == (found.growth, found.parts[0].points)


def test_no_change_has_no_shares() -> None:
    """One part made up for the other: points are told, shares of nothing are not."""
    found = contributions(
        [Part("a", Fraction(4), Fraction(3)), Part("b", Fraction(4), Fraction(5))]
    )

    assert 0 == found.growth
    assert [("a", Fraction("-12.5"), None), ("b", Fraction("12.5"), None)] == [
        _told(one)[:3] for one in found.parts
    ]


@given(PARTS)
def test_points_sum_to_the_growth(parts: list[Part]) -> None:
    """So do changes and shares; each part and what it leaves are the whole growth."""
    found = contributions(parts)

    assert found.after - found.before == sum(one.part.change for one in found.parts)
    if found.growth is not None:
        assert found.growth == sum(one.points or Fraction(0) for one in found.parts)
        assert {found.growth} == {
            (one.points or Fraction(0)) + (one.if_unchanged or Fraction(0)) for one in found.parts
        }
    if found.after != found.before:
        assert 100 == sum(one.share or Fraction(0) for one in found.parts)


def test_the_growth_of_each_part_does_not_sum_to_it() -> None:
    """What the property above would catch: parts that are told against themselves."""
    parts = [Part("a", Fraction(150), Fraction(165)), Part("b", Fraction(50), Fraction(85))]

    assert contributions(parts).growth != own_growth(parts)


@given(
    st.dictionaries(st.sampled_from("abcdefgh"), AMOUNTS),
    st.dictionaries(st.sampled_from("abcdefgh"), AMOUNTS),
    st.integers(1, 9),
)
def test_others_are_all_that_is_not_named(
    before: dict[str, Fraction], after: dict[str, Fraction], top: int
) -> None:
    """The parts sum to the whole, however few are named; what has no value is always named."""
    fees = {("not_allocable", "flat"): Fraction(5)}
    keyed = [{("value", name): amount for name, amount in s.items()} for s in (before, after)]

    parts = parts_of(keyed[0] | fees, keyed[1] | fees, top=top)

    assert sum(before.values()) + 5 == sum(part.before for part in parts)
    assert sum(after.values()) + 5 == sum(part.after for part in parts)
    assert 1 == sum(part.kind == "not_allocable" for part in parts)
    assert top >= sum(part.kind == "value" for part in parts)


@given(st.lists(st.fractions(-(10**9), 10**9, max_denominator=10**12), min_size=1, max_size=8))
def test_what_is_shown_adds_up(parts: list[Fraction]) -> None:
    """Decimals of a sum's parts sum to the decimals of the sum, each within one of the last."""
    told = [Fraction(text) for text in shown_parts(parts)]

    assert Fraction(shown(sum(parts, Fraction(0)))) == sum(told)
    assert all(
        abs(exact - text) < Fraction(1, 10**PLACES) for exact, text in zip(parts, told, strict=True)
    )


def test_rounding_each_part_would_not_add_up() -> None:
    """Three thirds are 1, and three times 0.333333333 is not."""
    thirds = [Fraction(1, 3)] * 3

    assert ["0.333333334", "0.333333333", "0.333333333"] == shown_parts(thirds)
    assert Fraction(shown(Fraction(1))) != sum(Fraction(shown(third)) for third in thirds)
