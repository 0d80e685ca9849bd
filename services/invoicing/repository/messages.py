"""Messages that could not be used: kept, so that they never block a partition."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import RowMapping, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.invoicing.tables import dead_letter


async def insert_dead_letter(connection: AsyncConnection, values: dict[str, Any]) -> None:
    """Keep a record that cannot be used; the same record twice is once."""
    await connection.execute(insert(dead_letter).values(values).on_conflict_do_nothing())


async def list_dead_letters(connection: AsyncConnection, limit: int) -> Sequence[RowMapping]:
    """Return dead letters without their payloads, newest first."""
    columns = [column for column in dead_letter.c if column.name != "payload"]
    query = select(*columns).order_by(dead_letter.c.stored_at.desc()).limit(limit)
    return (await connection.execute(query)).mappings().all()
