"""Units by when they were active: new, kept, returned and lost ones, and what each group changed.

What comes and goes is told apart from what the others changed: in one average a new unit that uses
little looks like old ones that use less.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, NamedTuple

from services.pricing.domain.growth.factors import ZERO, Cell, FactorSplit, GroupUse, sum_tree

Cohort = Literal["new", "returned", "kept", "lost"]
COHORTS: tuple[Cohort, ...] = ("new", "returned", "kept", "lost")


class UnitUse(NamedTuple):
    """What one unit used in some days, on how many of them it was active, what it brought in."""

    group: str
    days: int
    tokens: Mapping[Cell, Fraction]
    revenue: Mapping[Cell, Fraction]


Units = Mapping[str, UnitUse]
"""Active units by name: each has tokens in these days."""


@dataclass(frozen=True)
class CohortChange:
    """What the units of a cohort came to before and after."""

    cohort: Cohort
    units: int
    before: Fraction
    after: Fraction

    @property
    def change(self) -> Fraction:
        return self.after - self.before


def cohort_of(name: str, before: Units, after: Units, earlier: Iterable[str]) -> Cohort:
    """Return the cohort of a unit that was active before or after; `earlier` were before both."""
    if name in before:
        return "kept" if name in after else "lost"
    return "returned" if name in earlier else "new"


def cohort_changes(
    before: Mapping[str, Fraction], after: Mapping[str, Fraction], cohorts: Mapping[str, Cohort]
) -> list[CohortChange]:
    """Return the change of each cohort; they sum to the change of all units.

    `before` and `after` are a figure of each unit. Units that have the figure without being active
    are in no cohort.
    """
    names: dict[Cohort, list[str]] = {cohort: [] for cohort in COHORTS}
    for name, cohort in cohorts.items():
        names[cohort].append(name)
    return [
        CohortChange(
            cohort,
            len(own),
            sum_tree([before.get(name, ZERO) for name in own]),
            sum_tree([after.get(name, ZERO) for name in own]),
        )
        for cohort, own in names.items()
    ]


def groups_of(units: Units) -> dict[str, GroupUse]:
    """Return units added up by their groups.

    Revenue of a cell whose tokens come to nothing in its group (one unit's were taken back by
    another's correction) has no price, and is left out.
    """
    added: dict[str, tuple[int, int, dict[Cell, Fraction], dict[Cell, Fraction]]] = {}
    for use in units.values():
        number, days, tokens, revenue = added.get(use.group, (0, 0, {}, {}))
        for sums, more in ((tokens, use.tokens), (revenue, use.revenue)):
            for cell, amount in more.items():
                sums[cell] = sums.get(cell, ZERO) + amount
        added[use.group] = (number + 1, days + use.days, tokens, revenue)
    return {
        name: GroupUse(number, days, tokens, {c: a for c, a in revenue.items() if tokens.get(c)})
        for name, (number, days, tokens, revenue) in added.items()
    }


def kept_effects(split: FactorSplit) -> dict[str, Fraction]:
    """Return the effects among kept units: who they are does not change, so two are 0."""
    return {
        name: effect
        for name, effect in split.effects.items()
        if name not in ("breadth", "group_mix")
    }
