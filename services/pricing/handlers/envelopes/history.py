"""What usage cost, and whose it was: read of some tenants or of all, in one snapshot."""

import asyncio
from collections.abc import Sequence
from datetime import date, datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.domain.envelopes.envelope import Envelope
from services.pricing.handlers.envelopes.spending import Part, costs_of, parts_of
from services.pricing.handlers.provider_prices import load_prices
from services.pricing.repository.envelopes import spending
from shared.accounts.repository import Account


async def read_parts(
    connection: AsyncConnection,
    account: Account,
    tenants: Sequence[str] | None,
    *,
    since: date,
    now: datetime,
) -> list[Part]:
    """Return the usage of tenants (None: of all) from a day on until now, at provider cost."""
    end = now.date() + timedelta(days=1)
    prices = await load_prices(connection, account)
    usage = await spending.usage_by_day(connection, account, start=since, end=end, tenants=tenants)
    users = await spending.users_by_day(connection, account, start=since, end=end, tenants=tenants)
    # Beside the event loop: whoever asks meanwhile does not wait for sums over many rows.
    costs = await asyncio.to_thread(costs_of, usage, prices)
    return await asyncio.to_thread(parts_of, costs, users)


async def read_own_parts(
    connection: AsyncConnection, account: Account, envelope: Envelope, *, since: date, now: datetime
) -> list[Part]:
    """Return the usage of whoever an envelope is for, and of others of its tenant."""
    tenants = [envelope.scope.tenant] if envelope.scope.tenant else None
    return await read_parts(connection, account, tenants, since=since, now=now)
