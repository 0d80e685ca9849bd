"""Price books as JSON: what a vendor writes, and how it becomes values of the domain."""

from fractions import Fraction
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
)
from pydantic_core import PydanticCustomError

from services.pricing.domain import charges as domain
from services.pricing.schemas.fields import Amount, Bound, Identifier, Name, Positive
from shared.ids import Slug
from shared.money import exact

CHARGES_MAX = 200
PLANS_MAX = 100
PLAN_CHARGES_MAX = 100
TIERS_MAX = 100
VALUES_MAX = 200


class _Content(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def _read_timing(value: Any) -> Any:
    if value == "in_advance":
        message = "Fees are charged in arrears; in advance is not offered yet."
        raise PydanticCustomError("timing_not_supported", message)
    return value


Timing = Annotated[Literal["in_arrears"], BeforeValidator(_read_timing)]
Values = Annotated[list[Identifier], Field(min_length=1, max_length=VALUES_MAX)]

DIMENSIONS = {
    "kinds": "kind",
    "providers": "provider",
    "models": "model",
    "agents": "agent",
    "context_bands": "context_band",
    "service_tiers": "service_tier",
    "speeds": "speed",
    "regions": "region",
    "purposes": "purpose",
    "statuses": "status",
}
"""Field of a filter → the dimension of usage that it speaks of."""


class UsageFilter(_Content):
    """Which usage a charge claims: in each dimension that is named, one of its values."""

    kinds: Values
    providers: Values | None = None
    models: Values | None = None
    agents: Values | None = None
    context_bands: Values | None = None
    service_tiers: Values | None = None
    speeds: Values | None = None
    regions: Values | None = None
    purposes: Values | None = None
    statuses: Values | None = None
    batch: Annotated[bool, Field(strict=True)] | None = None

    @model_serializer(mode="wrap")
    def _named_only(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        content: dict[str, Any] = handler(self)
        return {name: value for name, value in content.items() if value is not None}

    def to_domain(self) -> domain.UsageFilter:
        named = {DIMENSIONS[name]: getattr(self, name) for name in DIMENSIONS}
        dimensions = {name: frozenset(values) for name, values in named.items() if values}
        if self.batch is not None:
            dimensions["batch"] = frozenset({str(self.batch).lower()})
        return domain.UsageFilter(dimensions)


class _Charge(_Content):
    key: Slug
    name: Name


class FlatCharge(_Charge):
    """A fixed amount for each period."""

    model: Literal["flat"]
    amount: Amount
    timing: Timing = "in_arrears"

    def to_domain(self) -> domain.FlatCharge:
        return domain.FlatCharge(self.key, self.name, exact(self.amount))


class PerSeatCharge(_Charge):
    """An amount for each seat of the subscription and period."""

    model: Literal["per_seat"]
    unit_amount: Amount
    timing: Timing = "in_arrears"

    def to_domain(self) -> domain.PerSeatCharge:
        return domain.PerSeatCharge(self.key, self.name, exact(self.unit_amount))


class PerUnitCharge(_Charge):
    """`unit_amount` for each `per` units, linear."""

    model: Literal["per_unit"]
    usage: UsageFilter
    per: Positive = "1"
    unit_amount: Amount

    def to_domain(self) -> domain.PerUnitCharge:
        return domain.PerUnitCharge(
            self.key, self.name, self.usage.to_domain(), exact(self.per), exact(self.unit_amount)
        )


class Tier(_Content):
    """A price up to `up_to` raw units, inclusive; null: open. `flat_amount` once it is entered."""

    up_to: Bound | None
    unit_amount: Amount
    flat_amount: Amount = "0"

    def to_domain(self) -> domain.Tier:
        bound: Fraction | None = None if self.up_to is None else exact(self.up_to)
        return domain.Tier(bound, exact(self.unit_amount), exact(self.flat_amount))


class _TieredCharge(_Charge):
    usage: UsageFilter
    per: Positive = "1"
    tiers: list[Tier] = Field(min_length=1, max_length=TIERS_MAX)


class GraduatedCharge(_TieredCharge):
    """Each part of the quantity at the price of the tier that it falls in."""

    model: Literal["graduated"]

    def to_domain(self) -> domain.GraduatedCharge:
        tiers = tuple(tier.to_domain() for tier in self.tiers)
        return domain.GraduatedCharge(
            self.key, self.name, self.usage.to_domain(), exact(self.per), tiers
        )


class VolumeCharge(_TieredCharge):
    """The whole quantity at the price of the tier that it reaches."""

    model: Literal["volume"]

    def to_domain(self) -> domain.VolumeCharge:
        tiers = tuple(tier.to_domain() for tier in self.tiers)
        return domain.VolumeCharge(
            self.key, self.name, self.usage.to_domain(), exact(self.per), tiers
        )


Charge = FlatCharge | PerSeatCharge | PerUnitCharge | GraduatedCharge | VolumeCharge

CHARGE_MODELS: dict[str, type[Charge]] = {
    "flat": FlatCharge,
    "per_seat": PerSeatCharge,
    "per_unit": PerUnitCharge,
    "graduated": GraduatedCharge,
    "volume": VolumeCharge,
}


class Plan(_Content):
    """Charges that are sold together; a statement shows them in this order."""

    key: Slug
    name: Name
    charges: list[Slug] = Field(min_length=1, max_length=PLAN_CHARGES_MAX)


class PriceBookContent(_Content):
    """One version of a price book. Every number is a decimal string."""

    currency: str = Field(description="ISO 4217 code", examples=["USD"])
    charges: list[Annotated[Charge, Field(discriminator="model")]] = Field(max_length=CHARGES_MAX)
    plans: list[Plan] = Field(min_length=1, max_length=PLANS_MAX)

    def plan(self, key: str) -> domain.Plan | None:
        """Return a plan with its charges as values of the domain; None when there is none such."""
        by_key = {charge.key: charge for charge in self.charges}
        for plan in self.plans:
            if plan.key == key:
                rated = tuple(by_key[name].to_domain() for name in plan.charges)
                return domain.Plan(plan.key, plan.name, rated)
        return None
