"""`meter.wanted`: pricing asks metering for the value of a meter over a tenant's days.

Guarantees: `request_id` is made of the question, so whoever asks again asks the same. The answer is
`MeterValued` on `usage.aggregated`, in the partition of the tenant's usage and seals.
"""

from datetime import date
from typing import Annotated, ClassVar, Self

from pydantic import Field, StringConstraints, model_validator

from shared.events.message import Message
from shared.topics import METER_WANTED, Topic

Printable = Annotated[str, StringConstraints(pattern=r"^[!-~]{1,256}$")]


class MeterWanted(Message):
    """A question for a meter that does not add up: unique, max, latest, weighted, free events.

    With `booked_before` the value is final, and that of what was booked before that day, whose
    days are all sealed; without, it is provisional, and that of all that is counted by now.
    """

    topic: ClassVar[Topic] = METER_WANTED

    tenant_id: Printable
    request_id: Printable
    name: Printable
    meter_version: int = Field(ge=1, le=2**31 - 1)
    period_start: date = Field(description="UTC day, inclusive")
    period_end: date = Field(description="UTC day, exclusive")
    booked_before: date | None = Field(
        description="the period's end or, for what came late, the end of a later one; null: live"
    )

    @model_validator(mode="after")
    def _days_in_order(self) -> Self:
        if self.period_start >= self.period_end:
            raise ValueError("a period ends after it starts")
        if self.booked_before is not None and self.booked_before < self.period_end:
            raise ValueError("a final value is of a period whose days are all sealed")
        return self

    def key_parts(self) -> tuple[str, ...]:
        return (self.vendor_id, self.tenant_id)
