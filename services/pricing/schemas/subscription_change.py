"""HTTP models of changes to subscriptions."""

from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from services.pricing.domain.seats import ANY_CLASS
from services.pricing.domain.subscription import changes as domain
from services.pricing.schemas.fields import Day
from services.pricing.schemas.overrides import Override, overrides_of
from services.pricing.schemas.subscription_terms import (
    OVERRIDES_MAX,
    SEATS_MAX,
    Stays,
    Version,
)
from shared.ids import Slug

When = Annotated[
    Literal["now", "period_end"] | Day,
    Field(
        description="now: from today on, 00:00 UTC (a cancellation: from tomorrow on). "
        "period_end: from the start of the next period on. Or the first day, as in '2024-01-16'."
    ),
]


class _Write(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    when: When


class PlanChange(_Write):
    """Another plan, or another version of it; what is left out stays as it is.

    `price_version` names a version to stay on. Without it, that of the day counts, and from the
    next period on again the version in force at its start.
    """

    kind: Literal["plan"]
    price_book: Slug | None = None
    plan: Slug | None = None
    price_version: Version | None = None
    stays: Stays = True


class SeatsChange(_Write):
    """So many seats in all. Added ones pay from their day, removed ones to the period's end."""

    kind: Literal["seats"]
    seats: int = Field(ge=0, le=SEATS_MAX, strict=True)
    seat_class: Slug | None = None


class OverridesChange(_Write):
    """The tenant's own prices, in place of all earlier ones; an empty list ends them."""

    kind: Literal["overrides"]
    overrides: list[Override] = Field(max_length=OVERRIDES_MAX)


class Pause(_Write):
    kind: Literal["pause"]


class Resume(_Write):
    kind: Literal["resume"]


class Cancel(_Write):
    """The day of effect is the first that the subscription no longer holds."""

    kind: Literal["cancel"]


class Withdraw(BaseModel):
    """A change that was made, but did not happen yet, will not."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["withdraw"]
    change_id: str = Field(pattern=r"^[0-9a-f-]{36}$")


ChangeWrite = Annotated[
    PlanChange | SeatsChange | OverridesChange | Pause | Resume | Cancel | Withdraw,
    Field(discriminator="kind"),
]


class ChangeBody(BaseModel):
    """The body of a request: one change."""

    model_config = ConfigDict(extra="forbid")

    change: ChangeWrite


class ChangeRead(BaseModel):
    """A change as it is kept. `effective_on` is the first day on which it holds, 00:00 UTC."""

    change_id: str
    position: int
    kind: str
    effective_on: date
    content: dict[str, Any]
    withdrawn: bool
    created_at: datetime


class ChangeList(BaseModel):
    changes: list[ChangeRead] = Field(description="as they were made")


class Compared(BaseModel):
    """A period without and with a change; amounts exact, before credits and tax.

    Fees in advance are those of this very period, whichever statement charges them.
    """

    period_start: date
    period_end: date = Field(description="exclusive")
    currency: str
    before_exact: str
    after_exact: str
    difference_exact: str
    charged_exact: str = Field(description="fees of the period that are charged already")
    words: str


class ChangePreview(BaseModel):
    """What a change would do. Nothing was stored."""

    effective_on: date
    words: list[str]
    periods: list[Compared] = Field(
        description="the period of the change, with the usage so far, and the next whole one, "
        "with fees alone"
    )


class ChangeMade(BaseModel):
    change: ChangeRead
    last_day: date | None = Field(description="of the subscription, inclusive; null: open")


def event_of(kind: str, content: dict[str, Any]) -> domain.Event:
    """Return a stored change as what happened."""
    if kind == "plan":
        return domain.ChoosePlan(**{name: content[name] for name in CHOICE})
    if kind == "overrides":
        return domain.SetOverrides(overrides_of(content["overrides"]))
    if kind == "seats":
        return domain.SetSeats(content["seats"], content["seat_class"] or ANY_CLASS)
    if kind == "withdraw":
        return domain.Withdraw(content["change_id"])
    return BARE[kind]()


BARE: dict[str, type[domain.Pause | domain.Resume | domain.Cancel]] = {
    "pause": domain.Pause,
    "resume": domain.Resume,
    "cancel": domain.Cancel,
}
CHOICE = ("price_book", "plan", "price_version", "stays")
