"""`spend.crossed`: a tenant's spend or credit crossed a bound that the vendor has set.

Guarantees: written in the transaction that crosses it, so it is told of once; `crossing_id` stays
the same when the message is sent again.
"""

from datetime import date
from typing import ClassVar, Literal

from pydantic import Field

from shared.events.message import Message
from shared.topics import SPEND_CROSSED, Topic


class SpendCrossed(Message):
    """A bound that was crossed. `wallet_low`: prepaid credit fell below it, and was not bought."""

    topic: ClassVar[Topic] = SPEND_CROSSED

    tenant_id: str
    crossing_id: str
    kind: Literal["wallet_low"]
    currency: str
    bound_exact: str = Field(description="plain decimal, or numerator/denominator")
    now_exact: str = Field(description="what there is behind it: the balance")
    booked_on: date = Field(description="UTC day on which it was crossed")
    statement_id: str | None = Field(description="the statement that crossed it")

    def key_parts(self) -> tuple[str, ...]:
        return (self.vendor_id, self.tenant_id)
