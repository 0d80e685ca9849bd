"""The growth of tokens or revenue from one span of days to another, told in lines that add up."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction

from services.pricing.domain.column import Column
from services.pricing.domain.distribution import Distribution
from services.pricing.domain.growth.cohorts import (
    Cohort,
    CohortChange,
    Units,
    cohort_changes,
    cohort_of,
    groups_of,
    kept_effects,
)
from services.pricing.domain.growth.factors import (
    ZERO,
    Cell,
    Groups,
    split_revenue,
    split_tokens,
    sum_tree,
)


@dataclass(frozen=True)
class Side:
    """What there was in one span of days.

    `units` were active; `idle_tokens` are of units that were not (corrections that outweigh usage).
    Revenue: of tokens by group and cell; of usage that is no tokens; fees; and all of each unit,
    None where units have no revenue of their own.
    """

    units: Units
    idle_tokens: Fraction = ZERO
    token_revenue: Mapping[str, Mapping[Cell, Fraction]] = field(default_factory=dict)
    other_revenue: Fraction = ZERO
    fees: Fraction = ZERO
    unit_revenue: Mapping[str, Fraction] | None = None

    @property
    def tokens(self) -> Fraction:
        """All tokens."""
        return self.idle_tokens + sum_tree(list(self.unit_tokens.values()))

    @property
    def unit_tokens(self) -> dict[str, Fraction]:
        """Tokens of the active units."""
        return {name: sum(use.tokens.values(), ZERO) for name, use in self.units.items()}

    @property
    def revenue(self) -> Fraction:
        """All revenue."""
        cells = [amount for cells in self.token_revenue.values() for amount in cells.values()]
        return sum_tree(cells) + self.other_revenue + self.fees


@dataclass(frozen=True)
class UnitFigures:
    """The units of a side; `tail` is of tokens by unit."""

    units: int
    active_days: int
    tail: Distribution | None


@dataclass(frozen=True)
class CohortSplit:
    """A change by cohort: cohorts and `outside` sum to it, `kept` to that of the kept units.

    `outside` is what belongs to no active unit.
    """

    cohorts: Sequence[CohortChange]
    outside: Fraction
    kept: Mapping[str, Fraction]


@dataclass(frozen=True)
class Growth:
    """A change, split twice. The effects sum to it exactly; so do the cohorts, where there are any.

    `depth` splits the effect `depth`.
    """

    before: Fraction
    after: Fraction
    effects: Mapping[str, Fraction]
    depth: Mapping[str, Fraction] | None
    cohorts: CohortSplit | None
    units: tuple[UnitFigures, UnitFigures]

    @property
    def change(self) -> Fraction:
        return self.after - self.before


def growth_of_tokens(before: Side, after: Side, earlier: Collection[str]) -> Growth:
    """Return the growth of tokens; `earlier` are units that were active before both."""
    split = split_tokens(groups_of(before.units), groups_of(after.units))
    idle = after.idle_tokens - before.idle_tokens
    cohorts = _cohorts(before, after, earlier)
    changes = cohort_changes(before.unit_tokens, after.unit_tokens, cohorts)
    kept = split_tokens(*_kept_groups(before, after, cohorts))
    return Growth(
        before.tokens,
        after.tokens,
        {**split.effects, "idle": idle},
        split.depth,
        CohortSplit(changes, idle, kept_effects(kept)),
        _figures(before, after),
    )


def growth_of_revenue(before: Side, after: Side, earlier: Collection[str]) -> Growth:
    """Return the growth of revenue; by cohort only where units have revenue of their own."""
    (one, beside_one), (other, beside_other) = _priced(before), _priced(after)
    split = split_revenue(one, other)
    beside = {
        "without_tokens": beside_other - beside_one,
        "other_usage": after.other_revenue - before.other_revenue,
        "fees": after.fees - before.fees,
    }
    return Growth(
        before.revenue,
        after.revenue,
        {**split.effects, **beside},
        None,
        _revenue_cohorts(before, after, earlier),
        _figures(before, after),
    )


def _priced(side: Side) -> tuple[Groups, Fraction]:
    """Return groups with the revenue of their tokens, and what cells without tokens brought in."""
    groups, beside = groups_of(side.units), ZERO
    for name, cells in side.token_revenue.items():
        use = groups.get(name)
        tokens = use.tokens if use else {}
        beside += sum((amount for cell, amount in cells.items() if not tokens.get(cell)), ZERO)
        if use:
            own = {cell: amount for cell, amount in cells.items() if tokens.get(cell)}
            groups[name] = replace(use, revenue=own)
    return groups, beside


def _revenue_cohorts(before: Side, after: Side, earlier: Collection[str]) -> CohortSplit | None:
    if before.unit_revenue is None or after.unit_revenue is None:
        return None
    cohorts = _cohorts(before, after, earlier)
    changes = cohort_changes(before.unit_revenue, after.unit_revenue, cohorts)
    outside = [
        sum((a for name, a in side.items() if name not in cohorts), ZERO)
        for side in (before.unit_revenue, after.unit_revenue)
    ]
    nobodys = [
        side.revenue - sum_tree(list((side.unit_revenue or {}).values()))
        for side in (before, after)
    ]
    kept = kept_effects(split_revenue(*_kept_groups(before, after, cohorts)))
    of_kept = next(one.change for one in changes if one.cohort == "kept")
    kept["beside_tokens"] = of_kept - sum(kept.values(), ZERO)
    return CohortSplit(changes, outside[1] - outside[0] + nobodys[1] - nobodys[0], kept)


def _cohorts(before: Side, after: Side, earlier: Collection[str]) -> dict[str, Cohort]:
    names = before.units.keys() | after.units.keys()
    return {name: cohort_of(name, before.units, after.units, earlier) for name in sorted(names)}


def _kept_groups(before: Side, after: Side, cohorts: Mapping[str, Cohort]) -> tuple[Groups, Groups]:
    kept = {name for name, cohort in cohorts.items() if cohort == "kept"}
    one, other = (
        groups_of({name: use for name, use in side.units.items() if name in kept})
        for side in (before, after)
    )
    return one, other


def _figures(before: Side, after: Side) -> tuple[UnitFigures, UnitFigures]:
    return _figures_of(before), _figures_of(after)


def _figures_of(side: Side) -> UnitFigures:
    tokens = side.unit_tokens.values()
    tail = Distribution.of(Column.of(tokens)) if any(tokens) else None
    return UnitFigures(len(side.units), sum(use.days for use in side.units.values()), tail)
