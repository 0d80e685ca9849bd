"""HTTP models of bills, statements and what waits for a person."""

from datetime import date, datetime
from typing import Literal

from pydantic import BaseModel, Field

from shared.events.message import Mode
from shared.events.statement_rated import (
    ProviderCost,
    StatementLine,
    StatementRated,
    UnpricedUsage,
    UnratedUsage,
)


class SubscriptionBill(BaseModel):
    """The open period of a subscription as it stands; amounts exact and before tax.

    `total_exact` and `lines` are those of the statement to come: with the fees in advance of the
    next period, and of this one what is not charged yet. Those that are charged stand apart. What
    progressive statements invoiced of the period is taken off, a line for each (`credited`).
    """

    subscription_id: str
    price_book: str
    plan: str
    sequence: int
    period_start: date
    period_end: date = Field(description="exclusive")
    state: Literal["open", "no_price_version"]
    price_version: int | None
    price_hash: str | None
    currency: str | None
    total_exact: str
    total_shown: str = Field(description="in decimals; 34 digits if endless")
    input_hash: str | None
    rating_hash: str | None
    lines: list[StatementLine]
    charged: list[StatementLine] = Field(
        default=[], description="fees of this period that were charged in advance, as they were"
    )
    charged_exact: str = Field(default="0", description="what they come to; not in `total_exact`")
    opens_on: date | None = Field(
        default=None,
        description="first day charged: an opening statement brings the fees in advance that stand "
        "in `lines`; null once it is made",
    )
    unrated: list[UnratedUsage]
    cost: ProviderCost | None = None
    unpriced: list[UnpricedUsage] = Field(default=[])


class Bill(BaseModel):
    """A tenant's running bill; usage counted before `watermark` is in it."""

    tenant_id: str
    mode: Mode
    as_of: datetime
    watermark: datetime | None = Field(description="null before the first usage")
    subscriptions: list[SubscriptionBill]


class StatementSummary(BaseModel):
    statement_id: str
    tenant_id: str
    subscription_id: str
    kind: Literal["period", "opening", "progressive", "topup"]
    sequence: int
    period_start: date
    period_end: date = Field(description="exclusive")
    currency: str
    price_book: str
    price_version: int
    total_exact: str
    input_hash: str
    rating_hash: str
    unrated: bool
    created_at: datetime


class StatementList(BaseModel):
    """Oldest first; `next_after` is the `after` of the next page, null on the last one."""

    statements: list[StatementSummary]
    next_after: int | None


class StatementRead(StatementRated):
    """A statement as it went out on `statement.rated`."""
