"""What we keep of Stripe: accounts, customers, received events."""

from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, func, select, true, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.invoicing.models import StoredEvent
from services.invoicing.tables import stripe_account, stripe_customer, webhook_inbox
from shared.accounts.repository import Account

_EVENT_COLUMNS = [webhook_inbox.c[field.name] for field in fields(StoredEvent)]


async def put_account(
    connection: AsyncConnection, account: Account, values: dict[str, Any]
) -> None:
    statement = insert(stripe_account).values(
        vendor_id=account.vendor_id, mode=account.mode, **values
    )
    await connection.execute(
        statement.on_conflict_do_update(index_elements=["vendor_id", "mode"], set_=values)
    )


async def read_account(connection: AsyncConnection, account: Account) -> RowMapping | None:
    query = select(stripe_account).where(
        stripe_account.c.vendor_id == account.vendor_id, stripe_account.c.mode == account.mode
    )
    return (await connection.execute(query)).mappings().one_or_none()


async def read_customer_id(
    connection: AsyncConnection, account: Account, tenant_id: str
) -> str | None:
    query = select(stripe_customer.c.stripe_customer_id).where(
        stripe_customer.c.vendor_id == account.vendor_id,
        stripe_customer.c.mode == account.mode,
        stripe_customer.c.tenant_id == tenant_id,
    )
    return (await connection.execute(query)).scalar_one_or_none()


async def find_customer_owners(
    connection: AsyncConnection, account: Account, customer_ids: Sequence[str]
) -> dict[str, str]:
    """Return which tenant each of the customers is linked to, where there is one."""
    query = select(stripe_customer.c.stripe_customer_id, stripe_customer.c.tenant_id).where(
        stripe_customer.c.vendor_id == account.vendor_id,
        stripe_customer.c.mode == account.mode,
        stripe_customer.c.stripe_customer_id.in_(customer_ids),
    )
    rows = (await connection.execute(query)).all()
    return {row.stripe_customer_id: row.tenant_id for row in rows}


async def insert_customer_id(
    connection: AsyncConnection, account: Account, tenant_id: str, customer_id: str
) -> None:
    statement = insert(stripe_customer).values(
        vendor_id=account.vendor_id,
        mode=account.mode,
        tenant_id=tenant_id,
        stripe_customer_id=customer_id,
    )
    await connection.execute(statement.on_conflict_do_nothing())


async def store_event(connection: AsyncConnection, values: dict[str, Any]) -> bool:
    """Store a verified event once, and when it was signed last.

    False when it was signed no later than a delivery of it before: the same request again.
    """
    statement = insert(webhook_inbox).values(values)
    later = statement.on_conflict_do_update(
        index_elements=["vendor_id", "mode", "event_id"],
        set_={"signed_at": statement.excluded.signed_at},
        where=func.coalesce(webhook_inbox.c.signed_at < statement.excluded.signed_at, true()),
    )
    result = await connection.execute(later.returning(webhook_inbox.c.event_id))
    return result.first() is not None


async def list_due_events(
    connection: AsyncConnection, now: datetime, limit: int
) -> Sequence[StoredEvent]:
    query = (
        select(*_EVENT_COLUMNS)
        .where(webhook_inbox.c.processed_at.is_(None), webhook_inbox.c.next_attempt_at <= now)
        .order_by(webhook_inbox.c.next_attempt_at, webhook_inbox.c.event_id)
        .limit(limit)
    )
    return [StoredEvent(**row) for row in (await connection.execute(query)).mappings()]


async def read_event_payload(connection: AsyncConnection, event: StoredEvent) -> bytes:
    query = select(webhook_inbox.c.payload).where(
        webhook_inbox.c.vendor_id == event.vendor_id,
        webhook_inbox.c.mode == event.mode,
        webhook_inbox.c.event_id == event.event_id,
    )
    return bytes((await connection.execute(query)).scalar_one())


async def update_event(
    connection: AsyncConnection, event: StoredEvent, values: dict[str, Any]
) -> None:
    await connection.execute(
        update(webhook_inbox)
        .where(
            webhook_inbox.c.vendor_id == event.vendor_id,
            webhook_inbox.c.mode == event.mode,
            webhook_inbox.c.event_id == event.event_id,
        )
        .values(values)
    )
