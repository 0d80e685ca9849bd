"""`usage.aggregated`: cumulative daily usage from metering to pricing, the seals behind it, meters.

Guarantees: rows are cumulative for their (usage day, booked day), so the one with the highest
`version` is the whole truth and receiving one twice or late is harmless. A partition of this topic
belongs to one publisher at a time. `DaySealed` goes to every partition, behind the rows it covers.
"""

from datetime import date, datetime
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field

from shared.events.message import Frozen, Message, Quantity
from shared.money import parse_exact
from shared.topics import USAGE_AGGREGATED, Topic

ROWS_PER_MESSAGE = 500
"""Rows of either kind in one message, at most; more go out as further messages of one version."""


class UsageRow(Frozen):
    """Usage of one tenant on one day by everything a price can depend on.

    `kind` is a token type or a unit. `usage_day` is when it happened, `booked_day` the day it
    counts for: the same, unless it came after that day was sealed.
    """

    provider: str
    agent: str
    model: str
    kind: str
    context_band: str
    service_tier: str
    batch: bool
    speed: str
    region: str
    purpose: str
    status: str
    usage_day: date
    booked_day: date
    entry: Literal["usage", "correction"]
    quantity: Quantity
    events: int = Field(description="negative where corrections take back more than they add")


class UserUsageRow(Frozen):
    """Usage of one tenant on one day by who caused it."""

    team: str
    user: str
    agent: str
    model: str
    purpose: str
    kind: str
    usage_day: date
    booked_day: date
    entry: Literal["usage", "correction"]
    quantity: Quantity
    events: int = Field(description="negative where corrections take back more than they add")


class UsageAggregated(Message):
    """Cumulative daily rows of one tenant. `watermark`: events counted before it are in."""

    topic: ClassVar[Topic] = USAGE_AGGREGATED

    tenant_id: str
    version: int = Field(ge=1)
    watermark: datetime
    rows: list[UsageRow] = Field(max_length=ROWS_PER_MESSAGE)
    user_rows: list[UserUsageRow] = Field(max_length=ROWS_PER_MESSAGE)

    def key_parts(self) -> tuple[str, ...]:
        return (self.vendor_id, self.tenant_id)


class TenantDay(Frozen):
    """What a tenant's booked day adds up to: the check against a lost message.

    `rows` counts `UsageRow`s with that `booked_day`; `sums` adds their quantities by kind.
    """

    tenant_id: str
    rows: int = Field(ge=0)
    sums: dict[str, Quantity]


class DaySealed(Message):
    """Nothing with this `booked_day` changes any more.

    `part` i (1-based) of `parts` for this partition; a tenant's day is complete when its
    partition's parts are all in. `first_day` is the account's first sealed day: nothing is booked
    before it, and a reader that lacks a seal since then has lost one. `offsets` is the sealed
    offset vector: an event is late exactly if its offset in `usage.recorded` is at or beyond its
    partition's entry.
    """

    topic: ClassVar[Topic] = USAGE_AGGREGATED

    day: date
    first_day: date
    version: int = Field(ge=1)
    part: int = Field(ge=1)
    parts: int = Field(ge=1)
    recount: Literal["agreed", "differs", "off"]
    offsets: dict[int, int]
    tenants: list[TenantDay] = Field(max_length=ROWS_PER_MESSAGE)

    def key_parts(self) -> tuple[str, ...]:
        return (self.vendor_id,)


class MeterDefined(Message):
    """A version of a meter exists, and never changes: a price book may name it.

    The values of an additive one come as rows of `kind = meter:<name>@<meter_version>`, those of
    any other as `MeterValued`, to whoever asks with `MeterWanted`.
    """

    topic: ClassVar[Topic] = USAGE_AGGREGATED

    name: str
    meter_version: int = Field(ge=1)
    is_additive: bool

    def key_parts(self) -> tuple[str, ...]:
        return (self.vendor_id,)


def _exact_text(text: str) -> str:
    try:
        parse_exact(text)
    except ZeroDivisionError as error:
        raise ValueError("nothing is divided by 0") from error
    return text


class MeterValued(Message):
    """The value of a meter that does not add up, over a tenant's days: the answer to `MeterWanted`.

    With `booked_before` it is final: it counts what was below the offsets at which the day before
    that one was sealed, and the same question has the same answer for ever. Without, it counts what
    was below `offsets` when it was computed, and is provisional.
    """

    topic: ClassVar[Topic] = USAGE_AGGREGATED

    tenant_id: str
    request_id: str = Field(description="of the question")
    name: str
    meter_version: int = Field(ge=1)
    period_start: date = Field(description="inclusive")
    period_end: date = Field(description="exclusive")
    booked_before: date | None
    value_exact: Annotated[str, AfterValidator(_exact_text)] = Field(
        description="plain decimal, or numerator/denominator"
    )
    events: int = Field(ge=0, description="of the period that the meter counted")
    content_hash: str = Field(
        description="SHA-256, hexadecimal, of the definition, the days and every measured event"
    )
    offsets: dict[int, int] = Field(
        description="of `usage.recorded` by partition, exclusive: what lies below is counted"
    )
    as_of: datetime = Field(
        description="final: when the last day was sealed; provisional: events before it are in"
    )

    @property
    def is_final(self) -> bool:
        return self.booked_before is not None

    def key_parts(self) -> tuple[str, ...]:
        return (self.vendor_id, self.tenant_id)
