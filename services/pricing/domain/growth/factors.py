"""A change of tokens or revenue, split by what it is the product of.

value = units x (share of each group) x (active days of a unit) x (tokens of an active day)
          x (share of each model and kind in the tokens) x (price of a token)

for each group of units, such as a tenant's users. What is not of this form is told beside it.

The first two are the units of a group. They change together, as one factor of its product, whose
effect is then split among the two (an Owen value): so the other effects of a group are of what
changed in it alone, and none grows because others came.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from math import lcm, prod
from typing import NamedTuple

from services.pricing.domain.growth.kinds import PARTS, TOKEN_PARTS
from services.pricing.domain.growth.shapley import Changed, product_effects, shapley

ZERO = Fraction(0)
ADDED_IN_A_ROW = 8


class Cell(NamedTuple):
    """What has a price of its own: tokens of a kind on a model."""

    model: str
    kind: str


@dataclass(frozen=True)
class GroupUse:
    """What a group of units used in some days, and what that brought in.

    `days` are the days on which a unit was active, added up over the units. A group with units has
    tokens, one without has none; a cell with revenue has tokens. Raises ValueError for others.
    """

    units: int = 0
    days: int = 0
    tokens: Mapping[Cell, Fraction] = field(default_factory=dict)
    revenue: Mapping[Cell, Fraction] = field(default_factory=dict)

    def __post_init__(self) -> None:
        active = self.units > 0 and self.days >= self.units and self.all_tokens > 0
        if not active and (self.units or self.days or self.tokens):
            raise ValueError("units are active on days, by tokens; nobody uses nothing")
        if any(amount and not self.tokens.get(cell) for cell, amount in self.revenue.items()):
            raise ValueError("what has no tokens brings nothing in by them")

    @property
    def all_tokens(self) -> Fraction:
        return sum(self.tokens.values(), ZERO)

    @property
    def all_revenue(self) -> Fraction:
        return sum_tree(list(self.revenue.values()))


Groups = Mapping[str, GroupUse]
"""What was used, by the name of the group."""

FACTORS = ("breadth", "group_mix", "frequency", "depth", "model_mix", "price")
OF_A_GROUP = ("units", *FACTORS[2:])
UNITS, DEPTH = OF_A_GROUP.index("units"), OF_A_GROUP.index("depth")


@dataclass(frozen=True)
class FactorSplit:
    """A change by factor; `effects` sum to `after - before`, both of what has this form.

    `depth` splits the effect `depth` by part of a call; it is known of tokens only.
    """

    before: Fraction
    after: Fraction
    effects: Mapping[str, Fraction]
    depth: Mapping[str, Fraction] | None = None


def split_tokens(before: Groups, after: Groups) -> FactorSplit:
    """Split the change of tokens: each counts 1, so that models and prices have no effect."""
    one, other = _priced_at_one(before), _priced_at_one(after)
    split = split_revenue(one, other)
    depth = dict.fromkeys(PARTS, ZERO)
    for change in _changes(one, other):
        unit = change.effect_of_a_token()
        for part, more in change.depth_changes().items():
            depth[part] += unit * more
    effects = {name: split.effects[name] for name in FACTORS[:4]}
    return replace(split, effects=effects, depth=depth)


def split_revenue(before: Groups, after: Groups) -> FactorSplit:
    """Split the change of what tokens brought in."""
    by_group = [change.effects() for change in _changes(before, after)]
    effects = [sum_tree([row[place] for row in by_group]) for place in range(len(FACTORS))]
    return FactorSplit(
        sum_tree([use.all_revenue for use in before.values()]),
        sum_tree([use.all_revenue for use in after.values()]),
        dict(zip(FACTORS, effects, strict=True)),
    )


def sum_tree(amounts: Sequence[Fraction]) -> Fraction:
    """Return a sum, added in halves: many unlike denominators grow slowly that way."""
    if len(amounts) <= ADDED_IN_A_ROW:
        return sum(amounts, ZERO)
    half = len(amounts) // 2
    return sum_tree(amounts[:half]) + sum_tree(amounts[half:])


def _priced_at_one(groups: Groups) -> Groups:
    return {name: replace(use, revenue=use.tokens) for name, use in groups.items()}


def _changes(before: Groups, after: Groups) -> "list[_Change]":
    units = tuple(sum(use.units for use in groups.values()) for groups in (before, after))
    nobody = GroupUse()
    return [
        _Change(units, (before.get(name, nobody), after.get(name, nobody)))
        for name in sorted(before.keys() | after.keys())
    ]


class _Change:
    """The factors of one group before and after.

    A factor that one of the two does not have (a group without units, a cell without tokens) is
    that of the other: what comes or goes is breadth and mix, and never a change of price or depth.
    """

    def __init__(self, units: tuple[int, ...], uses: tuple[GroupUse, GroupUse]) -> None:
        """Take the units of all groups, and what this one used."""
        present = [use for use in uses if use.units]
        filled = [use if use.units else present[0] for use in uses] if present else []
        self._uses = uses
        self._units = [Fraction(number) for number in units]
        self._own_units = [Fraction(use.units) for use in uses]
        self._frequencies = [Fraction(use.days, use.units) for use in filled]
        self._depths = [use.all_tokens / use.days for use in filled]
        self._prices = _mean_prices(filled)

    def effects(self) -> list[Fraction]:
        """Return the effect of each of `FACTORS`."""
        _, *others = self._split(self._own_units, self._depths)
        a_unit = self._split([ZERO, Fraction(1)], self._depths)[UNITS]
        return [a_unit * more for more in self._unit_changes()] + others

    def effect_of_a_token(self) -> Fraction:
        """Return what one token more on each active day comes to, other factors as they changed."""
        depths = [ZERO, Fraction(1)] if self._depths else []
        return self._split(self._own_units, depths)[DEPTH]

    def _unit_changes(self) -> list[Fraction]:
        """Return how many more units there are by more units of all, and by a larger share."""
        if not any(self._own_units):
            return [ZERO, ZERO]
        shares = _filled(
            [
                own / number if number else None
                for own, number in zip(self._own_units, self._units, strict=True)
            ]
        )
        return product_effects([self._units[0], shares[0]], [self._units[1], shares[1]])

    def depth_changes(self) -> dict[str, Fraction]:
        """Return by part how many more tokens an active day has."""
        if not self._depths:
            return {}
        changes = dict.fromkeys(PARTS, ZERO)
        present = [use for use in self._uses if use.units]
        for use, sign in zip(self._uses, (-1, 1), strict=True):
            known = use if use.units else present[0]
            for cell, tokens in known.tokens.items():
                changes[TOKEN_PARTS[cell.kind]] += sign * tokens / known.days
        return changes

    def _split(self, units: Sequence[Fraction], depths: Sequence[Fraction]) -> list[Fraction]:
        """Return the effect of each of `OF_A_GROUP`, of so many units with such depths."""
        if not depths:
            return [ZERO] * len(OF_A_GROUP)
        # Whole numbers over one denominator: a combination is four multiplications of integers.
        (numbers, days, tokens), scales = zip(
            *map(_whole, (units, self._frequencies, depths)), strict=True
        )
        prices, scale = _whole([price for row in self._prices for price in row])

        def value(changed: Changed) -> int:
            breadth, frequency, depth, models, own = changed
            used: int = numbers[breadth] * days[frequency] * tokens[depth]
            return used * prices[2 * models + own]

        whole = scale * prod(scales)
        return [effect / whole for effect in shapley(len(OF_A_GROUP), value)]


def _whole(values: Sequence[Fraction]) -> tuple[list[int], int]:
    """Return numerators over the common denominator, and that."""
    scale = lcm(*(value.denominator for value in values))
    return [value.numerator * (scale // value.denominator) for value in values], scale


def _filled(values: Sequence[Fraction | None]) -> list[Fraction]:
    """Return two values, each that is missing as the other one."""
    known = [value for value in values if value is not None]
    return [known[0] if value is None else value for value in values]


def _mean_prices(uses: Sequence[GroupUse]) -> list[list[Fraction]]:
    """Return the mean price of a token by whose tokens (0, 1), then by whose prices (0, 1)."""
    cells = {cell for use in uses for cell, tokens in use.tokens.items() if tokens}
    prices = {cell: _filled([_price(use, cell) for use in uses]) for cell in sorted(cells)}
    return [
        [
            sum_tree([use.tokens.get(cell, ZERO) * both[place] for cell, both in prices.items()])
            / use.all_tokens
            for place in range(len(uses))
        ]
        for use in uses
    ]


def _price(use: GroupUse, cell: Cell) -> Fraction | None:
    tokens = use.tokens.get(cell, ZERO)
    return use.revenue.get(cell, ZERO) / tokens if tokens else None
