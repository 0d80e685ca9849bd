"""Deliveries of webhooks under way: who sends which, until when, and what came of it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import CTE, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.invoicing.repository.webhook_endpoints import of_account, of_endpoint
from services.invoicing.webhook_tables import webhook_attempt, webhook_delivery, webhook_event
from services.invoicing.webhooks_out.models import Claimed
from services.invoicing.webhooks_out.secrets import EndpointKey


async def claim_due(
    connection: AsyncConnection,
    key: EndpointKey,
    *,
    now: datetime,
    until: datetime,
    lease: str,
    limit: int,
) -> Sequence[Claimed]:
    """Take an endpoint's due deliveries until `until`, the oldest first; others skip them.

    Each gets its attempt's row here, before anything is sent: what dies under way is seen.
    """
    table, due = webhook_delivery, _due(key, now, limit)
    claim = (
        update(table)
        .where(
            of_endpoint(table, key),
            table.c.event_id == due.c.event_id,
            of_account(webhook_event, key.account),
            webhook_event.c.event_id == due.c.event_id,
        )
        .values(
            attempts=table.c.attempts + 1,
            round_attempts=table.c.round_attempts + 1,
            lease=lease,
            leased_until=until,
        )
        .returning(
            table.c.event_id, table.c.attempts, table.c.round_attempts, webhook_event.c.payload
        )
    )
    rows = (await connection.execute(claim)).all()
    claimed = [
        Claimed(key, row.event_id, row.payload, row.attempts, row.round_attempts, lease)
        for row in rows
    ]
    await _insert_attempts(connection, claimed, now)
    return sorted(claimed, key=lambda one: one.event_id)


def _due(key: EndpointKey, now: datetime, limit: int) -> CTE:
    """Lock what is due and nobody has; rows locked in a CTE are chosen once, whatever the plan."""
    table = webhook_delivery
    return (
        select(table.c.event_id)
        .where(
            of_endpoint(table, key),
            table.c.state == "pending",
            table.c.next_attempt_at <= now,
            or_(table.c.leased_until.is_(None), table.c.leased_until <= now),
        )
        .order_by(table.c.next_attempt_at, table.c.event_id)
        .limit(limit)
        .with_for_update(skip_locked=True)
        .cte("due")
    )


async def _insert_attempts(
    connection: AsyncConnection, claimed: Sequence[Claimed], now: datetime
) -> None:
    if not claimed:
        return
    rows = [
        {
            "vendor_id": one.key.account.vendor_id,
            "mode": one.key.account.mode,
            "endpoint_id": one.key.endpoint_id,
            "event_id": one.event_id,
            "number": one.attempt,
            "started_at": now,
        }
        for one in claimed
    ]
    await connection.execute(insert(webhook_attempt), rows)


async def record_attempt(
    connection: AsyncConnection, claimed: Claimed, values: dict[str, Any]
) -> None:
    """Store what came of an attempt."""
    await connection.execute(
        update(webhook_attempt)
        .where(
            of_endpoint(webhook_attempt, claimed.key),
            webhook_attempt.c.event_id == claimed.event_id,
            webhook_attempt.c.number == claimed.attempt,
        )
        .values(values)
    )


async def settle(
    connection: AsyncConnection, claimed: Claimed, values: dict[str, Any], *, pending: bool
) -> bool:
    """Change a delivery and give its lease back; False when somebody else has taken it since.

    With `pending`, one that was given up meanwhile stays so.
    """
    statement = update(webhook_delivery).where(
        of_endpoint(webhook_delivery, claimed.key),
        webhook_delivery.c.event_id == claimed.event_id,
        webhook_delivery.c.lease == claimed.lease,
    )
    if pending:
        statement = statement.where(webhook_delivery.c.state == "pending")
    statement = statement.values(**values, lease=None, leased_until=None)
    result = await connection.execute(statement.returning(webhook_delivery.c.event_id))
    return result.first() is not None
