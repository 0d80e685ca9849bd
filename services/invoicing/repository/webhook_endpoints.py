"""Endpoints of webhooks out."""

from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Table, and_, delete, exists, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.invoicing.webhook_tables import webhook_delivery, webhook_endpoint
from services.invoicing.webhooks_out.models import DISABLED, GONE, DeadDeliveries, Endpoint
from services.invoicing.webhooks_out.secrets import EndpointKey
from shared.accounts.repository import Account
from shared.errors import not_found

_COLUMNS = [webhook_endpoint.c[field.name] for field in fields(Endpoint)]
_KEY = ("vendor_id", "mode", "endpoint_id")


def of_account(table: Table, account: Account) -> ColumnElement[bool]:
    """Return the condition that a row is an account's."""
    return and_(table.c.vendor_id == account.vendor_id, table.c.mode == account.mode)


def of_endpoint(table: Table, key: EndpointKey) -> ColumnElement[bool]:
    """Return the condition that a row is an endpoint's."""
    return and_(of_account(table, key.account), table.c.endpoint_id == key.endpoint_id)


async def find(
    connection: AsyncConnection, key: EndpointKey, *, lock: bool = False
) -> Endpoint | None:
    query = select(*_COLUMNS).where(of_endpoint(webhook_endpoint, key))
    if lock:
        # Not against the references of new deliveries: recording an event waits for nobody.
        query = query.with_for_update(key_share=True)
    row = (await connection.execute(query)).mappings().one_or_none()
    return Endpoint(**row) if row else None


async def read(connection: AsyncConnection, key: EndpointKey, *, lock: bool = False) -> Endpoint:
    """Return an endpoint; raises `unknown_webhook_endpoint` (404)."""
    endpoint = await find(connection, key, lock=lock)
    if endpoint is None:
        raise not_found("webhook_endpoint", key.endpoint_id)
    return endpoint


async def list_all(connection: AsyncConnection, account: Account) -> Sequence[Endpoint]:
    """Return an account's endpoints in the order of their ids; they are few."""
    query = select(*_COLUMNS).where(of_account(webhook_endpoint, account))
    rows = (await connection.execute(query.order_by(webhook_endpoint.c.endpoint_id))).mappings()
    return [Endpoint(**row) for row in rows]


async def insert_new(connection: AsyncConnection, key: EndpointKey, values: dict[str, Any]) -> None:
    account = key.account
    owner = {"vendor_id": account.vendor_id, "mode": account.mode, "endpoint_id": key.endpoint_id}
    await connection.execute(insert(webhook_endpoint).values(**owner, **values))


async def change(connection: AsyncConnection, key: EndpointKey, values: dict[str, Any]) -> None:
    await connection.execute(
        update(webhook_endpoint).where(of_endpoint(webhook_endpoint, key)).values(values)
    )


async def remove(connection: AsyncConnection, key: EndpointKey) -> bool:
    """Delete an endpoint with its deliveries; False when there is none."""
    statement = delete(webhook_endpoint).where(of_endpoint(webhook_endpoint, key))
    result = await connection.execute(statement.returning(webhook_endpoint.c.endpoint_id))
    return result.first() is not None


async def list_vendors(connection: AsyncConnection) -> frozenset[str]:
    """Return the vendors that have an endpoint in any mode."""
    query = select(webhook_endpoint.c.vendor_id).distinct()
    return frozenset((await connection.execute(query)).scalars())


async def list_due(connection: AsyncConnection, now: datetime) -> Sequence[Endpoint]:
    """Return the endpoints that are owed a delivery now."""
    table, due = webhook_endpoint, webhook_delivery
    query = select(*_COLUMNS).where(
        table.c.state == "enabled",
        or_(table.c.paused_until.is_(None), table.c.paused_until <= now),
        exists().where(
            *(due.c[name] == table.c[name] for name in _KEY),
            due.c.state == "pending",
            due.c.next_attempt_at <= now,
            or_(due.c.leased_until.is_(None), due.c.leased_until <= now),
        ),
    )
    return [Endpoint(**row) for row in (await connection.execute(query)).mappings()]


async def list_dead(connection: AsyncConnection, account: Account) -> Sequence[DeadDeliveries]:
    """Return the endpoints with deliveries that were given up, or that are gone.

    What an endpoint missed while it was disabled by hand waits for nobody.
    """
    table, dead = webhook_endpoint, webhook_delivery
    missed_on_purpose = and_(
        dead.c.reason == DISABLED, table.c.disabled_reason.is_distinct_from(GONE)
    )
    given_up = and_(
        *(dead.c[name] == table.c[name] for name in _KEY),
        dead.c.state == "dead",
        ~missed_on_purpose,
    )
    count = func.count(dead.c.event_id)
    query = (
        select(
            table.c.endpoint_id,
            table.c.disabled_reason,
            count.label("count"),
            func.min(dead.c.finished_at).label("oldest"),
            func.max(dead.c.finished_at).label("newest"),
        )
        .select_from(table.outerjoin(dead, given_up))
        .where(of_account(table, account))
        .group_by(table.c.endpoint_id, table.c.disabled_reason)
        .having(or_(count > 0, table.c.disabled_reason == GONE))
        .order_by(table.c.endpoint_id)
    )
    return [DeadDeliveries(**row) for row in (await connection.execute(query)).mappings()]
