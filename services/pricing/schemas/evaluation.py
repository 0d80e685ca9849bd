"""HTTP models of trying prices on usage."""

from datetime import date, datetime
from typing import Annotated, Any, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)
from pydantic_core import PydanticCustomError

from services.pricing.domain.meters import MeterReading
from services.pricing.domain.periods import Period
from services.pricing.domain.readings import Readings, UsageOfSeat
from services.pricing.domain.seats import ANY_CLASS, Seats
from services.pricing.domain.subscription.holder_log import Assignment
from services.pricing.domain.usage import SEAT_DIMENSIONS, Usage
from services.pricing.schemas.fields import Day, Identifier
from services.pricing.schemas.price_book import CHARGES_MAX, SeatClass
from services.pricing.schemas.seat_holder import User
from shared.events.statement_rated import StatementLine, UnratedUsage
from shared.ids import Slug
from shared.money import exact, format_exact

ROWS_MAX = 5_000
"""Rows of usage in one request."""

EVENTS_MAX = 10_000
EVENT_KINDS_MAX = 20
HOLDERS_MAX = 10_000
METERS_MAX = 100
SEATS_MAX = 10_000_000
SEAT_CLASSES_MAX = 100
PERIOD_DAYS_MAX = 366
VERSION_MAX = 1_000_000


def _read_signed(value: Any) -> str:
    if isinstance(value, str):
        try:
            return format_exact(exact(value))
        except ValueError:
            pass
    raise PydanticCustomError("not_a_decimal_string", "A number here is a string, as in '1.50'.")


Signed = Annotated[str, BeforeValidator(_read_signed)]


MeterKind = Annotated[
    str, StringConstraints(pattern=r"^meter:[a-z0-9][a-z0-9_-]{0,62}@[1-9][0-9]{0,8}$")
]


class EvaluatedUsage(BaseModel):
    """Some usage; what is left out is empty. `usage_day` is the period's first day by default."""

    model_config = ConfigDict(extra="forbid")

    kind: Identifier
    quantity: Signed
    provider: Identifier = ""
    agent: Identifier = ""
    model: Identifier = ""
    context_band: Identifier = "unknown"
    service_tier: Identifier = ""
    batch: Annotated[bool, Field(strict=True)] = False
    speed: Identifier = ""
    region: Identifier = ""
    purpose: Identifier = "production"
    status: Identifier = "completed"
    usage_day: Day | None = None
    user: Annotated[Identifier, Field(description="who used it, for pools of each seat")] = ""

    def to_domain(self, start: date) -> Usage:
        values = self.model_dump(exclude={"quantity", "usage_day", "batch", "user"})
        return Usage(
            **values,
            batch="true" if self.batch else "false",
            usage_day=self.usage_day or start,
            quantity=exact(self.quantity),
        )

    def of_user(self, start: date) -> UsageOfSeat:
        """Return who used it."""
        values = self.model_dump(include=set(SEAT_DIMENSIONS))
        day, quantity = self.usage_day or start, exact(self.quantity)
        return UsageOfSeat(self.user, ANY_CLASS, usage_day=day, quantity=quantity, **values)


SeatCount = Annotated[int, Field(strict=True, ge=0, le=SEATS_MAX)]
EvaluatedSeats = Annotated[
    dict[SeatClass, SeatCount],
    Field(max_length=SEAT_CLASSES_MAX),
    BeforeValidator(
        lambda value: {ANY_CLASS: value} if isinstance(value, int) else value,
        json_schema_input_type=int | dict[str, int],
    ),
]
"""Seats by class; a number alone is for seats that are not told apart."""


