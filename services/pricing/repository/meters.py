"""Versions of metering's meters, as pricing has been told of them."""

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.domain.meters import METER_PREFIX
from services.pricing.meter_tables import known_meter
from services.pricing.repository.selection import keys, owned
from shared.accounts.repository import Account
from shared.events.usage_aggregated import MeterDefined


async def store(connection: AsyncConnection, message: MeterDefined) -> None:
    """Store a version; one that is known is left as it is, since it never changes."""
    written = insert(known_meter).values(
        **keys(Account(message.vendor_id, message.mode)),
        name=message.name,
        version=message.meter_version,
        is_additive=message.is_additive,
    )
    await connection.execute(written.on_conflict_do_nothing())


async def read_kinds(connection: AsyncConnection, account: Account) -> dict[str, bool]:
    """Return the kinds by which price books name the account's meters, and whether they add up."""
    query = select(known_meter.c.name, known_meter.c.version, known_meter.c.is_additive)
    rows = (await connection.execute(query.where(owned(known_meter, account)))).all()
    return {f"{METER_PREFIX}{name}@{version}": is_additive for name, version, is_additive in rows}


async def read_singles(connection: AsyncConnection, account: Account) -> frozenset[str]:
    """Return the kinds of the account's meters that do not add up."""
    kinds = await read_kinds(connection, account)
    return frozenset(kind for kind, is_additive in kinds.items() if not is_additive)
