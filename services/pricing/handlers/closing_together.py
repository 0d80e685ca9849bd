"""Periods that are plain, as most are, are closed many at a time.

What each depends on is read for all of a batch at once, and their statements are written at once.
Rating needs no database: while one batch is rated, the one before is written, and the next is read.
"""

import asyncio
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar, cast

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.domain.subscription.timeline import Timeline
from services.pricing.domain.usage import Usage
from services.pricing.handlers.advance import has_advance, with_advance
from services.pricing.handlers.issuing import (
    Closing,
    after,
    close_next,
    due_period,
    log_statement,
    waits,
)
from services.pricing.handlers.meter_readings import MeterLookup
from services.pricing.handlers.rating import PricedPeriod, RatedPeriod, price_together, rate_priced
from services.pricing.handlers.statement_message import statement_of
from services.pricing.repository import statements, subscriptions, usage
from services.pricing.repository.subscriptions import Advance
from shared.events.statement_rated import StatementRated
from shared.ids import new_id

One = TypeVar("One")
Other = TypeVar("Other")

BATCH = 25
"""Periods that are read and written at once: their usage is in memory, with that of two batches."""


@dataclass(frozen=True)
class _Ready:
    """A period with everything that its rating depends on."""

    priced: PricedPeriod
    timeline: Timeline
    rows: Sequence[Usage]


@dataclass(frozen=True)
class _Made:
    """A statement that is to be written, and what comes after it."""

    statement: StatementRated
    advance: Advance


async def close_some(
    connection: AsyncConnection, closing: Closing, some: Sequence[RowMapping]
) -> list[Advance]:
    """Close the plain ones together, and the others one by one, in their order.

    Return what comes after each that was closed.
    """
    made = await close_together(connection, closing, [r for r in some if closing.is_plain(r)])
    for row in some:
        if closing.is_plain(row) or row["tenant_id"] in closing.waiting:
            continue
        if one := await close_next(connection, closing, row):
            made.append(one)
    return made


async def close_together(
    connection: AsyncConnection, closing: Closing, plain: Sequence[RowMapping]
) -> list[Advance]:
    """Do what closing one by one does, for many that are plain."""
    batches = [plain[first : first + BATCH] for first in range(0, len(plain), BATCH)]
    ready: list[_Ready] = []
    made: list[_Made] = []
    advances: list[Advance] = []
    for batch in [*batches, []]:
        rated, following = await both(
            _rate(closing, ready), _write_and_read(connection, closing, made, batch)
        )
        made = [await _settled(connection, closing, *one) for one in zip(ready, rated, strict=True)]
        advances += [one.advance for one in made]
        ready = following
    await _write(connection, closing, made)
    return advances


async def _write_and_read(
    connection: AsyncConnection,
    closing: Closing,
    made: Sequence[_Made],
    batch: Sequence[RowMapping],
) -> list[_Ready]:
    await _write(connection, closing, made)
    return await _read(connection, closing, batch)


async def _write(connection: AsyncConnection, closing: Closing, made: Sequence[_Made]) -> None:
    await subscriptions.advance(connection, closing.account, [one.advance for one in made])
    await statements.issue(connection, [one.statement for one in made])
    for one in made:
        log_statement(one.statement)


async def _read(
    connection: AsyncConnection, closing: Closing, batch: Sequence[RowMapping]
) -> list[_Ready]:
    """Read what is rated of a batch: all but what has no version in force, or waits for values."""
    account = closing.account
    periods = {row["subscription_id"]: due_period(row) for row in batch}
    wanted = {
        row["subscription_id"]: (row["tenant_id"], periods[row["subscription_id"]]) for row in batch
    }
    used = await usage.read_periods(connection, account, wanted) if wanted else {}
    ready = []
    for priced, timeline in await price_together(
        connection, account, batch, periods, closing.plans
    ):
        row = priced.subscription
        lookup = MeterLookup(account, closing.singles, booked_before=priced.period.end)
        parts = await lookup.read(connection, row["tenant_id"], priced.parts)
        if not await waits(connection, closing, row, lookup):
            rows = used.pop(row["subscription_id"])
            ready.append(_Ready(replace(priced, parts=parts), timeline, rows))
    return ready


async def _rate(
    closing: Closing, ready: Sequence[_Ready]
) -> list[tuple[RatedPeriod, StatementRated | None]]:
    """Rate a batch, and make the statements that need nothing more.

    Whatever else waits for the database goes on between two periods.
    """
    made = []
    for one in ready:
        await asyncio.sleep(0)
        rated = rate_priced(one.priced, one.rows, closing.prices)
        more = has_advance(one.priced.subscription, one.timeline, closing.in_advance)
        made.append((rated, None if more else statement_of(closing.account, rated, new_id())))
    return made


async def _settled(
    connection: AsyncConnection,
    closing: Closing,
    ready: _Ready,
    rated: tuple[RatedPeriod, StatementRated | None],
) -> _Made:
    """Return the statement of a rated period, with fees in advance where there are any."""
    own, statement = rated
    if statement is None:
        books, plans = closing.in_advance, closing.plans
        own = await with_advance(
            connection, closing.account, own, ready.timeline, in_advance=books, plans=plans
        )
        statement = statement_of(closing.account, own, new_id())
    return _Made(statement, after(ready.priced.subscription, statement))


async def both(one: Awaitable[One], other: Awaitable[Other]) -> tuple[One, Other]:
    """Wait for both, also where one fails: the connection must not be in use by then."""
    results = await asyncio.gather(one, other, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return cast("tuple[One, Other]", tuple(results))
