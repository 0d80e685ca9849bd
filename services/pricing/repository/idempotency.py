"""Answers to writes, kept under the caller's idempotency keys."""

from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, delete, select, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.cost_tables import idempotency_key
from services.pricing.repository.selection import keys, owned
from shared.accounts.repository import Account
from shared.database import lock_transaction


async def lock_key(connection: AsyncConnection, account: Account, key: str) -> None:
    """Let one transaction at a time use a key."""
    await lock_transaction(connection, "pricing.idempotency", account.vendor_id, account.mode, key)


async def read(connection: AsyncConnection, account: Account, key: str) -> RowMapping | None:
    query = select(idempotency_key).where(owned(idempotency_key, account, key=key))
    row: RowMapping | None = (await connection.execute(query)).mappings().one_or_none()
    return row


async def store(
    connection: AsyncConnection, account: Account, key: str, *, request_hash: str, answer: Any
) -> None:
    await connection.execute(
        insert(idempotency_key).values(
            **keys(account), key=key, request_hash=request_hash, answer=answer
        )
    )


async def delete_older(connection: AsyncConnection, before: datetime, *, limit: int) -> int:
    """Delete keys that were stored before an instant, the oldest first; return how many."""
    columns = (idempotency_key.c.vendor_id, idempotency_key.c.mode, idempotency_key.c.key)
    oldest = (
        select(*columns)
        .where(idempotency_key.c.created_at < before)
        .order_by(idempotency_key.c.created_at)
        .limit(limit)
    )
    deleted = await connection.execute(
        delete(idempotency_key).where(tuple_(*columns).in_(oldest.subquery().select()))
    )
    return deleted.rowcount
