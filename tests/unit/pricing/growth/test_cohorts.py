"""Cohorts: who is new, kept, returned or lost, and what each of them changed."""

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from services.pricing.domain.growth.cohorts import (
    COHORTS,
    UnitUse,
    cohort_changes,
    cohort_of,
    groups_of,
    kept_effects,
)
from services.pricing.domain.growth.factors import Cell, split_tokens

CELL = Cell("small", "output_text")
NAMES = st.sampled_from("abcdefgh")
FIGURES = st.dictionaries(NAMES, st.integers(1, 10**9).map(Fraction))


def used(tokens: int, days: int = 1, group: str = "acme") -> UnitUse:
    return UnitUse(group, days, {CELL: Fraction(tokens)}, {})


def test_cohorts_by_hand() -> None:
    """Ada stays and doubles, bob goes with 5, cleo comes with 7, dan is back with 3."""
    before = {"ada": used(10), "bob": used(5)}
    after = {"ada": used(20), "cleo": used(7), "dan": used(3)}
    cohorts = {
        name: cohort_of(name, before, after, earlier={"dan", "ada"})
        for name in before.keys() | after.keys()
    }
    one, other = ({n: use.tokens[CELL] for n, use in side.items()} for side in (before, after))

    changes = cohort_changes(one, other, cohorts)

    assert [("new", 7), ("returned", 3), ("kept", 10), ("lost", -5)] == [
        (change.cohort, int(change.change)) for change in changes
    ]
    assert {1} == {change.units for change in changes}


def test_units_are_added_up_by_group() -> None:
    """Users, their active days and their tokens, for each tenant."""
    units = {"ada": used(10, 2), "bob": used(5, 3), "eve": used(1, 1, "umbrella")}

    groups = groups_of(units)

    assert {"acme": (2, 5, 15), "umbrella": (1, 1, 1)} == {
        name: (use.units, use.days, int(use.all_tokens)) for name, use in groups.items()
    }


def test_revenue_of_tokens_that_come_to_nothing_has_no_price() -> None:
    """Ada's 10 are taken back by bob's -10: of the cell nothing is left to have brought in 3."""
    other = Cell("large", "output_text")
    ada = UnitUse("acme", 1, {CELL: Fraction(10), other: Fraction(1)}, {CELL: Fraction(3)})
    bob = UnitUse("acme", 1, {CELL: Fraction(-10), other: Fraction(20)}, {other: Fraction(5)})

    (group,) = groups_of({"ada": ada, "bob": bob}).values()

    assert {other: 5} == group.revenue


def test_kept_units_have_no_breadth() -> None:
    """Their change is frequency and depth: 2 → 4 days of 5 tokens each."""
    split = split_tokens(groups_of({"ada": used(10, 2)}), groups_of({"ada": used(20, 4)}))

    assert {"frequency": 10, "depth": 0} == kept_effects(split)
    assert {"breadth", "group_mix"} == split.effects.keys() - kept_effects(split).keys()


@given(FIGURES, FIGURES, st.frozensets(NAMES))
def test_cohorts_sum_to_the_change(
    before: dict[str, Fraction], after: dict[str, Fraction], earlier: frozenset[str]
) -> None:
    """Every unit is in one cohort, so nothing is missed and nothing is there twice."""
    one, other = ({n: used(int(tokens)) for n, tokens in s.items()} for s in (before, after))
    names = before.keys() | after.keys()
    cohorts = {name: cohort_of(name, one, other, earlier) for name in names}

    changes = cohort_changes(before, after, cohorts)

    assert sum(after.values()) - sum(before.values()) == sum(one.change for one in changes)
    assert len(names) == sum(one.units for one in changes)
    assert list(COHORTS) == [one.cohort for one in changes]
    assert all(one.before == 0 for one in changes if one.cohort in {"new", "returned"})
    assert all(one.after == 0 for one in changes if one.cohort == "lost")
