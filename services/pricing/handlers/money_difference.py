"""What two contents of a price book come to over last month's usage of its subscribers."""

from dataclasses import dataclass
from datetime import date, timedelta

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.domain.cost.provider_cost import ProviderPrices
from services.pricing.domain.hashing import content_hash
from services.pricing.domain.periods import Period
from services.pricing.domain.statement import RatedStatement
from services.pricing.domain.subscription.terms import Terms
from services.pricing.domain.subscription.timeline import Timeline
from services.pricing.handlers.difference_sums import DifferenceSums, difference_of
from services.pricing.handlers.meter_readings import MeterLookup
from services.pricing.handlers.provider_prices import load_prices
from services.pricing.handlers.rating import rate_rows
from services.pricing.handlers.timelines import (
    KnownPlans,
    SoldPlan,
    plan_of_content,
    read_timeline,
)
from services.pricing.handlers.unclaimed import month_before
from services.pricing.repository import meters, subscriptions, usage
from services.pricing.schemas.comparison import MoneyDifference
from services.pricing.schemas.price_book import PriceBookContent
from shared.accounts.repository import Account

SOME_VERSION = 1
"""A rating names the version of each part; what is compared need not be stored as one."""


@dataclass(frozen=True)
class Page:
    """Which subscriptions are looked at, by their ids."""

    after: str
    limit: int


@dataclass(frozen=True, kw_only=True)
class _InPlace(KnownPlans):
    """What terms mean with a content in place of the versions of a book.

    Who stays on a named version is on that, whatever is published.
    """

    book: str
    content: PriceBookContent
    price_hash: str

    async def read(
        self, connection: AsyncConnection, account: Account, terms: Terms, *, on: date
    ) -> SoldPlan | None:
        stays = terms.price_version is not None and terms.stays
        if stays or terms.price_book != self.book:
            return await super().read(connection, account, terms, on=on)
        key = (repr(terms), date.min)
        if key not in self.found:
            self.found[key] = plan_of_content(
                self.content, terms, price_version=SOME_VERSION, price_hash=self.price_hash
            )
        return self.found[key]


@dataclass(frozen=True)
class _Month:
    """What the ratings of one answer share."""

    account: Account
    book: str
    period: Period
    sides: tuple[_InPlace, _InPlace]
    prices: ProviderPrices
    singles: frozenset[str]

    def days_of(self, told: Timeline) -> Period | None:
        """Return the days of a subscription in the month; None where it is on the book on none."""
        start, end = max(self.period.start, told.starts_on), self.period.end
        if told.last_day is not None:
            end = min(end, told.last_day + timedelta(days=1))
        if start >= end:
            return None
        period = Period(start, end, self.period.whole_days)
        books = {stretch.terms.price_book for stretch in told.stretches(period)}
        return period if self.book in books else None


async def money_difference(
    connection: AsyncConnection,
    account: Account,
    book: str,
    contents: tuple[PriceBookContent, PriceBookContent],
    *,
    today: date,
    page: Page,
) -> MoneyDifference:
    """Rate last month of each subscription twice, as it would have been billed.

    Its plans, seats, own prices, trial and pauses are those of the days; a content stands in the
    place of whichever version of the book was in force.
    """
    start, end = month_before(today), today.replace(day=1)
    before, after = (
        _InPlace(
            book=book, content=content, price_hash=content_hash(content.model_dump(mode="json"))
        )
        for content in contents
    )
    month = _Month(
        account,
        book,
        Period(start, end, (end - start).days),
        (before, after),
        await load_prices(connection, account),
        singles=await meters.read_singles(connection, account),
    )
    rows = await subscriptions.list_running(
        connection, account, book, named=None, after=page.after, limit=page.limit
    )
    sums = DifferenceSums()
    for row in rows:
        await _add(connection, month, row, sums)
    return MoneyDifference(
        start=start,
        end=end,
        currency=contents[0].currency,
        total=difference_of(*sums.total),
        charges=sums.by_charge(),
        subscriptions=sums.subscriptions,
        next_after=rows[-1]["subscription_id"] if len(rows) == page.limit else None,
    )


async def _add(
    connection: AsyncConnection, month: _Month, row: RowMapping, sums: DifferenceSums
) -> None:
    """Rate a subscription by both sides, and add it to the sums."""
    told = await read_timeline(connection, month.account, row)
    period = month.days_of(told)
    lookup = MeterLookup(month.account, month.singles)
    rated: list[RatedStatement | None] = [None, None]
    if period is not None:
        rows = await usage.read_period(connection, month.account, row["tenant_id"], period)
        found = [
            await rate_rows(
                connection,
                month.account,
                row,
                timeline=told,
                period=period,
                rows=rows,
                prices=month.prices,
                meters=lookup,
                plans=side,
            )
            for side in month.sides
        ]
        rated = [one.rated if one else None for one in found]
    plan = told.on(month.period.last_day).terms.plan
    sums.add(row, plan, rated, {question.kind for question in lookup.missing})
