"""Records that could not be handled: which of them name an account."""

from collections.abc import Sequence

from sqlalchemy import Column, RowMapping, Table, func, literal, select
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.accounts.repository import Account


async def count_naming(
    connection: AsyncConnection, letters: Table, account: Account, *, stored_at: Column[object]
) -> Sequence[RowMapping]:
    """Return (topic, code, count, oldest, newest) of the dead letters that name the account.

    Told by the bytes, since they may be no message: what names nobody is the operator's alone.
    `stored_at` is the column that says when one came.
    """
    named = (f'"vendor_id":"{account.vendor_id}"', f'"mode":"{account.mode}"')
    holds = (func.position(literal(text.encode()).op("in")(letters.c.payload)) for text in named)
    query = (
        select(
            letters.c.topic,
            letters.c.code,
            func.count().label("count"),
            func.min(stored_at).label("oldest"),
            func.max(stored_at).label("newest"),
        )
        .where(*(place > 0 for place in holds))
        .group_by(letters.c.topic, letters.c.code)
        .order_by(letters.c.topic, letters.c.code)
    )
    return (await connection.execute(query)).mappings().all()
