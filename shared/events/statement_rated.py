"""`statement.rated`: a rated statement from pricing to invoicing, amounts exact and unrounded.

Guarantees: a statement never changes; (vendor, mode, `statement_id`) is its identity, and the same
input gives the same `rating_hash`. Invoicing owns rounding, allocation and everything after.
"""

from datetime import date
from typing import ClassVar, Literal

from pydantic import Field

from shared.events.message import Frozen, Message, Quantity
from shared.topics import STATEMENT_RATED, Topic


class RatingStep(Frozen):
    """One step of how a line's amount came about, in words and as an exact amount."""

    step: str
    description: str
    amount_exact: str


class StatementDetail(Frozen):
    """The part of a line that one agent on one model caused on one day, by kind."""

    agent: str
    model: str
    kind: str
    usage_day: date
    quantity: Quantity
    amount_exact: str = Field(description="plain decimal, or numerator/denominator")


class StatementLine(Frozen):
    """What one charge comes to in the period. `line_key` orders lines and breaks ties."""

    line_key: str
    charge: str
    model: str = Field(description="the charge's price model: per_unit, graduated, volume, …")
    description: str
    quantity: Quantity
    unit: str = Field(description="what the quantity counts: tokens, seats, periods, …")
    amount_exact: str = Field(description="plain decimal, or numerator/denominator")
    steps: list[RatingStep]
    details: list[StatementDetail]


class UnratedUsage(Frozen):
    """Usage that no charge claims: never dropped, shown, and an alert."""

    provider: str
    model: str
    kind: str
    quantity: Quantity


class StatementRated(Message):
    """The statement of one subscription's period, `[period_start, period_end)` in UTC days."""

    topic: ClassVar[Topic] = STATEMENT_RATED

    tenant_id: str
    statement_id: str
    subscription_id: str
    kind: Literal["period"]
    sequence: int = Field(ge=1, description="1 for the subscription's first period, counting up")
    period_start: date = Field(description="inclusive")
    period_end: date = Field(description="exclusive")
    currency: str
    price_book: str
    price_version: int = Field(ge=1)
    price_hash: str
    plan: str
    input_hash: str
    rating_hash: str
    total_exact: str
    lines: list[StatementLine]
    unrated: list[UnratedUsage]

    def key_parts(self) -> tuple[str, ...]:
        return (self.vendor_id, self.tenant_id)
