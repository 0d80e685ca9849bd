"""Migrating the subscriptions of a book, in cohorts: all of a page, or none if one cannot."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from http import HTTPStatus
from zlib import crc32

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.domain.subscription.timeline import Timeline
from services.pricing.domain.words import Words
from services.pricing.handlers.change_preview import preview
from services.pricing.handlers.closing import close_periods
from services.pricing.handlers.subscription_changes import (
    Planned,
    day_of,
    plan_change,
    store_change,
)
from services.pricing.handlers.timelines import read_timeline
from services.pricing.repository import catalog, subscriptions
from services.pricing.repository.locks import ALL_PARTITIONS, lock_closing
from services.pricing.schemas.migration import (
    PERCENT_MAX,
    MigrationMade,
    MigrationPreview,
    MigrationWrite,
    Moved,
    MovedPreview,
    Sum,
)
from services.pricing.schemas.subscription_change import Compared, PlanChange
from shared.accounts.repository import Account
from shared.currencies import CURRENCIES
from shared.errors import Fault, TallyrollError
from shared.money import format_exact, parse_exact

ZERO = Fraction(0)


@dataclass(frozen=True)
class _Page:
    """The planned changes of a page with their cohorts, and where the next page begins."""

    planned: list[tuple[int, Planned]]
    next_after: str | None


async def migrate(
    connection: AsyncConnection,
    account: Account,
    book: str,
    *,
    written: MigrationWrite,
    today: date,
) -> MigrationMade:
    """Move a page of subscriptions; raises `migration_refused` with everything in the way."""
    for name in sorted({book, written.to.price_book or book}):
        await catalog.lock_book(connection, account, name)
    await lock_closing(connection, account, ALL_PARTITIONS)
    page = await _plan(connection, account, book, written=written, today=today)
    for _, planned in page.planned:
        await store_change(connection, account, planned)
    for partition in sorted({planned.row["topic_partition"] for _, planned in page.planned}):
        await close_periods(connection, account, partition)
    moved = [Moved(**_named(cohort, planned)) for cohort, planned in page.planned]
    return MigrationMade(subscriptions=moved, next_after=page.next_after)


async def preview_migration(
    connection: AsyncConnection,
    account: Account,
    book: str,
    *,
    written: MigrationWrite,
    today: date,
) -> MigrationPreview:
    """Return what a page would do to each subscription and to all; raises as `migrate` would."""
    page = await _plan(connection, account, book, written=written, today=today)
    moved = [
        MovedPreview(**_named(cohort, planned), preview=await preview(connection, account, planned))
        for cohort, planned in page.planned
    ]
    first = [one.preview.periods[0] for one in moved if one.preview.periods]
    return MigrationPreview(subscriptions=moved, sums=_sums(first), next_after=page.next_after)


def _named(cohort: int, planned: Planned) -> dict[str, object]:
    names = ("subscription_id", "tenant_id")
    named = {name: planned.row[name] for name in names}
    return {**named, "cohort": cohort, "effective_on": planned.effective_on}


async def _plan(
    connection: AsyncConnection,
    account: Account,
    book: str,
    *,
    written: MigrationWrite,
    today: date,
) -> _Page:
    await catalog.read_book(connection, account, book)
    rows = await subscriptions.list_running(
        connection,
        account,
        book,
        named=written.subscriptions,
        after=written.after,
        limit=written.limit,
    )
    found, faults = [], list(_unknown(written, rows))
    for row in rows:
        name = row["subscription_id"]
        cohort = cohort_of(name, [one.percent for one in written.cohorts])
        if cohort is None:
            continue
        when = written.cohorts[cohort].when
        change = PlanChange(kind="plan", when=when, **written.to.model_dump())
        told = await read_timeline(connection, account, row)
        if not _is_on(told, day_of(told, change, today=today), book=book, plan=written.plan):
            continue
        try:
            planned = await plan_change(connection, account, name, written=change, today=today)
        except TallyrollError as error:
            faults.append(Fault(error.code, name, error.message))
        else:
            found.append((cohort + 1, planned))
    if faults:
        message = f"{len(faults)} subscriptions cannot be migrated; none was."
        raise TallyrollError("migration_refused", message, HTTPStatus.CONFLICT, book, faults=faults)
    full = len(rows) == written.limit
    return _Page(found, rows[-1]["subscription_id"] if full else None)


def _is_on(told: Timeline, day: date, *, book: str, plan: str | None) -> bool:
    """Tell whether a subscription runs on a day, on that book (and plan, if one is named)."""
    if day < told.starts_on or (told.last_day is not None and day > told.last_day):
        return False
    terms = told.on(day).terms
    return terms.price_book == book and plan in {None, terms.plan}


def _unknown(written: MigrationWrite, rows: Sequence[RowMapping]) -> list[Fault]:
    """Return those that were named and do not run on the book; told on the first page."""
    if written.subscriptions is None or written.after is not None:
        return []
    known = {row["subscription_id"] for row in rows}
    message = "No running subscription of this id is, was or will be on the book."
    return [
        Fault("unknown_subscription", name, message)
        for name in written.subscriptions[: written.limit]
        if name not in known
    ]


def cohort_of(subscription_id: str, percents: Sequence[int]) -> int | None:
    """Return the place of the cohort that a subscription is in; None: in none of them.

    The id decides, so that a subscription is in the same cohort in every preview and page, and one
    that was in the first 10 percent is in the first 20 percent as well.
    """
    number = crc32(subscription_id.encode()) % PERCENT_MAX
    reached = 0
    for place, percent in enumerate(percents):
        reached += percent
        if number < reached:
            return place
    return None


def _sums(compared: Sequence[Compared]) -> list[Sum]:
    sums: dict[str, tuple[Fraction, Fraction]] = defaultdict(lambda: (ZERO, ZERO))
    for one in compared:
        before, after = sums[one.currency]
        sums[one.currency] = (
            before + parse_exact(one.before_exact),
            after + parse_exact(one.after_exact),
        )
    return [_sum(currency, *sums[currency]) for currency in sorted(sums)]


def _sum(currency: str, before: Fraction, after: Fraction) -> Sum:
    words = Words(CURRENCIES[currency], "")
    more = "more" if after >= before else "less"
    text = f"{words.money(after)} instead of {words.money(before)}"
    return Sum(
        currency=currency,
        before_exact=format_exact(before),
        after_exact=format_exact(after),
        difference_exact=format_exact(after - before),
        words=f"{text}, {words.money(abs(after - before))} {more}",
    )
