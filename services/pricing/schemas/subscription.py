"""HTTP models of subscriptions."""

from datetime import date
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from services.pricing.schemas.fields import Day
from services.pricing.schemas.subscription_terms import (
    PHASES_MAX,
    SEATS_MAX,
    TRIAL_DAYS_MAX,
    Phase,
)
from shared.ids import Slug


class SubscriptionWrite(BaseModel):
    """A tenant on a plan. Its first period starts on `starts_on` and ends at the next anchor."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "tenant_id": "globex",
                    "price_book": "demo",
                    "plan": "globex",
                    "starts_on": "2023-11-01",
                    "anchor_day": 1,
                    "seats": 0,
                }
            ]
        },
    )

    tenant_id: Slug
    price_book: Slug
    plan: Slug
    starts_on: Annotated[Day, Field(description="first day, inclusive")]
    anchor_day: int = Field(
        default=1,
        ge=1,
        le=31,
        strict=True,
        description="day of the month on which periods start; the last day of a shorter month",
    )
    seats: int = Field(default=0, ge=0, le=SEATS_MAX, strict=True)
    ends_on: Annotated[Day | None, Field(description="last day, inclusive; null: open")] = None

    trial_days: int = Field(
        default=0, ge=0, le=TRIAL_DAYS_MAX, strict=True, description="free days at the start"
    )
    phases: list[Phase] = Field(default_factory=list, max_length=PHASES_MAX)

    @model_validator(mode="after")
    def _phases_lie_within(self) -> Self:
        if any(phase.starts_on < self.starts_on for phase in self.phases):
            message = "A phase does not start before the subscription."
            raise PydanticCustomError("phase_before_start", message)
        return self

    @model_validator(mode="after")
    def _ends_after_it_starts(self) -> Self:
        if self.ends_on is not None and self.ends_on < self.starts_on:
            message = "A subscription does not end before it starts."
            raise PydanticCustomError("ends_before_start", message)
        return self


class OpenPeriod(BaseModel):
    """The first period without a statement, `[start, end)`."""

    sequence: int
    start: date
    end: date


class SubscriptionRead(SubscriptionWrite):
    subscription_id: str
    last_day: date | None = Field(
        description="inclusive, by the terms or a cancellation; null: open"
    )
    open_period: OpenPeriod | None = Field(description="null when all periods are rated")


class SubscriptionList(BaseModel):
    """In the order of their ids; `next_after` is the `after` of the next page, null on the last."""

    subscriptions: list[SubscriptionRead]
    next_after: str | None
