"""Spend alerts: amounts that are told, once a period, when its usage comes to them.

Nothing is invoiced: thresholds of the plan do that (`handlers/progressive.py`), by the same spend.
"""

from collections.abc import Sequence
from datetime import date

from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.domain.progressive import spend_of
from services.pricing.handlers.issuing import open_period
from services.pricing.handlers.meter_readings import MeterLookup
from services.pricing.handlers.progressive import rate_open
from services.pricing.handlers.rating import RatedPeriod
from services.pricing.repository import progressive, spend_alerts, subscriptions
from services.pricing.tables import outbox
from shared.accounts.repository import Account
from shared.events.spend_crossed import SpendCrossed
from shared.money import exact, format_exact, parse_exact
from shared.outbox import Outgoing, put


async def put_amounts(
    connection: AsyncConnection, account: Account, subscription_id: str, amounts: Sequence[str]
) -> list[str]:
    """Replace the amounts of a subscription; return them, rising, each once.

    What was told of a period is not told again, also when an amount goes and comes back.
    """
    unique = sorted({exact(amount) for amount in amounts})
    written = [format_exact(amount) for amount in unique]
    await spend_alerts.replace_amounts(connection, account, subscription_id, written)
    return written


async def read_amounts(
    connection: AsyncConnection, account: Account, subscription_id: str
) -> list[str]:
    """Return the amounts of a subscription, rising."""
    found = await spend_alerts.read_amounts(connection, account, subscription_id)
    return sorted(found, key=parse_exact)


async def tell_crossed(
    connection: AsyncConnection, account: Account, subscription_id: str, meters: MeterLookup
) -> int:
    """Tell the amounts that the open period's usage newly comes to; return how many.

    In one snapshot: what is told, and up to which usage was looked.
    """
    row = await subscriptions.read(connection, account, subscription_id)
    assert row is not None, "a subscription stays"
    state = await progressive.read_usage_state(connection, account, row["tenant_id"], hold=False)
    assert state is not None, "only who has usage is looked at"
    period, told = open_period(row), 0
    rated = await rate_open(connection, account, row, period, meters) if period else None
    if rated is not None:
        told = await _tell(connection, account, rated, on=state["watermark"].date())
    await spend_alerts.note_look(
        connection,
        account,
        subscription_id,
        sequence=row["next_sequence"],
        changes=state["changes"],
    )
    return told


async def _tell(
    connection: AsyncConnection, account: Account, rated: RatedPeriod, *, on: date
) -> int:
    subscription_id = rated.subscription["subscription_id"]
    spend, told = spend_of(rated.rated), 0
    for amount in await read_amounts(connection, account, subscription_id):
        if parse_exact(amount) <= spend and await spend_alerts.note_told(
            connection, account, subscription_id, sequence=rated.sequence, amount_exact=amount
        ):
            crossed = _crossed(account, rated, amount, spend=format_exact(spend), on=on)
            await put(connection, outbox, [Outgoing(crossed, message_id=crossed.crossing_id)])
            told += 1
    return told


def _crossed(
    account: Account, rated: RatedPeriod, amount: str, *, spend: str, on: date
) -> SpendCrossed:
    subscription_id = rated.subscription["subscription_id"]
    return SpendCrossed(
        vendor_id=account.vendor_id,
        mode=account.mode,
        tenant_id=rated.subscription["tenant_id"],
        crossing_id=f"spend-alert/{subscription_id}/{rated.sequence}/{amount}",
        kind="spend_threshold",
        currency=rated.currency,
        bound_exact=amount,
        now_exact=spend,
        booked_on=on,
        statement_id=None,
        subscription_id=subscription_id,
        period_start=rated.period.start,
        period_end=rated.period.end,
    )
