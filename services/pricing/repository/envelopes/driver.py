"""The driver below SQLAlchemy, for the few statements that somebody waits for.

To compile and adapt a statement costs as much time as Postgres takes to answer it.
"""

from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

_BEGIN = text("select 1")


async def driver_of(connection: AsyncConnection) -> Any:
    """Return the asyncpg connection of a transaction.

    SQLAlchemy begins a transaction with the first statement that it sees; one that it does not see
    would commit by itself.
    """
    driver: Any = (await connection.get_raw_connection()).driver_connection
    if not driver.is_in_transaction():
        await connection.execute(_BEGIN)
    return driver
