"""Matrix: a price for each combination of model, kind, context band and service tier.

The most specific cell wins, by the rule of `patterns`: the model is compared first, then the kind,
then the context band, then the service tier. Usage that no cell matches is not priced here: it
stays unrated, and is never free by accident. Multipliers act on the cell's price.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from operator import itemgetter
from typing import ClassVar, NamedTuple

from services.pricing.domain.charges.price import ZERO, PricedRows, RowPrice, Situation
from services.pricing.domain.patterns import ANY, Entry, PatternTable
from services.pricing.domain.step import PRICE, Step
from services.pricing.domain.usage import Usage, UsageGroup
from services.pricing.domain.words import Words
from shared.money import sum_exact

KNOWN_MAX = 50_000
"""Combinations of dimensions whose price is remembered."""

CELL_DIMENSIONS = ("model", "kind", "context_band", "service_tier")
"""What a cell can speak of, in the order in which cells are compared."""


@dataclass(frozen=True)
class Cell:
    """A price of each combination of the patterns; a dimension left out accepts everything."""

    unit_amount: Fraction
    models: tuple[str, ...] = (ANY,)
    kinds: tuple[str, ...] = (ANY,)
    context_bands: tuple[str, ...] = (ANY,)
    service_tiers: tuple[str, ...] = (ANY,)

    @property
    def patterns(self) -> tuple[tuple[str, ...], ...]:
        """The patterns in the order of `CELL_DIMENSIONS`."""
        return (self.models, self.kinds, self.context_bands, self.service_tiers)


@dataclass(frozen=True)
class Multiplier:
    """`factor` on the price of usage whose `dimension` has the value; several multiply."""

    name: str
    dimension: str
    value: str
    factor: Fraction


class _Price(NamedTuple):
    """The price of rows that are alike, and what their step speaks of.

    `same` tells steps apart, by the price, too: multipliers of one name may have several factors.
    """

    key: tuple[str, ...]
    unit_amount: Fraction
    rate: Fraction
    same: tuple[object, ...]


@dataclass(frozen=True)
class Matrix(RowPrice):
    """Prices for each `per` units (> 0)."""

    model: ClassVar[str] = "matrix"

    cells: tuple[Cell, ...]
    per: Fraction = Fraction(1)
    multipliers: tuple[Multiplier, ...] = ()

    def __post_init__(self) -> None:
        _ = self.table

    @cached_property
    def table(self) -> PatternTable[Cell]:
        """The cells by their patterns."""
        return PatternTable(tuple(Entry(cell.patterns, cell) for cell in self.cells))

    @cached_property
    def _prices(self) -> dict[tuple[str, ...], _Price]:
        return {}

    def cell_of(self, row: Usage) -> Cell | None:
        """Return the cell that prices a row."""
        return self.table.find((row.model, row.kind, row.context_band, row.service_tier))

    def accepts(self, row: Usage) -> bool:
        """Tell whether some cell prices the row."""
        return self.cell_of(row) is not None

    def factors_of(self, row: Usage) -> tuple[Multiplier, ...]:
        """Return the multipliers that act on a row."""
        if not self.multipliers:
            return ()
        return tuple(m for m in self.multipliers if getattr(row, m.dimension) == m.value)

    def price_rows(
        self, groups: Sequence[UsageGroup], situation: Situation, words: Words
    ) -> PricedRows:
        """Return a step for each (model, kind, price) that occurs."""
        del situation
        used: dict[tuple[object, ...], tuple[_Price, list[Fraction]]] = {}
        amounts = []
        for group in groups:
            price = self._price_of(group.rows[0])
            used.setdefault(price.same, (price, []))[1].append(group.total)
            amounts.append(group.daily.quantities.times(price.rate))
        steps = []
        for price, quantities in sorted(used.values(), key=itemgetter(0)):
            quantity = sum_exact(quantities)
            if quantity:
                text = self._description(price, quantity, words)
                steps.append(Step(PRICE, text, quantity * price.rate))
        return PricedRows(steps, amounts)

    def _price_of(self, row: Usage) -> _Price:
        """Return the price of a row: the same for all that are alike, so it is kept."""
        found = self._prices.get(row.dimensions)
        if found is None:
            if len(self._prices) >= KNOWN_MAX:
                self._prices.clear()
            found = self._prices[row.dimensions] = self._find_price(row)
        return found

    def _find_price(self, row: Usage) -> _Price:
        cell = self.cell_of(row)
        price = ZERO if cell is None else cell.unit_amount
        factors = self.factors_of(row)
        for multiplier in factors:
            price *= multiplier.factor
        names = (multiplier.name for multiplier in factors)
        band = row.context_band if cell is not None and cell.context_bands != (ANY,) else ""
        tier = row.service_tier if cell is not None and cell.service_tiers != (ANY,) else ""
        key = (row.model, row.kind, band, tier, *names)
        return _Price(key, price, price / self.per, (key, price.as_integer_ratio()))

    def _description(self, price: _Price, quantity: Fraction, words: Words) -> str:
        model, kind, *rest = price.key
        beside = f" ({', '.join(part for part in rest if part)})" if any(rest) else ""
        count = words.count(quantity, kind)
        return f"{model}: {count}{beside} at {words.price(price.unit_amount, self.per)}"