class EvaluationWrite(BaseModel):
    """Prices, and usage to try them on.

    Prices are a stored version (`price_book`, `version`) or a `content` as a version has it, which
    may leave out its plans: then all its charges are one. Usage is given (`usage`, and `events` for
    prices of single events), or that of a `tenant` which is booked in the period. `meters` are
    values of meters that do not add up, by kind, beside either of both. `seat_holders` are users
    with the class of their seat ("" where seats are not told apart); all others take what is left.
    `levels` are what is there before the period, by key of the charge; of a tenant they are known.
    """

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "content": {
                        "currency": "USD",
                        "charges": [
                            {
                                "key": "input",
                                "name": "Input tokens",
                                "model": "graduated",
                                "per": "1000000",
                                "usage": {"kinds": ["input_uncached"]},
                                "tiers": [
                                    {"up_to": "10000000", "unit_amount": "4.00"},
                                    {"up_to": None, "unit_amount": "3.00"},
                                ],
                            }
                        ],
                    },
                    "start": "2026-11-01",
                    "end": "2026-12-01",
                    "usage": [{"kind": "input_uncached", "quantity": "12000000"}],
                }
            ]
        },
    )

    start: Day
    end: Annotated[Day, Field(description="exclusive")]
    price_book: Slug | None = None
    version: Annotated[int, Field(strict=True, ge=1, le=VERSION_MAX)] | None = None
    content: dict[str, Any] | None = None
    plan: Slug | None = None
    seats: EvaluatedSeats = {}
    tenant: Slug | None = None
    usage: list[EvaluatedUsage] | None = Field(default=None, max_length=ROWS_MAX)
    events: dict[Identifier, list[Signed]] = Field(default={}, max_length=EVENT_KINDS_MAX)
    meters: dict[MeterKind, Signed] = Field(default={}, max_length=METERS_MAX)
    seat_holders: dict[User, SeatClass] = Field(default={}, max_length=HOLDERS_MAX)
    levels: dict[Slug, Signed] = Field(default={}, max_length=CHARGES_MAX)

    @model_validator(mode="after")
    def _one_of_each(self) -> Self:
        if not 1 <= (self.end - self.start).days <= PERIOD_DAYS_MAX:
            message = f"A period has 1 to {PERIOD_DAYS_MAX} days; `end` is exclusive."
            raise PydanticCustomError("invalid_period", message)
        stored = self.price_book is not None and self.version is not None
        if stored is (self.content is not None) or (self.price_book is None) is not (
            self.version is None
        ):
            message = "Prices are `price_book` and `version`, or `content`."
            raise PydanticCustomError("prices_stored_or_given", message)
        given = self.usage is not None or bool(self.events)
        nothing = self.tenant is None and not given and not self.meters
        if nothing or (self.tenant is not None and given):
            message = "Usage is given, or that of a `tenant`; one of both."
            raise PydanticCustomError("usage_given_or_past", message)
        if self.meters.keys() & {row.kind for row in self.usage or ()}:
            message = "The value of a meter stands in `meters` or in `usage`, once."
            raise PydanticCustomError("meter_given_twice", message)
        if sum(map(len, self.events.values())) > EVENTS_MAX:
            raise PydanticCustomError("list_too_long", f"At most {EVENTS_MAX} events are given.")
        return self

    def period(self) -> Period:
        return Period(self.start, self.end, (self.end - self.start).days)

    def domain_seats(self) -> Seats:
        return Seats(self.seats)

    def holder_log(self) -> list[Assignment]:
        """Return who is assigned to a seat, all period long."""
        holders = self.seat_holders.items()
        return [Assignment(user, seat_class, self.start) for user, seat_class in holders]

    def used_by(self) -> list[UsageOfSeat]:
        """Return who used what, of the usage that is given."""
        return [row.of_user(self.start) for row in self.usage or () if row.user]

    def readings(self) -> Readings:
        events = {kind: tuple(map(exact, values)) for kind, values in self.events.items()}
        last_day = self.period().last_day
        meters = {
            kind: MeterReading(exact(value), last_day, "given")
            for kind, value in self.meters.items()
        }
        levels = {key: exact(level) for key, level in self.levels.items()}
        return Readings(events=events, meters=meters, levels=levels)


class Evaluation(BaseModel):
    """What the usage comes to; nothing was stored."""

    currency: str
    plan: str
    start: date
    end: date = Field(description="exclusive")
    price_hash: str
    total_exact: str
    total_shown: str = Field(description="in decimals; 34 digits if endless")
    lines: list[StatementLine]
    unrated: list[UnratedUsage]
    watermark: datetime | None = Field(description="of past usage; null for given one")
    input_hash: str
    rating_hash: str
