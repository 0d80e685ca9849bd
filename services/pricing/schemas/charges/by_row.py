"""Charges whose price depends on what each part of the usage is, or when it came."""

from typing import Annotated, Literal

from pydantic import Field

from services.pricing.domain.charges import context_tier as domain
from services.pricing.domain.charges.cost_plus import CostPlus
from services.pricing.domain.charges.matrix import Cell, Matrix, Multiplier
from services.pricing.domain.charges.prorated_graduated import ProratedGraduated
from services.pricing.domain.charges.weighted_sum import WeightedSum
from services.pricing.schemas.charges.by_quantity import Tier, bound
from services.pricing.schemas.charges.charge import CELLS_MAX, ITEMS_MAX, Claiming, Narrowing
from services.pricing.schemas.conditions import ANYTHING, Patterns, UsageConditions
from services.pricing.schemas.content import Content
from services.pricing.schemas.fields import Amount, Bound, Identifier, Name, Positive, is_empty
from shared.money import exact


class MatrixCell(Content):
    """A price of each combination of the patterns; what is left out is anything."""

    models: Patterns = ANYTHING
    kinds: Patterns = ANYTHING
    context_bands: Patterns = ANYTHING
    service_tiers: Patterns = ANYTHING
    unit_amount: Amount

    def to_domain(self) -> Cell:
        return Cell(
            exact(self.unit_amount),
            models=tuple(self.models),
            kinds=tuple(self.kinds),
            context_bands=tuple(self.context_bands),
            service_tiers=tuple(self.service_tiers),
        )


class MatrixMultiplier(Content):
    """`factor` on the price of usage whose `dimension` has the `value`; several multiply."""

    name: Name
    dimension: Literal["speed", "batch", "service_tier", "region", "purpose", "status", "provider"]
    value: Identifier
    factor: Amount

    def to_domain(self) -> Multiplier:
        return Multiplier(self.name, self.dimension, self.value, exact(self.factor))


class MatrixCharge(Narrowing, UsageConditions):
    """A price for each `per` units by model, kind, context band, service tier.

    The most specific cell wins: the model is compared first, then the kind, the context band, the
    service tier. A text beats a pattern, of patterns the one with more characters beside `*`.
    """

    model: Literal["matrix"]
    per: Positive = "1"
    cells: list[MatrixCell] = Field(min_length=1, max_length=CELLS_MAX)
    multipliers: list[MatrixMultiplier] = Field(
        default_factory=list, max_length=ITEMS_MAX, exclude_if=is_empty
    )

    def price(self) -> Matrix:
        return Matrix(
            cells=tuple(cell.to_domain() for cell in self.cells),
            per=exact(self.per),
            multipliers=tuple(one.to_domain() for one in self.multipliers),
        )


class ContextTier(Content):
    """Prices by kind for requests of up to `up_to` input tokens, inclusive; null: open."""

    up_to: Bound | None
    unit_amounts: Annotated[dict[Identifier, Amount], Field(min_length=1, max_length=ITEMS_MAX)]

    def to_domain(self) -> domain.ContextTier:
        prices = {kind: exact(amount) for kind, amount in self.unit_amounts.items()}
        return domain.ContextTier(bound(self.up_to), prices)


class ContextTierCharge(Narrowing, UsageConditions):
    """The total input of a request picks the price of all its tokens, for each `per` units."""

    model: Literal["context_tier"]
    per: Positive = "1"
    tiers: list[ContextTier] = Field(min_length=1, max_length=ITEMS_MAX)

    def price(self) -> domain.ContextTiers:
        return domain.ContextTiers(tuple(tier.to_domain() for tier in self.tiers), exact(self.per))


class CostPlusCharge(Claiming, UsageConditions):
    """What the provider takes for the usage, times `multiplier`."""

    model: Literal["cost_plus"]
    multiplier: Amount

    def price(self) -> CostPlus:
        return CostPlus(exact(self.multiplier))


class WeightedSumCharge(Claiming, UsageConditions):
    """`unit_amount` for each `per` units that are there for a whole period; usage changes them."""

    model: Literal["weighted_sum"]
    per: Positive = "1"
    unit_amount: Amount

    def price(self) -> WeightedSum:
        return WeightedSum(exact(self.unit_amount), exact(self.per))


class ProratedGraduatedCharge(Claiming, UsageConditions):
    """Graduated by full units, charged by days; usage changes how many there are."""

    model: Literal["prorated_graduated"]
    per: Positive = "1"
    tiers: list[Tier] = Field(min_length=1, max_length=ITEMS_MAX)

    def price(self) -> ProratedGraduated:
        return ProratedGraduated(tuple(tier.to_domain() for tier in self.tiers), exact(self.per))
