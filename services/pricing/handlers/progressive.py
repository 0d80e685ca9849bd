"""Progressive billing: a subscription's spend is looked at, and invoiced where it has crossed.

Looking rates the open period with the functions of the running bill, without any lock. Only who has
crossed is rated once more, while nobody closes periods or stores usage of the tenant: so the
statement is true for one watermark, and the period's own statement knows of it.
"""

from dataclasses import replace
from datetime import date

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.domain.periods import Period
from services.pricing.domain.progressive import (
    ProgressiveBilled,
    Thresholds,
    crossing_of,
)
from services.pricing.handlers.advance import rate_subscription
from services.pricing.handlers.issuing import log_statement, open_period
from services.pricing.handlers.meter_readings import MeterLookup
from services.pricing.handlers.provider_prices import load_prices
from services.pricing.handlers.rating import RatedPeriod
from services.pricing.handlers.spend_reached import tell_reached
from services.pricing.handlers.statement_message import statement_of
from services.pricing.handlers.timelines import read_plan, read_timeline
from services.pricing.repository import catalog, progressive, sealing, statements, subscriptions
from services.pricing.repository.locks import lock_closing
from shared.accounts.repository import Account
from shared.events.statement_rated import SpendReached, StatementRated
from shared.ids import new_id
from shared.money import format_exact, parse_exact


async def has_crossed(
    connection: AsyncConnection, account: Account, subscription_id: str, meters: MeterLookup
) -> bool:
    """Tell whether a statement is due, by a look without locks; if not, note what was seen."""
    row = await subscriptions.read(connection, account, subscription_id)
    assert row is not None, "a subscription stays"
    state = await progressive.read_usage_state(connection, account, row["tenant_id"], hold=False)
    assert state is not None, "only who has usage is looked at"
    if await _crossed(connection, account, row, state, meters) is not None:
        return True
    await progressive.note_look(connection, account, row, state["changes"])
    return False


async def bill_crossed(
    connection: AsyncConnection, account: Account, subscription_id: str, meters: MeterLookup
) -> StatementRated | None:
    """Invoice the usage of the open period; None where, by now, nothing is due.

    The statement, its message and what the next look compares with are one transaction.
    """
    found = await subscriptions.read(connection, account, subscription_id)
    assert found is not None, "a subscription stays"
    tenant_id = found["tenant_id"]
    state = await progressive.read_usage_state(connection, account, tenant_id, hold=True)
    assert state is not None, "only who has usage is looked at"
    await lock_closing(connection, account, [found["topic_partition"]])
    # Who held the lock may have closed the period, or parked the tenant.
    row = await subscriptions.read(connection, account, subscription_id)
    assert row is not None, "a subscription stays"
    if await sealing.list_parked(connection, account, tenant_id):
        return None
    crossed = await _crossed(connection, account, row, state, meters)
    await progressive.note_look(connection, account, row, state["changes"])
    return None if crossed is None else await _issue(connection, account, crossed)


async def _crossed(
    connection: AsyncConnection,
    account: Account,
    row: RowMapping,
    state: RowMapping,
    meters: MeterLookup,
) -> RatedPeriod | None:
    """Return the statement that a crossing calls for; None: no threshold is newly reached."""
    period = open_period(row)
    if period is None:
        return None
    day = min(max(state["watermark"].date(), period.start), period.last_day)
    thresholds = await _thresholds(connection, account, row, on=day)
    if thresholds is None:
        return None
    rated = await rate_open(connection, account, row, period, meters)
    if rated is None:
        return None
    known = await progressive.list_of_period(
        connection, account, row["subscription_id"], rated.sequence
    )
    last = max((one.threshold for one, _ in known), default=None)
    crossing = crossing_of(rated.rated, thresholds, last=last, watermark=state["watermark"])
    if crossing is None:
        return None
    reached = SpendReached(
        threshold_exact=format_exact(crossing.threshold),
        spend_exact=format_exact(crossing.spend),
        watermark=state["watermark"],
    )
    return replace(rated, rated=crossing.statement, reached=reached)


async def _thresholds(
    connection: AsyncConnection, account: Account, row: RowMapping, *, on: date
) -> Thresholds | None:
    """Return the thresholds of the plan of a day, or those that are agreed with the tenant."""
    timeline = await read_timeline(connection, account, row)
    terms, version_on = timeline.priced_on(on)
    sold = await read_plan(connection, account, terms, on=version_on)
    return None if sold is None else sold.plan.thresholds


async def rate_open(
    connection: AsyncConnection,
    account: Account,
    row: RowMapping,
    period: Period,
    meters: MeterLookup,
) -> RatedPeriod | None:
    """Rate the open period as its bill does, before differences of earlier periods."""
    return await rate_subscription(
        connection,
        account,
        row,
        period,
        prices=await load_prices(connection, account),
        in_advance=await catalog.books_in_advance(connection, account),
        meters=meters,
    )


async def _issue(
    connection: AsyncConnection, account: Account, crossed: RatedPeriod
) -> StatementRated:
    """Store the statement with its message, and beside it what its period is to be credited."""
    subscription_id, sequence = crossed.subscription["subscription_id"], crossed.sequence
    number = 1 + await progressive.last_number(connection, account, subscription_id)
    numbered = replace(crossed, kind="progressive", sequence=number)
    statement = statement_of(account, numbered, new_id())
    assert statement.reached is not None, "a crossing says what was reached"
    billed = ProgressiveBilled(
        statement_id=statement.statement_id,
        number=number,
        threshold=parse_exact(statement.reached.threshold_exact),
        total=crossed.rated.total,
        watermark=statement.reached.watermark,
    )
    await progressive.add(connection, account, subscription_id, sequence, billed)
    await statements.issue(connection, [statement])
    await tell_reached(connection, statement)
    log_statement(statement)
    return statement
