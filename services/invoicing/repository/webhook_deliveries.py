"""Events of webhooks out, their deliveries and attempts."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, delete, exists, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.invoicing.repository.webhook_endpoints import of_account, of_endpoint
from services.invoicing.webhook_tables import webhook_attempt, webhook_delivery, webhook_event
from services.invoicing.webhooks_out.models import (
    DISABLED,
    Attempt,
    Claimed,
    Delivery,
    DeliveryState,
)
from services.invoicing.webhooks_out.secrets import EndpointKey
from shared.accounts.repository import Account
from shared.errors import not_found

_FROM_EVENT = ("type", "tenant_id")
_DELIVERY_COLUMNS = [
    (webhook_event if field.name in _FROM_EVENT else webhook_delivery).c[field.name]
    for field in fields(Delivery)
]
_ATTEMPT_COLUMNS = [webhook_attempt.c[field.name] for field in fields(Attempt)]


@dataclass(frozen=True)
class DeliveryFilter:
    """Which deliveries of an endpoint to list; `before` is the id of the last one already seen."""

    state: DeliveryState | None = None
    event_type: str | None = None
    before: str | None = None
    limit: int = 100


async def insert_event(
    connection: AsyncConnection, account: Account, values: dict[str, Any]
) -> None:
    owner = {"vendor_id": account.vendor_id, "mode": account.mode}
    await connection.execute(insert(webhook_event).values(**owner, **values))


async def insert_deliveries(connection: AsyncConnection, rows: list[dict[str, Any]]) -> None:
    await connection.execute(insert(webhook_delivery), rows)


def _is(key: EndpointKey, event_id: str) -> Any:
    return of_endpoint(webhook_delivery, key) & (webhook_delivery.c.event_id == event_id)


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
    table = webhook_delivery
    due = (
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
        _is(claimed.key, claimed.event_id), webhook_delivery.c.lease == claimed.lease
    )
    if pending:
        statement = statement.where(webhook_delivery.c.state == "pending")
    statement = statement.values(**values, lease=None, leased_until=None)
    result = await connection.execute(statement.returning(webhook_delivery.c.event_id))
    return result.first() is not None


async def give_up_pending(connection: AsyncConnection, key: EndpointKey, now: datetime) -> int:
    """Make what waits for a disabled endpoint dead; what is under way keeps its lease."""
    result = await connection.execute(
        update(webhook_delivery)
        .where(of_endpoint(webhook_delivery, key), webhook_delivery.c.state == "pending")
        .values(state="dead", reason=DISABLED, finished_at=now)
        .returning(webhook_delivery.c.event_id)
    )
    return len(result.all())


async def replay_one(
    connection: AsyncConnection, key: EndpointKey, event_id: str, now: datetime
) -> None:
    """Make a delivery due now, whatever became of it; raises `unknown_webhook_delivery`."""
    statement = update(webhook_delivery).where(_is(key, event_id)).values(_due(now))
    result = await connection.execute(statement.returning(webhook_delivery.c.event_id))
    if result.first() is None:
        raise not_found("webhook_delivery", event_id)


async def replay_dead(
    connection: AsyncConnection, key: EndpointKey, since: datetime, now: datetime
) -> int:
    """Make the dead deliveries of events recorded since `since` due now; return how many."""
    recorded = (
        select(webhook_event.c.event_id)
        .where(
            of_account(webhook_event, key.account),
            webhook_event.c.event_id == webhook_delivery.c.event_id,
            webhook_event.c.recorded_at >= since,
        )
        .correlate(webhook_delivery)
    )
    result = await connection.execute(
        update(webhook_delivery)
        .where(
            of_endpoint(webhook_delivery, key),
            webhook_delivery.c.state == "dead",
            exists(recorded),
        )
        .values(_due(now))
        .returning(webhook_delivery.c.event_id)
    )
    return len(result.all())


def _due(now: datetime) -> dict[str, Any]:
    return {
        "state": "pending",
        "reason": None,
        "round_attempts": 0,
        "next_attempt_at": now,
        "finished_at": None,
    }


def _deliveries(key: EndpointKey) -> Any:
    joined = webhook_delivery.join(
        webhook_event,
        of_account(webhook_event, key.account)
        & (webhook_event.c.event_id == webhook_delivery.c.event_id),
    )
    query = select(*_DELIVERY_COLUMNS).select_from(joined)
    return query.where(of_endpoint(webhook_delivery, key))


async def list_deliveries(
    connection: AsyncConnection, key: EndpointKey, wanted: DeliveryFilter
) -> Sequence[Delivery]:
    """Return deliveries, the newest event first."""
    query = _deliveries(key)
    if wanted.state:
        query = query.where(webhook_delivery.c.state == wanted.state)
    if wanted.event_type:
        query = query.where(webhook_event.c.type == wanted.event_type)
    if wanted.before:
        query = query.where(webhook_delivery.c.event_id < wanted.before)
    query = query.order_by(webhook_delivery.c.event_id.desc()).limit(wanted.limit)
    return [Delivery(**row) for row in (await connection.execute(query)).mappings()]


async def read_delivery(
    connection: AsyncConnection, key: EndpointKey, event_id: str
) -> tuple[Delivery, str]:
    """Return a delivery and its payload; raises `unknown_webhook_delivery` (404)."""
    query = _deliveries(key).add_columns(webhook_event.c.payload)
    query = query.where(webhook_delivery.c.event_id == event_id)
    row: RowMapping | None = (await connection.execute(query)).mappings().one_or_none()
    if row is None:
        raise not_found("webhook_delivery", event_id)
    values = dict(row)
    payload = str(values.pop("payload"))
    return Delivery(**values), payload


async def list_attempts(
    connection: AsyncConnection, key: EndpointKey, event_id: str
) -> Sequence[Attempt]:
    """Return the attempts of a delivery, the first one first."""
    query = (
        select(*_ATTEMPT_COLUMNS)
        .where(of_endpoint(webhook_attempt, key), webhook_attempt.c.event_id == event_id)
        .order_by(webhook_attempt.c.number)
    )
    return [Attempt(**row) for row in (await connection.execute(query)).mappings()]


async def delete_finished(connection: AsyncConnection, before: datetime, *, limit: int) -> int:
    """Delete deliveries that ended before `before`, with their attempts; return how many."""
    old = (
        select(webhook_delivery.c.vendor_id, webhook_delivery.c.mode)
        .add_columns(webhook_delivery.c.endpoint_id, webhook_delivery.c.event_id)
        .where(webhook_delivery.c.state != "pending", webhook_delivery.c.finished_at < before)
        .limit(limit)
        .cte("old")
    )
    matches = [webhook_delivery.c[column.name] == column for column in old.c]
    result = await connection.execute(
        delete(webhook_delivery).where(*matches).returning(webhook_delivery.c.event_id)
    )
    return len(result.all())


async def delete_told(connection: AsyncConnection, before: datetime, *, limit: int) -> int:
    """Delete events recorded before `before` that no delivery is left of; return how many."""
    owners = ("vendor_id", "mode", "event_id")
    old = (
        select(*(webhook_event.c[name] for name in owners))
        .where(
            webhook_event.c.recorded_at < before,
            ~exists().where(
                *(webhook_delivery.c[name] == webhook_event.c[name] for name in owners)
            ),
        )
        .limit(limit)
        .cte("old")
    )
    matches = [webhook_event.c[column.name] == column for column in old.c]
    result = await connection.execute(
        delete(webhook_event).where(*matches).returning(webhook_event.c.event_id)
    )
    return len(result.all())
