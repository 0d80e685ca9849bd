"""Messages that cannot be read: kept, so that they block nothing and nothing is lost."""

from collections.abc import Sequence

from sqlalchemy import RowMapping, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.tables import dead_letter
from shared.accounts.repository import Account
from shared.consuming import Origin
from shared.dead_letters import count_naming


async def store(connection: AsyncConnection, origin: Origin, *, code: str, payload: bytes) -> None:
    """Store a record's bytes; the same record twice is one row."""
    written = insert(dead_letter).values(
        topic=origin.topic,
        topic_partition=origin.partition,
        topic_offset=origin.offset,
        code=code,
        payload=payload,
    )
    await connection.execute(written.on_conflict_do_nothing())


async def count(connection: AsyncConnection) -> dict[str, int]:
    """Return how many there are, by code."""
    query = select(dead_letter.c.code, func.count()).group_by(dead_letter.c.code)
    return {code: number for code, number in (await connection.execute(query)).all()}  # noqa: C416 - rows are no tuples to mypy


async def count_of(connection: AsyncConnection, account: Account) -> Sequence[RowMapping]:
    """Return (topic, code, count, oldest, newest) of those that name the account."""
    stored_at = dead_letter.c.created_at
    return await count_naming(connection, dead_letter, account, stored_at=stored_at)
