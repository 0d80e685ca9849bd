"""The locks of many invoices on one connection; whoever else wants one is another session."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.invoicing.stripe_sync.together import Together
from shared.database import Database, lock_key

_TAKE = text(
    "select key from (select key, pg_try_advisory_lock(key) as held"
    " from unnest(cast(:keys as bigint[])) key) as tried where held"
)
_GIVE_BACK = text("select pg_advisory_unlock(key) from unnest(cast(:keys as bigint[])) key")


def invoice_lock(invoice_id: str) -> str:
    """Return the name of the lock that whoever changes an invoice's state by Stripe holds."""
    return f"invoice:{invoice_id}"


class InvoiceLocks:
    """Session locks, the same as `Database.leadership` takes. They end with the connection.

    A session gets a lock again that it holds already: the caller never asks for one twice.
    """

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection
        self._turn = asyncio.Lock()
        self.give_back: Together[str, None] = Together(self._give_back)

    async def take(self, invoice_ids: Sequence[str]) -> list[str]:
        """Return those of the invoices whose lock is ours now, in their order."""
        keys = {lock_key(invoice_lock(identity)): identity for identity in invoice_ids}
        async with self._turn:
            held = await self._connection.scalars(_TAKE, {"keys": list(keys)})
        ours = {keys[key] for key in held}
        return [identity for identity in invoice_ids if identity in ours]

    async def _give_back(self, invoice_ids: list[str]) -> list[None]:
        keys = [lock_key(invoice_lock(identity)) for identity in invoice_ids]
        async with self._turn:
            await self._connection.execute(_GIVE_BACK, {"keys": keys})
        return [None] * len(keys)


@asynccontextmanager
async def invoice_locks(database: Database) -> AsyncIterator[InvoiceLocks]:
    """Yield locks on a connection of their own; at the end it is closed, and with it every lock."""
    async with database.engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        locks = InvoiceLocks(connection)
        try:
            yield locks
        finally:
            # Back in the pool the session would go on holding what was not given back.
            await connection.invalidate()
