"""HTTP models of migrations: subscriptions of a book move to another plan or version together."""

from datetime import date
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from services.pricing.schemas.subscription_change import ChangePreview, When
from services.pricing.schemas.subscription_terms import Stays, Version
from shared.ids import Slug

COHORTS_MAX = 20
SUBSCRIPTIONS_MAX = 500
PERCENT_MAX = 100


class Target(BaseModel):
    """Where to; what is left out stays as it is. No version: the one in force on the day."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    price_book: Slug | None = None
    plan: Slug | None = None
    price_version: Version | None = None
    stays: Stays = True


class Cohort(BaseModel):
    """So many percent of the subscriptions, by a number that their id alone decides."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    percent: Annotated[int, Field(ge=1, le=PERCENT_MAX, strict=True)]
    when: When


class MigrationWrite(BaseModel):
    """Running subscriptions of a book, by id, that are on it on the day of their cohort.

    A page of them at a time: `after` is the `next_after` of the page before.
    """

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={
            "examples": [
                {
                    "plan": "team",
                    "to": {"price_version": 2, "stays": False},
                    "cohorts": [
                        {"percent": 10, "when": "2024-01-16"},
                        {"percent": 90, "when": "period_end"},
                    ],
                }
            ]
        },
    )

    plan: Slug | None = Field(default=None, description="those on this plan alone")
    subscriptions: list[Slug] | None = Field(
        default=None, min_length=1, max_length=SUBSCRIPTIONS_MAX, description="these alone"
    )
    to: Target
    cohorts: list[Cohort] = Field(min_length=1, max_length=COHORTS_MAX)
    after: Slug | None = None
    limit: Annotated[int, Field(ge=1, le=SUBSCRIPTIONS_MAX, strict=True)] = 100

    @model_validator(mode="after")
    def _at_most_all(self) -> Self:
        if sum(cohort.percent for cohort in self.cohorts) > PERCENT_MAX:
            message = "The cohorts are at most 100 percent together."
            raise PydanticCustomError("above_100_percent", message)
        return self


class Moved(BaseModel):
    """A subscription that moves; `cohort` counts from 1."""

    subscription_id: str
    tenant_id: str
    cohort: int
    effective_on: date


class MovedPreview(Moved):
    preview: ChangePreview


class Sum(BaseModel):
    """What the periods of the change come to together, of all subscriptions of a currency."""

    currency: str
    before_exact: str
    after_exact: str
    difference_exact: str
    words: str


class MigrationPreview(BaseModel):
    """What a page of a migration would do. Nothing was stored."""

    subscriptions: list[MovedPreview]
    sums: list[Sum]
    next_after: str | None = Field(description="null on the last page")


class MigrationMade(BaseModel):
    subscriptions: list[Moved]
    next_after: str | None = Field(description="null on the last page")
