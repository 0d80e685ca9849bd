"""Unit conversion: usage in units of its own (credits), so much for each kind and model."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

from services.pricing.domain.patterns import ANY, Entry, PatternTable


@dataclass(frozen=True)
class ConversionRate:
    """`units` for each `per` (> 0) of usage; linear, units stay fractional."""

    units: Fraction
    per: Fraction = Fraction(1)
    kinds: tuple[str, ...] = (ANY,)
    models: tuple[str, ...] = (ANY,)


@dataclass(frozen=True)
class Conversion:
    """Rates into `unit`; the most specific one wins (model first), as in a matrix."""

    unit: str
    rates: tuple[ConversionRate, ...]

    def __post_init__(self) -> None:
        _ = self._table

    @cached_property
    def _table(self) -> PatternTable[Fraction]:
        entries = (Entry((r.models, r.kinds), r.units / r.per) for r in self.rates)
        return PatternTable(tuple(entries))

    def rate_of(self, model: str, kind: str) -> Fraction | None:
        """Return units for one of a kind on a model; None if it cannot be converted."""
        return self._table.find((model, kind))

    def convert(self, used: Sequence[tuple[str, str, Fraction]]) -> list[Fraction]:
        """Return the units of each (model, kind, quantity); what has no rate comes to 0."""
        return [(self.rate_of(model, kind) or 0) * quantity for model, kind, quantity in used]
