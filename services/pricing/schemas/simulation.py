"""HTTP models of simulations: what is asked, and how it stands."""

from datetime import date, datetime
from fractions import Fraction
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from services.pricing.domain.simulation.migration import Guard
from services.pricing.schemas.fields import Amount, Day
from services.pricing.schemas.subscription_terms import Version
from shared.ids import Slug
from shared.money import exact, format_exact

PLANS_MAX = 20
ELASTICITIES_MAX = 5
WINDOW_DAYS_MAX = 732
PERIODS_MAX = 36
PERCENT_MAX = 100
ELASTICITY_MIN = -10

SeatCounts = Literal["declared", "declared_or_users", "users"]


def _read_elasticity(value: Any) -> str:
    if isinstance(value, str):
        try:
            number = exact(value)
        except ValueError:
            number = Fraction(1)
        if ELASTICITY_MIN <= number <= 0:
            return format_exact(number)
    raise PydanticCustomError(
        "invalid_elasticity", f"An elasticity is a decimal string from {ELASTICITY_MIN} to 0."
    )


Elasticity = Annotated[str, BeforeValidator(_read_elasticity)]


class PlanChoice(BaseModel):
    """A plan of a version, published or draft; without a version, of the book's newest."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    price_book: Slug
    plan: Slug
    version: Version | None = None

    @property
    def name(self) -> str:
        """How results call it: `book/plan`, or `book/plan@version`."""
        suffix = "" if self.version is None else f"@{self.version}"
        return f"{self.price_book}/{self.plan}{suffix}"


class MigrationAsked(BaseModel):
    """Tenants move to one of the plans; in the first periods no bill rises by more than that."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    to: PlanChoice
    starts_on: Annotated[Day, Field(description="the first tenants move with the period after it")]
    max_rise_percent: Amount
    periods: Annotated[int, Field(ge=1, le=PERIODS_MAX, strict=True)]
    max_fall_percent: Amount | None = None

    @model_validator(mode="after")
    def _falls_to_nothing_at_most(self) -> Self:
        if self.max_fall_percent is not None and exact(self.max_fall_percent) > PERCENT_MAX:
            raise PydanticCustomError("above_100_percent", "A bill falls by 100 percent at most.")
        return self

    def guard(self) -> Guard:
        fall = None if self.max_fall_percent is None else exact(self.max_fall_percent)
        return Guard(exact(self.max_rise_percent), self.periods, fall)


class SimulationWrite(BaseModel):
    """Plans over the periods that end in `(start, end]`, of all tenants that are ever billed.

    Seats are those that a tenant pays for (`declared`); where it pays for none, as many as `users`
    used something in the period, unless told otherwise. Elasticities say how usage answers to
    another bill: each is one more scenario beside unchanged usage.
    """

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={
            "examples": [
                {
                    "start": "2026-10-01",
                    "end": "2026-11-01",
                    "plans": [
                        {"price_book": "agents", "plan": "seats"},
                        {"price_book": "agents", "plan": "usage", "version": 2},
                    ],
                }
            ]
        },
    )

    start: Day
    end: Annotated[Day, Field(description="exclusive")]
    plans: list[PlanChoice] = Field(min_length=1, max_length=PLANS_MAX)
    seats: SeatCounts = "declared_or_users"
    elasticities: list[Elasticity] = Field(default=[], max_length=ELASTICITIES_MAX)
    migration: MigrationAsked | None = None

    @field_validator("end")
    @classmethod
    def _has_days(cls, end: date, info: ValidationInfo) -> date:
        start = info.data.get("start")
        if start is not None and not 1 <= (end - start).days <= WINDOW_DAYS_MAX:
            message = f"A window has 1 to {WINDOW_DAYS_MAX} days; `end` is exclusive."
            raise PydanticCustomError("invalid_window", message)
        return end

    @field_validator("plans")
    @classmethod
    def _names_each_once(cls, plans: list[PlanChoice]) -> list[PlanChoice]:
        if len({plan.name for plan in plans}) < len(plans):
            raise PydanticCustomError("duplicate_plan", "Each plan is named once.")
        return plans

    @field_validator("migration")
    @classmethod
    def _moves_to_one_of_them(
        cls, migration: MigrationAsked | None, info: ValidationInfo
    ) -> MigrationAsked | None:
        plans = info.data.get("plans")
        if migration is not None and plans is not None and migration.to not in plans:
            message = "Tenants move to one of `plans`, as it stands there."
            raise PydanticCustomError("unknown_target", message)
        return migration

    def scenarios(self) -> tuple[Fraction, ...]:
        """Return the elasticities that are not 0, each once, as they were given."""
        numbers = dict.fromkeys(exact(text) for text in self.elasticities)
        return tuple(number for number in numbers if number)


State = Literal["queued", "running", "done", "failed"]


class SimulationFailure(BaseModel):
    code: str
    message: str


class SimulationRead(BaseModel):
    """A simulation and how it stands; its result is at `…/result` once it is done."""

    simulation_id: str
    state: State
    request: SimulationWrite
    failure: SimulationFailure | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class SimulationList(BaseModel):
    """Newest first."""

    simulations: list[SimulationRead]
