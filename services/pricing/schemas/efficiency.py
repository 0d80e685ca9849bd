"""HTTP models of efficiency: assumptions in, figures out; amounts in US dollars, exact."""

from collections.abc import Mapping
from datetime import date
from fractions import Fraction
from typing import Annotated, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
)
from pydantic_core import PydanticCustomError

from services.pricing.domain.efficiency.caching import CacheTarget
from services.pricing.domain.efficiency.costing import UnpricedKey
from services.pricing.domain.efficiency.custom_models import CustomModel
from services.pricing.domain.efficiency.routing import Model, RoutingPolicy
from services.pricing.schemas.fields import Amount, Day, Identifier, Name, Positive
from services.pricing.schemas.provider_price import Named
from shared.ids import Slug
from shared.money import exact, format_exact

DAYS_MAX = 366
POLICIES_MAX = 50
MODELS_MAX = 50
MONTHS_MAX = 120


def _read_share(value: object) -> str:
    try:
        share = exact(value) if isinstance(value, str) else None
    except ValueError:
        share = None
    if share is None or not 0 <= share <= 1:
        message = "A share is a decimal string from '0' to '1'."
        raise PydanticCustomError("not_a_share", message)
    return format_exact(share)


Share = Annotated[str, BeforeValidator(_read_share), WithJsonSchema({"type": "string"})]
"""A part of all, from 0 to 1 inclusive."""


class ModelNamed(BaseModel):
    """A model of a provider, both as usage names them."""

    model_config = ConfigDict(extra="forbid")

    provider: Named
    model: Named

    @classmethod
    def of(cls, model: Model) -> Self:
        return cls(provider=model.provider, model=model.model)

    def to_domain(self) -> Model:
        return Model(self.provider, self.model)


class CacheTargetWrite(BaseModel):
    """What a better use of prompt caches would reach."""

    model_config = ConfigDict(extra="forbid")

    hit_ratio: Share = Field(default="0.5", description="share of all input read from the cache")
    reads_per_write: Positive = Field(default="2", description="how often what is written is read")

    def to_domain(self) -> CacheTarget:
        return CacheTarget(exact(self.hit_ratio), exact(self.reads_per_write))


class RoutingPolicyWrite(BaseModel):
    """A policy as it stood before anybody looked at its saving. Every share is an assumption."""

    model_config = ConfigDict(extra="forbid")

    name: Name
    agent: Identifier = Field(default="", description="whose requests; empty: of all agents")
    baseline: ModelNamed = Field(description="what the requests ask for, not the dearest")
    chosen: ModelNamed
    hold_out: Share = Field(default="0.05", description="share that stays on the baseline")
    gate: Share = Field(description="share of routed answers that pass the quality gate")
    cache_loss: Share = Field(description="share of cached input that is written anew")
    router_cost: Amount = Field(default="0", description="what deciding costs, in the period")

    @field_validator("chosen")
    @classmethod
    def _goes_elsewhere(cls, chosen: ModelNamed, others: ValidationInfo) -> ModelNamed:
        if others.data.get("baseline") == chosen:
            message = "The chosen model is another than the baseline."
            raise PydanticCustomError("route_to_itself", message)
        return chosen

    def to_domain(self) -> RoutingPolicy:
        return RoutingPolicy(
            name=self.name,
            agent=self.agent,
            baseline=self.baseline.to_domain(),
            chosen=self.chosen.to_domain(),
            hold_out=exact(self.hold_out),
            gate=exact(self.gate),
            cache_loss=exact(self.cache_loss),
            router_cost=exact(self.router_cost),
        )


class CustomModelWrite(BaseModel):
    """A model of one's own that would serve what another serves now."""

    model_config = ConfigDict(extra="forbid")

    name: Name
    replaces: ModelNamed
    training: Amount = Field(description="once, in US dollars")
    months: Annotated[int, Field(strict=True, ge=1, le=MONTHS_MAX, description="it is spread over")]
    hosting: Amount = Field(description="each month")
    per_million_tokens: Amount = Field(description="of whatever type")

    def to_domain(self) -> CustomModel:
        return CustomModel(
            name=self.name,
            replaces=self.replaces.to_domain(),
            training=exact(self.training),
            months=self.months,
            hosting=exact(self.hosting),
            per_token=exact(self.per_million_tokens) / 1_000_000,
        )


class EfficiencyWrite(BaseModel):
    """Which usage is looked at, and what is assumed of a better one."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "start": "2026-10-01",
                    "end": "2026-11-01",
                    "cache": {"hit_ratio": "0.6", "reads_per_write": "3"},
                    "routing": [
                        {
                            "name": "triage on the small model",
                            "agent": "support",
                            "baseline": {"provider": "openai", "model": "gpt-5"},
                            "chosen": {"provider": "openai", "model": "gpt-5-mini"},
                            "hold_out": "0.05",
                            "gate": "0.9",
                            "cache_loss": "0.3",
                        }
                    ],
                }
            ]
        },
    )

    start: Day
    end: Annotated[Day, Field(description="exclusive")]
    tenant: Slug | None = None
    cache: CacheTargetWrite = CacheTargetWrite()
    routing: list[RoutingPolicyWrite] = Field(default=[], max_length=POLICIES_MAX)
    custom_models: list[CustomModelWrite] = Field(default=[], max_length=MODELS_MAX)

    @field_validator("end")
    @classmethod
    def _is_a_period(cls, end: date, others: ValidationInfo) -> date:
        start = others.data.get("start")
        if start is not None and not 1 <= (end - start).days <= DAYS_MAX:
            message = f"A period has 1 to {DAYS_MAX} days; `end` is exclusive."
            raise PydanticCustomError("invalid_period", message)
        return end


class UnpricedRead(BaseModel):
    """Usage that is in no figure, since nobody knows its price."""

    provider: str
    model: str
    kind: str
    reason: str
    quantity: str

    @classmethod
    def of(cls, unpriced: Mapping[UnpricedKey, Fraction]) -> list[Self]:
        """Return what a report could not price, in order."""
        names = ("provider", "model", "kind", "reason")
        return [
            cls(**dict(zip(names, key, strict=True)), quantity=format_exact(unpriced[key]))
            for key in sorted(unpriced)
        ]
