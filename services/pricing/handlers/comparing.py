"""Two versions of a price book beside each other: in words, and in money over last month."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from fractions import Fraction

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.domain.differences import differences
from services.pricing.domain.hashing import content_hash
from services.pricing.domain.periods import Period
from services.pricing.domain.plan import Plan
from services.pricing.domain.readings import Readings
from services.pricing.domain.seats import Seats
from services.pricing.domain.statement import RatedStatement
from services.pricing.handlers.catalog import publishing_faults
from services.pricing.handlers.meter_readings import MeterLookup, newest_readings
from services.pricing.handlers.provider_prices import load_prices
from services.pricing.handlers.trial import Trial, rate_aside
from services.pricing.handlers.unclaimed import month_before
from services.pricing.repository import meters, subscriptions, usage
from services.pricing.schemas.comparison import (
    AmountDifference,
    ChargeDifference,
    DifferenceRead,
    FaultRead,
    MoneyDifference,
    SubscriptionDifference,
    VersionDiff,
)
from services.pricing.schemas.price_book import PriceBookContent
from shared.accounts.repository import Account
from shared.money import format_exact, format_shown

ZERO = Fraction(0)


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


@dataclass(frozen=True)
class Page:
    """Which subscriptions are looked at, by their ids."""

    after: str
    limit: int


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
        money = await _money(
            connection, account, book, (before.content, after.content), today=days.today, page=page
        )
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


class _Plans:
    """The plans of a content, each made once."""

    def __init__(self, content: PriceBookContent) -> None:
        self.currency = content.currency
        self.price_hash = content_hash(content.model_dump(mode="json"))
        self._content = content
        self._known: dict[str, Plan | None] = {}

    def trial(self, row: RowMapping, period: Period) -> Trial | None:
        """Return what a subscription is rated by; None where its plan is not there."""
        key = row["plan"]
        if key not in self._known:
            self._known[key] = self._content.plan(key)
        plan = self._known[key]
        if plan is None:
            return None
        return Trial(self.price_hash, self.currency, plan, Seats.of(row["seats"]), period)


async def _money(
    connection: AsyncConnection,
    account: Account,
    book: str,
    contents: tuple[PriceBookContent, PriceBookContent],
    *,
    today: date,
    page: Page,
) -> MoneyDifference:
    start, end = month_before(today), today.replace(day=1)
    period = Period(start, end, (end - start).days)
    plans = [_Plans(content) for content in contents]
    rows = await subscriptions.list_of_book(
        connection, account, book, after=page.after, limit=page.limit
    )
    prices = await load_prices(connection, account)
    singles = await meters.read_singles(connection, account)
    sums = _Sums()
    for row in rows:
        lookup = MeterLookup(account, singles)
        used = await usage.read_period(connection, account, row["tenant_id"], period)
        trials = [side.trial(row, period) for side in plans]
        rated = [
            None
            if trial is None
            else await rate_aside(
                trial, used, prices, await _readings(connection, lookup, row, trial)
            )
            for trial in trials
        ]
        sums.add(row, rated, {question.kind for question in lookup.missing})
    return MoneyDifference(
        start=start,
        end=end,
        currency=contents[0].currency,
        total=_difference(*sums.total),
        charges=sums.by_charge(),
        subscriptions=sums.subscriptions,
        next_after=rows[-1]["subscription_id"] if len(rows) == page.limit else None,
    )


async def _readings(
    connection: AsyncConnection, lookup: MeterLookup, row: RowMapping, trial: Trial
) -> Readings:
    tenant, plan, period = row["tenant_id"], trial.plan, trial.period
    return Readings(meters=await newest_readings(connection, lookup, tenant, plan, period))


class _Sums:
    """What subscriptions come to by both sides, in all and by charge."""

    def __init__(self) -> None:
        self.total = [ZERO, ZERO]
        self.subscriptions: list[SubscriptionDifference] = []
        self._charges: dict[str, list[Fraction]] = defaultdict(lambda: [ZERO, ZERO])
        self._names: dict[str, str] = {}

    def add(
        self, row: RowMapping, rated: list[RatedStatement | None], missing: Iterable[str]
    ) -> None:
        before, after = rated
        amounts = None
        if before is not None and after is not None:
            amounts = _difference(before.total, after.total)
            for place, statement in enumerate((before, after)):
                self.total[place] += statement.total
                for line in statement.lines:
                    self._charges[line.charge][place] += line.amount
                    self._names[line.charge] = line.name
        self.subscriptions.append(
            SubscriptionDifference(
                subscription_id=row["subscription_id"],
                tenant_id=row["tenant_id"],
                plan=row["plan"],
                amounts=amounts,
                unrated_before=len(before.unrated) if before else 0,
                unrated_after=len(after.unrated) if after else 0,
                meters_missing=sorted(missing),
            )
        )

    def by_charge(self) -> list[ChargeDifference]:
        """Return the sums of each charge, in the order of their keys."""
        return [
            ChargeDifference(
                charge=key, name=self._names[key], **_difference(*amounts).model_dump()
            )
            for key, amounts in sorted(self._charges.items())
        ]


def _difference(before: Fraction, after: Fraction) -> AmountDifference:
    return AmountDifference(
        before_exact=format_exact(before),
        before_shown=format_shown(before),
        after_exact=format_exact(after),
        after_shown=format_shown(after),
        difference_exact=format_exact(after - before),
        difference_shown=format_shown(after - before),
    )
