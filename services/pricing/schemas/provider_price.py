"""HTTP models of the prices that a vendor itself pays to providers."""

from datetime import date, datetime
from fractions import Fraction
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator
from pydantic_core import PydanticCustomError
from pydantic_core.core_schema import ValidationInfo

from services.pricing.domain.cost.circumstances import service_tier_of, speed_of
from services.pricing.domain.cost.overlay import OverlayPrice
from services.pricing.domain.cost.prices import BAND_EDGES, Source, Step, UnitPrice
from services.pricing.schemas.fields import Amount, Day, Identifier, Name, Positive
from shared.money import exact

PRICES_MAX = 500
STEPS_MAX = 8

Named = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.:/@+-]{1,128}$")]
ModelName = Annotated[str, StringConstraints(pattern=r"^(\*|[A-Za-z0-9_.:/@+-]{1,128})$")]


class LongContext(BaseModel):
    """The price of all units of a request with more than `above` input tokens."""

    model_config = ConfigDict(extra="forbid")

    above: int = Field(strict=True, description="an edge of the context bands, such as 200000")
    unit_amount: Amount

    @field_validator("above")
    @classmethod
    def _is_an_edge(cls, above: int) -> int:
        if above not in BAND_EDGES:
            edges = ", ".join(str(edge) for edge in sorted(BAND_EDGES))
            message = f"Usage is counted in bands of context that end at {edges}."
            raise PydanticCustomError("not_a_band_edge", message)
        return above


class ProviderPriceWrite(BaseModel):
    """A price in US dollars for usage of the days `[effective_from, effective_to)`.

    What is not stated of service tier, batch and speed accepts everything. A later row of the same
    key replaces an earlier one; with `unit_amount` null it takes it back.
    """

    model_config = ConfigDict(extra="forbid")

    source: Literal["contract", "manual"]
    provider: Named
    model: ModelName = Field(description="as usage has it, or * for every model")
    kind: Named = Field(description="token type or unit")
    service_tier: Identifier | None = Field(
        default=None, description="empty: the provider's standard; null: any"
    )
    batch: bool | None = Field(default=None, strict=True)
    speed: Identifier | None = Field(default=None, description="empty: the standard; null: any")
    effective_from: Day
    effective_to: Annotated[Day | None, Field(description="exclusive; null: open")] = None
    per: Annotated[Positive, Field(description="how many units `unit_amount` is for")]
    unit_amount: Amount | None
    long_context: list[LongContext] = Field(default=[], max_length=STEPS_MAX)
    note: Name | None = Field(default=None, description="why, or which contract")

    @field_validator("effective_to")
    @classmethod
    def _ends_after_it_starts(cls, day: date | None, info: ValidationInfo) -> date | None:
        start = info.data.get("effective_from")
        if day is not None and start is not None and day <= start:
            raise PydanticCustomError("ends_before_start", "A price holds for a day at least.")
        return day

    @field_validator("long_context")
    @classmethod
    def _bounds_rise(cls, steps: list[LongContext], info: ValidationInfo) -> list[LongContext]:
        bounds = [step.above for step in steps]
        if bounds != sorted(set(bounds)):
            raise PydanticCustomError("bounds_not_rising", "Each bound lies above the one before.")
        if steps and "unit_amount" in info.data and info.data["unit_amount"] is None:
            message = "A price that is taken back has no long-context prices."
            raise PydanticCustomError("long_context_without_price", message)
        return steps


class ProviderPricesWrite(BaseModel):
    """Prices that are stored all or none."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "prices": [
                        {
                            "source": "contract",
                            "provider": "anthropic",
                            "model": "claude-sonnet-4-6",
                            "kind": "input_uncached",
                            "effective_from": "2026-01-01",
                            "per": "1000000",
                            "unit_amount": "2.40",
                            "note": "Order form 12",
                        }
                    ]
                }
            ]
        },
    )

    prices: list[ProviderPriceWrite] = Field(min_length=1, max_length=PRICES_MAX)


class ProviderPriceRead(ProviderPriceWrite):
    position: int
    created_at: datetime

    def to_domain(self) -> OverlayPrice:
        """Return the row as the look-up takes it: amounts for single units."""
        per = exact(self.per)
        price = None
        if self.unit_amount is not None:
            steps = tuple(
                Step(step.above, exact(step.unit_amount) / per) for step in self.long_context
            )
            price = UnitPrice(Fraction(exact(self.unit_amount)) / per, steps)
        return OverlayPrice(
            position=self.position,
            source=Source.CONTRACT if self.source == "contract" else Source.MANUAL,
            provider=self.provider,
            model=self.model,
            kind=self.kind,
            service_tier=None if self.service_tier is None else service_tier_of(self.service_tier),
            batch=self.batch,
            speed=None if self.speed is None else speed_of(self.speed),
            effective_from=self.effective_from,
            effective_to=self.effective_to,
            price=price,
        )


class ProviderPriceList(BaseModel):
    """In the order of writing; `next_after` is the `after` of the next page, null on the last."""

    prices: list[ProviderPriceRead]
    next_after: int | None


class ProviderPricesWritten(BaseModel):
    positions: list[int] = Field(description="of the rows, in the order of the request")
