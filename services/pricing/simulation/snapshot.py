"""The usage of an account as a store: copied out of Postgres in one snapshot, then by columns."""

import asyncio
from datetime import date, timedelta
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.simulation.usage_store import PEOPLE_COLUMNS, USAGE_COLUMNS, create_store
from shared.accounts.repository import Account

BEFORE = timedelta(days=31)
"""A period that ends in the window begins at most so long before it."""

_OWN = "vendor_id = $1 and mode = $2 and usage_day >= $3 and usage_day < $4 and booked_day < $4"
_USAGE = f"""
    select {", ".join(USAGE_COLUMNS).replace("batch", "batch::text")}
    from pricing.usage_daily where {_OWN}
"""  # noqa: S608 - our own names
_PEOPLE = f"""
    select {", ".join(f'"{name}"' for name in PEOPLE_COLUMNS)}
    from pricing.usage_daily_by_user where {_OWN}
"""  # noqa: S608 - our own names


async def take_snapshot(connection: AsyncConnection) -> str:
    """Return the name by which other connections see what this transaction sees."""
    await connection.execute(text("set transaction read only"))
    name: str = await connection.scalar(text("select pg_export_snapshot()"))
    return name


async def join_snapshot(connection: AsyncConnection, name: str) -> None:
    """See what another transaction sees; the first statement of this one."""
    await connection.execute(text(f"set transaction snapshot '{name}'"))
    await connection.execute(text("set transaction read only"))


async def copy_usage(
    connections: tuple[AsyncConnection, AsyncConnection],
    account: Account,
    days: tuple[date, date],
    folder: Path,
) -> Path:
    """Copy the usage of `[start, end)`, and what is before it in a period, into a store.

    The connections see the same; each copies a table. What was booked by the end counts, also for
    days long before: a backtest knows of late usage. Raises `quantities_too_wide`.
    """
    files = folder / "usage.csv", folder / "people.csv"
    await asyncio.gather(
        *(
            _copy(connection, query, (account, *days), file)
            for connection, query, file in zip(connections, (_USAGE, _PEOPLE), files, strict=True)
        )
    )
    store = folder / "usage.duckdb"
    await asyncio.to_thread(create_store, store, *files)
    for file in files:
        file.unlink()
    return store


async def _copy(
    connection: AsyncConnection, query: str, wanted: tuple[Account, date, date], file: Path
) -> None:
    account, start, end = wanted
    driver = (await connection.get_raw_connection()).driver_connection
    assert driver is not None, "an open connection"
    await driver.copy_from_query(
        query,
        account.vendor_id,
        account.mode,
        start - BEFORE,
        end,
        output=file,
        format="csv",
        header=True,
    )
