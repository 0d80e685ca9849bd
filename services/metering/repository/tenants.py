"""Tenants and vendors, as accounts has them; metering may read and never writes them."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta

from sqlalchemy import Row, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.accounts.repository import Account
from shared.accounts.tables import tenant, vendor
from shared.clock import Clock
from shared.database import Database

CACHE_LIFE = timedelta(seconds=5)
"""How long a list of tenants is used: so soon does a new tenant count."""
MISSING_LIFE = timedelta(milliseconds=500)
"""How long it is used for saying that there is no such tenant: it may have just been made."""
OUTAGE_LIFE = timedelta(seconds=60)
"""How long it is used while the database is away, as with keys."""


async def list_live_vendors(connection: AsyncConnection, today: date) -> Sequence[Row[str, date]]:
    """Return (vendor_id, live_from) of the vendors that are live on `today`."""
    query = select(vendor.c.vendor_id, vendor.c.live_from).where(vendor.c.live_from <= today)
    return (await connection.execute(query.order_by(vendor.c.vendor_id))).all()


async def read_tenants(connection: AsyncConnection, account: Account) -> frozenset[str]:
    """Return the ids of an account's tenants."""
    query = select(tenant.c.tenant_id).where(
        tenant.c.vendor_id == account.vendor_id, tenant.c.mode == account.mode
    )
    return frozenset((await connection.execute(query)).scalars())


class KnownTenants:
    """The tenants of each account, read at most every few seconds."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._known: dict[Account, tuple[datetime, frozenset[str]]] = {}

    async def of(self, account: Account, *, missing: bool = False) -> frozenset[str]:
        """Return the account's tenants; raises when they were not read for a minute.

        `missing` says that the caller looks for one that the last answer did not have.
        """
        now = self._clock.now()
        read_at, tenants = self._known.get(account, (None, frozenset[str]()))
        if read_at is not None and now - read_at < (MISSING_LIFE if missing else CACHE_LIFE):
            return tenants
        try:
            tenants = await self._read(account)
        except (SQLAlchemyError, OSError):
            if read_at is not None and now - read_at < OUTAGE_LIFE:
                return tenants
            raise
        self._known[account] = (now, tenants)
        return tenants

    async def _read(self, account: Account) -> frozenset[str]:
        async with self._database.transaction() as connection:
            return await read_tenants(connection, account)
