"""Events of webhooks out, their deliveries and attempts."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, delete, exists, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.invoicing.repository.webhook_endpoints import of_account, of_endpoint
from services.invoicing.webhook_tables import webhook_attempt, webhook_delivery, webhook_event
from services.invoicing.webhooks_out.models import (
    DISABLED,
    Attempt,
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
