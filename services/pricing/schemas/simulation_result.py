"""HTTP models of what came out of a simulation."""

from datetime import date
from typing import Any, Literal

from pydantic import BaseModel, Field


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
    blocked_bills: int = Field(
        default=0,
        description="bills in which a limit blocks usage: not billed, but its cost counts",
    )
    tenants: list[TenantOutcome]


class EvenAt(BaseModel):
    """Usage of a person in a month, at the mix that was used; null: no usage is."""

    multiple: str | None = Field(description="of the mean person's usage")
    tokens: str | None


class SeatEven(BaseModel):
    plan: str
    seat_fee: Money
    cost_reaches_fee_at: EvenAt | None = Field(
        description="null: some of the usage has no known cost"
    )
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
