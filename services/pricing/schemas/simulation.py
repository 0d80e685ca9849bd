"""HTTP models of simulations: what is asked, and what came out."""

from datetime import date, datetime
from fractions import Fraction
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator
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

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if not 1 <= (self.end - self.start).days <= WINDOW_DAYS_MAX:
            message = f"A window has 1 to {WINDOW_DAYS_MAX} days; `end` is exclusive."
            raise PydanticCustomError("invalid_window", message)
        if len({plan.name for plan in self.plans}) < len(self.plans):
            raise PydanticCustomError("duplicate_plan", "Each plan is named once.")
        if self.migration is not None and self.migration.to not in self.plans:
            message = "Tenants move to one of `plans`, as it stands there."
            raise PydanticCustomError("unknown_target", message)
        return self

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


class Money(BaseModel):
    """`exact` without rounding; `shown` rounded to minor units."""

    exact: str
    shown: str


class People(BaseModel):
    """What people bring in a month, rounded to minor units over the window."""

    count: int
    mean: Money | None
    median: Money | None
    p90: Money | None
    p99: Money | None
    largest: Money | None
    top_decile_share: str | None = Field(description="of 1, to six places")
    gini: str | None = Field(description="0: all alike; to six places")
    more_than_today: int
    less_than_today: int
    nobody: Money = Field(description="over the window, of usage that names no user")


class Changed(BaseModel):
    """Tenants, and how much more or less they pay together over the window."""

    tenants: int
    change: Money


class Answer(BaseModel):
    """All of a plan's revenue when usage answers to its price."""

    elasticity: str
    revenue: Money
    cost: Money | None
    margin: Money | None


class TenantOutcome(BaseModel):
    tenant_id: str
    periods: int
    people: int
    revenue: Money
    today: Money
    change: Money
    change_percent: str | None = Field(description="null where nothing is paid today")
    cost: Money | None
    margin: Money | None
    unrated: int = Field(description="combinations of provider, model and kind without a price")


class PlanOutcome(BaseModel):
    """A plan over all tenants; `cost` and margin are null where some usage has no known cost."""

    plan: str
    content_hash: str | None
    revenue: Money
    change: Money
    change_percent: str | None
    cost: Money | None
    margin: Money | None
    margin_percent: str | None
    pays_more: Changed
    pays_less: Changed
    unchanged: int
    people: People
    answers: list[Answer]
    unrated: list[list[str]]
    tenants: list[TenantOutcome]


class EvenAt(BaseModel):
    """Usage of a person in a month, at the mix that was used; null: no usage is."""

    multiple: str | None = Field(description="of the mean person's usage")
    tokens: str | None


class SeatEven(BaseModel):
    plan: str
    seat_fee: Money
    cost_reaches_fee_at: EvenAt
    usage_costs_as_much_at: dict[str, EvenAt]


class MovedTenant(BaseModel):
    """How a tenant moves, with what was replayed as its first periods."""

    tenant_id: str
    cohort: Literal["pays_less", "within", "capped"]
    average_today: Money
    maximum: Money | None = Field(description="of a whole period's bill; null: none")
    minimum: Money | None
    bills: list[Money]
    charged: list[Money]
    requests: list[dict[str, Any]] = Field(
        description="of the API, in their order: method, path and body of each"
    )


class MigrationResult(BaseModel):
    to: str
    periods: int
    forgone: Money = Field(description="what caps take from the vendor in the replayed periods")
    kept: Money = Field(description="what floors bring above the plan")
    cost: Money = Field(description="forgone less kept")
    cohorts: dict[str, int]
    tenants: list[MovedTenant]


class SimulationResult(BaseModel):
    """`today` is a plan like the others: what each tenant is on."""

    start: date
    end: date
    currency: str
    tenants: int
    left_out: dict[str, str] = Field(description="tenant → why")
    assumptions: list[str]
    plans: list[PlanOutcome]
    mean_person_tokens: str | None = Field(description="a month")
    seats: list[SeatEven]
    migration: MigrationResult | None
