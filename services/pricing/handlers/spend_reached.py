"""Spend that reaches a threshold is told of, once for a threshold of a subscription's period."""

from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.tables import outbox
from shared.events.spend_crossed import SpendCrossed
from shared.events.statement_rated import StatementRated
from shared.outbox import Outgoing, put


async def tell_reached(connection: AsyncConnection, statement: StatementRated) -> None:
    """Put a message beside a progressive statement.

    There is one of them for a threshold of a period, so it is told once.
    """
    reached = statement.reached
    assert reached is not None, "a progressive statement says what was reached"
    crossed = SpendCrossed(
        vendor_id=statement.vendor_id,
        mode=statement.mode,
        tenant_id=statement.tenant_id,
        crossing_id=f"spend-threshold/{statement.statement_id}",
        kind="spend_threshold",
        currency=statement.currency,
        bound_exact=reached.threshold_exact,
        now_exact=reached.spend_exact,
        booked_on=reached.watermark.date(),
        statement_id=statement.statement_id,
        subscription_id=statement.subscription_id,
        period_start=statement.period_start,
        period_end=statement.period_end,
    )
    await put(connection, outbox, [Outgoing(crossed, message_id=crossed.crossing_id)])
