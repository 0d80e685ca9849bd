"""HTTP models of the difference between two versions of a price book."""

from datetime import date
from typing import Literal

from pydantic import BaseModel, Field


class DifferenceRead(BaseModel):
    """One thing that is different, and its place; items are named by key, others by place."""

    kind: Literal["added", "removed", "changed"]
    path: str
    message: str


class AmountDifference(BaseModel):
    """What something came to by the one and by the other; exact, and in decimals for people."""

    before_exact: str
    before_shown: str
    after_exact: str
    after_shown: str
    difference_exact: str
    difference_shown: str


class ChargeDifference(AmountDifference):
    charge: str
    name: str


class SubscriptionDifference(BaseModel):
    """A subscription's days by both; `plan` is that of the last of them.

    `amounts` are null where a version does not have its plan, its own prices do not fit, or it was
    not on the book in these days.
    """

    subscription_id: str
    tenant_id: str
    plan: str
    amounts: AmountDifference | None
    unrated_before: int = Field(description="combinations of usage that stay unrated")
    unrated_after: int
    meters_missing: list[str] = Field(
        description="kinds of meters without a value for these days: they are in neither amount"
    )


class MoneyDifference(BaseModel):
    """What subscribers would have been billed for `[start, end)` by both.

    Plans, seats, own prices and pauses are those of the days. The sums are over the subscriptions
    of this page. Null where the currencies differ.
    """

    start: date
    end: date = Field(description="exclusive")
    currency: str
    total: AmountDifference
    charges: list[ChargeDifference]
    subscriptions: list[SubscriptionDifference]
    next_after: str | None = Field(description="the `after` of the next page; null on the last one")


class FaultRead(BaseModel):
    """Something that is wrong: its place in the content, or in what is agreed with a tenant."""

    code: str
    path: str
    message: str


class VersionFaults(BaseModel):
    """What would keep a draft from being published; a published version has none."""

    faults: list[FaultRead]


class VersionDiff(BaseModel):
    """In words, from `before` to `after`, and in money over last month's usage."""

    before: int | None = Field(description="the version; null: none is published")
    after: int | None = Field(description="the version; null: the content that was sent")
    differences: list[DifferenceRead]
    money: MoneyDifference | None
    faults: list[FaultRead] = Field(
        description="what would keep `after` from being published; on the first page"
    )
