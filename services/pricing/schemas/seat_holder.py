"""HTTP models of who holds the seats of a subscription."""

from datetime import date, datetime
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from services.pricing.domain.seats import ANY_CLASS
from services.pricing.domain.subscription.holder_log import Assignment
from services.pricing.schemas.fields import Day
from shared.ids import Slug

HOLDERS_PER_REQUEST = 1_000

User = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.:/@+-]{1,128}$")]
"""A user as events name them."""


class _Days(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    user: User
    from_day: Annotated[Day, Field(description="first day, inclusive")]
    until_day: Annotated[Day | None, Field(description="last day, inclusive; null: open")] = None

    @model_validator(mode="after")
    def _ends_after_it_starts(self) -> Self:
        if self.until_day is not None and self.until_day < self.from_day:
            message = "The last day is not before the first."
            raise PydanticCustomError("until_before_from", message)
        return self


class Assign(_Days):
    """The user holds a seat on those days, of a class if the seats have any."""

    kind: Literal["assign"]
    seat_class: Slug | None = None

    def to_domain(self) -> Assignment:
        seat_class = self.seat_class or ANY_CLASS
        return Assignment(self.user, seat_class, self.from_day, self.until_day)


class Release(_Days):
    """The user is assigned to no seat on those days."""

    kind: Literal["release"]

    def to_domain(self) -> Assignment:
        return Assignment(self.user, None, self.from_day, self.until_day)


class SeatHoldersWrite(BaseModel):
    """What is added to the log, in this order: all of it, or nothing.

    Of two entries for a user and day the later stands; nothing is rewritten.
    """

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "changes": [
                        {"kind": "release", "user": "bob", "from_day": "2023-11-16"},
                        {
                            "kind": "assign",
                            "user": "ada",
                            "seat_class": "premium",
                            "from_day": "2023-11-16",
                        },
                    ]
                }
            ]
        },
    )

    changes: list[Annotated[Assign | Release, Field(discriminator="kind")]] = Field(
        min_length=1, max_length=HOLDERS_PER_REQUEST
    )


class HolderEntry(BaseModel):
    """An entry of the log; `seat_class` null: seats that are not told apart, or none is held."""

    position: int
    kind: Literal["assign", "release"]
    user: str
    seat_class: str | None
    from_day: date
    until_day: date | None
    created_at: datetime


class HolderEntries(BaseModel):
    entries: list[HolderEntry] = Field(description="as they were made")


class HolderLog(HolderEntries):
    """`next_after` is the `after` of the next page, null on the last."""

    next_after: int | None


class SeatHolder(BaseModel):
    user: str
    seat_class: str | None = Field(description="null: seats that are not told apart")


class SeatsOfClass(BaseModel):
    seat_class: str | None = Field(description="null: seats that are not told apart")
    seats: int = Field(description="paid for on the day")
    left: int = Field(description="that nobody is assigned to: they go to those who use most")


class SeatHolders(BaseModel):
    """Who is assigned to a seat on a day."""

    day: date
    seats: list[SeatsOfClass]
    holders: list[SeatHolder] = Field(description="in the order in which they were assigned")
    without_seat: list[SeatHolder] = Field(
        description="assigned, but there are fewer seats by now: they were assigned last"
    )
