"""Postgres: engines, the one place that commits, and advisory locks.

Application code works inside `Database.transaction()` and never commits itself.
"""

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Literal
from urllib.parse import urlsplit
from zlib import crc32

from sqlalchemy import MetaData, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from shared.ids import length_prefixed

Isolation = Literal["READ COMMITTED", "REPEATABLE READ"]

RESTED_SECONDS = 1.0
"""A connection that was used so recently is taken as it is: who it fails tries again anyway."""

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


def service_metadata(schema: str) -> MetaData:
    """Return the metadata of one service's schema, with names for every constraint."""
    return MetaData(schema=schema, naming_convention=NAMING)


def asyncpg_url(url: str) -> URL:
    """Return a `postgresql://…` URL as SQLAlchemy's asyncpg dialect wants it."""
    return make_url(url).set(drivername="postgresql+asyncpg")


def service_database_url(admin_url: str, service: str, password: str) -> str:
    """Return the URL by which the role `tallyroll_<service>` reaches the admin URL's database."""
    address = urlsplit(admin_url)
    return f"postgresql://tallyroll_{service}:{password}@{address.hostname}:{address.port}{address.path}"


class Database:
    """One process' pool of connections to one database, as one role."""

    def __init__(
        self, url: str, *, connections: int = 8, server_settings: Mapping[str, str] | None = None
    ) -> None:
        """Open nothing yet; `server_settings` are set in every session, such as time limits."""
        # Without their parameters: errors are logged, and those hold names, addresses and hashes.
        self.engine: AsyncEngine = create_async_engine(
            asyncpg_url(url),
            pool_size=connections,
            max_overflow=0,
            hide_parameters=True,
            connect_args={"server_settings": dict(server_settings or {})},
        )
        _ping_when_rested(self.engine)

    @asynccontextmanager
    async def transaction(
        self, isolation: Isolation = "READ COMMITTED"
    ) -> AsyncIterator[AsyncConnection]:
        """Open a transaction; commit when the block ends, roll back when it raises."""
        async with self.engine.connect() as connection:
            await connection.execution_options(isolation_level=isolation)
            async with connection.begin():
                yield connection

    @asynccontextmanager
    async def leadership(self, name: str) -> AsyncIterator[bool]:
        """Yield whether this process got the session lock `name`; it is held over the block.

        The lock is taken outside of any transaction, so that a snapshot taken afterwards sees all
        that the previous holder committed.
        """
        async with self.engine.connect() as connection:
            await connection.execution_options(isolation_level="AUTOCOMMIT")
            key = {"key": lock_key(name)}
            held = bool(await connection.scalar(text("select pg_try_advisory_lock(:key)"), key))
            try:
                yield held
            finally:
                if held:
                    await connection.execute(text("select pg_advisory_unlock(:key)"), key)

    async def ping(self) -> None:
        """Raise when the database does not answer."""
        async with self.engine.connect() as connection:
            await connection.execute(text("select 1"))

    async def close(self) -> None:
        await self.engine.dispose()


def _ping_when_rested(engine: AsyncEngine) -> None:
    """Let a connection that has rested be tried before it is used, and replaced if it is broken.

    To try each one (`pool_pre_ping`) costs three round trips for every transaction.
    """

    def tried(dbapi_connection: Any, record: Any, _proxy: Any) -> None:
        if time.monotonic() - record.info.get("used_at", 0.0) < RESTED_SECONDS:
            return
        try:
            engine.dialect.do_ping(dbapi_connection)
        except Exception as error:
            raise DisconnectionError from error

    def used(_dbapi_connection: Any, record: Any) -> None:
        record.info["used_at"] = time.monotonic()

    event.listen(engine.sync_engine, "connect", used)
    event.listen(engine.sync_engine, "checkin", used)
    event.listen(engine.sync_engine, "checkout", tried)


_BEGIN = text("select 1")


async def driver_of(connection: AsyncConnection) -> Any:
    """Return the asyncpg connection of a transaction, for COPY and for what must not be compiled.

    SQLAlchemy begins a transaction with the first statement that it sees; one that it does not see
    would commit by itself.
    """
    driver: Any = (await connection.get_raw_connection()).driver_connection
    if not driver.is_in_transaction():
        await connection.execute(_BEGIN)
    return driver


def lock_key(*parts: str) -> int:
    """Return the 64-bit key of an advisory lock: two CRC-32 over the length-prefixed parts."""
    material = length_prefixed(*parts)
    return crc32(material) << 31 ^ crc32(material[::-1])


async def lock_transaction(connection: AsyncConnection, *parts: str, shared: bool = False) -> None:
    """Take the advisory lock of `parts` until the transaction ends."""
    function = "pg_advisory_xact_lock_shared" if shared else "pg_advisory_xact_lock"
    await connection.execute(text(f"select {function}(:key)"), {"key": lock_key(*parts)})
