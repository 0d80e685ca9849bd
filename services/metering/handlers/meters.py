"""Meters: creating versions, and telling pricing that they exist."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from services.metering.domain.meters.definition import kind_of
from services.metering.handlers.meter_definitions import content_hash, read_definition
from services.metering.repository import meters as repository
from services.metering.repository.offsets import read_progress
from services.metering.schemas import Meter, Meters, MeterWrite
from services.metering.tables import outbox
from shared.accounts.repository import Account
from shared.database import lock_transaction
from shared.errors import conflict, not_found
from shared.events.usage_aggregated import MeterDefined
from shared.outbox import Outgoing, put
from shared.topics import USAGE_RECORDED

METERS_MAX = 200
"""Versions of all meters of an account: each additive one costs every flush a little."""


async def create_meter(
    connection: AsyncConnection, account: Account, written: MeterWrite, now: datetime
) -> tuple[Meter, bool]:
    """Return a version of this content, and whether it is new.

    Raises `invalid_meter` with all faults, `too_many_meters`.
    """
    definition = read_definition(written.name, written.definition)
    content = content_hash(definition)
    # Flushes hold this lock shared before they look for meters: those that come later see this
    # one, and the offsets found under the lock are where they begin.
    await lock_transaction(connection, "vendor", account.vendor_id, account.mode)
    versions = await repository.list_meters(connection, account, written.name)
    for row in versions:
        if row["content_hash"] == content:
            return _shown(row), False
    if len(await repository.list_meters(connection, account)) >= METERS_MAX:
        raise conflict("too_many_meters", f"An account has at most {METERS_MAX} versions.")
    progress = await read_progress(connection, USAGE_RECORDED)
    values = {
        "vendor_id": account.vendor_id,
        "mode": account.mode,
        "name": written.name,
        "version": len(versions) + 1,
        "definition": definition.model_dump(mode="json"),
        "content_hash": content,
        "is_additive": definition.is_additive,
        "live_from": {str(p): step.next_offset for p, step in progress.items()},
        "created_at": now,
    }
    await repository.insert_meter(connection, values)
    await announce_meters(connection, account, [values])
    return _shown(values | {"is_backfilled": False}), True


async def announce_meters(
    connection: AsyncConnection, account: Account, rows: Sequence[RowMapping | Mapping[str, Any]]
) -> None:
    """Tell pricing which versions exist, so that a price book cannot name one that does not."""
    messages = [
        MeterDefined(
            vendor_id=account.vendor_id,
            mode=account.mode,
            name=row["name"],
            meter_version=row["version"],
            is_additive=row["is_additive"],
        )
        for row in rows
    ]
    await put(connection, outbox, [Outgoing(message) for message in messages])


def _shown(row: RowMapping | Mapping[str, Any]) -> Meter:
    additive = row["is_additive"]
    kind = kind_of(row["name"], row["version"]) if additive else None
    shown = {name: row[name] for name in ("name", "version", "content_hash", "created_at")}
    return Meter.model_validate(
        {
            **shown,
            "kind": kind,
            "definition": row["definition"],
            "is_backfilled": row["is_backfilled"] if additive else None,
        }
    )


async def list_meters(connection: AsyncConnection, account: Account) -> Meters:
    """Return every version of the account's meters."""
    return Meters(meters=[_shown(row) for row in await repository.list_meters(connection, account)])


async def read_meter(
    connection: AsyncConnection, account: Account, name: str, version: int
) -> Meter:
    """Return one version; raises `unknown_meter`."""
    return _shown(await find_version(connection, account, name, version))


async def find_version(
    connection: AsyncConnection, account: Account, name: str, version: int
) -> RowMapping:
    """Return a stored version; raises `unknown_meter`."""
    for row in await repository.list_meters(connection, account, name):
        if row["version"] == version:
            return row
    raise not_found("meter", f"{name}@{version}")
