"""Two versions of a price book beside each other: in words, and in money over last month."""

from dataclasses import dataclass
from datetime import date

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.domain.differences import differences
from services.pricing.handlers.catalog import publishing_faults
from services.pricing.handlers.money_difference import Page, money_difference
from services.pricing.schemas.comparison import DifferenceRead, FaultRead, VersionDiff
from services.pricing.schemas.price_book import PriceBookContent
from shared.accounts.repository import Account


@dataclass(frozen=True)
class Side:
    """One of the two; `version` None: nothing is published, or what was sent."""

    version: int | None
    content: PriceBookContent | None
    is_published: bool = False

    @classmethod
    def of_row(cls, row: RowMapping | None) -> "Side":
        """Return a stored version as a side."""
        if row is None:
            return cls(None, None)
        content = PriceBookContent.model_validate(row["content"])
        return cls(row["version"], content, row["published_at"] is not None)


@dataclass(frozen=True)
class Days:
    """What day it is, and from which day on a version would be effective."""

    today: date
    effective_on: date


async def compare(
    connection: AsyncConnection,
    account: Account,
    book: str,
    sides: tuple[Side, Side],
    *,
    days: Days,
    page: Page,
) -> VersionDiff:
    """Return what the second side changes, for people who decide whether to publish it."""
    before, after = sides
    contents = [side.content.model_dump(mode="json") if side.content else {} for side in sides]
    money = None
    if before.content and after.content and before.content.currency == after.content.currency:
        pair = (before.content, after.content)
        money = await money_difference(connection, account, book, pair, today=days.today, page=page)
    faults: list[FaultRead] = []
    if after.content and not after.is_published and not page.after:
        faults = await faults_told(connection, account, book, after.content, days=days)
    return VersionDiff(
        before=before.version,
        after=after.version,
        differences=[DifferenceRead(**vars(found)) for found in differences(*contents)],
        money=money,
        faults=faults,
    )


async def faults_told(
    connection: AsyncConnection,
    account: Account,
    book: str,
    content: PriceBookContent,
    *,
    days: Days,
) -> list[FaultRead]:
    """Return what would keep a content from being published as the next version."""
    faults = await publishing_faults(
        connection, account, book, content, effective_on=days.effective_on, today=days.today
    )
    return [FaultRead(**vars(fault)) for fault in faults]
