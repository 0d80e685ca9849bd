"""What was made under a caller's idempotency key."""

from datetime import datetime

from sqlalchemy import RowMapping, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.invoicing.correction_tables import idempotency_key
from shared.accounts.repository import Account
from shared.database import lock_transaction


async def read_key(connection: AsyncConnection, account: Account, key: str) -> RowMapping | None:
    """Lock a key until the transaction ends, and return what it was used for."""
    await lock_transaction(
        connection, "invoicing.idempotency", account.vendor_id, account.mode, key
    )
    query = select(idempotency_key.c.request_hash, idempotency_key.c.object_id).where(
        idempotency_key.c.vendor_id == account.vendor_id,
        idempotency_key.c.mode == account.mode,
        idempotency_key.c.key == key,
    )
    return (await connection.execute(query)).mappings().one_or_none()


async def store_key(
    connection: AsyncConnection,
    account: Account,
    key: str,
    *,
    request_hash: str,
    object_id: str,
    now: datetime,
) -> None:
    await connection.execute(
        insert(idempotency_key).values(
            vendor_id=account.vendor_id,
            mode=account.mode,
            key=key,
            request_hash=request_hash,
            object_id=object_id,
            created_at=now,
        )
    )
