"""Writing and reading the logs of trainings and of segments."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from sqlalchemy import RowMapping, select
from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.growth_tables import tenant_segment, training
from services.pricing.repository.growth import logs
from services.pricing.repository.selection import owned
from services.pricing.schemas.growth.enablement import (
    SegmentEntry,
    SegmentWrite,
    TrainingEntry,
    TrainingWrite,
)
from shared.accounts.repository import Account
from shared.accounts.tables import tenant
from shared.errors import Fault, TallyrollError


async def add_trainings(
    connection: AsyncConnection,
    account: Account,
    trainings: Sequence[TrainingWrite],
    written_by: str,
) -> list[TrainingEntry]:
    """Add to the log what does not stand there already; raises `unknown_tenant`."""
    await _check_tenants(connection, account, "trainings", [one.tenant for one in trainings])
    entries = [_entry(one.model_dump()) for one in trainings]
    rows = await logs.add(connection, account, training, entries, written_by)
    return [training_of(row) for row in rows]


async def add_segments(
    connection: AsyncConnection,
    account: Account,
    segments: Sequence[SegmentWrite],
    written_by: str,
) -> list[SegmentEntry]:
    """Add to the log what does not stand there already; raises `unknown_tenant`."""
    await _check_tenants(connection, account, "segments", [one.tenant for one in segments])
    entries = [_entry(one.model_dump()) for one in segments]
    rows = await logs.add(connection, account, tenant_segment, entries, written_by)
    return [segment_of(row) for row in rows]


async def list_trainings(
    connection: AsyncConnection, account: Account, *, after: int, limit: int
) -> list[TrainingEntry]:
    rows = await logs.list_page(connection, account, training, after=after, limit=limit)
    return [training_of(row) for row in rows]


async def list_segments(
    connection: AsyncConnection, account: Account, *, after: int, limit: int
) -> list[SegmentEntry]:
    rows = await logs.list_page(connection, account, tenant_segment, after=after, limit=limit)
    return [segment_of(row) for row in rows]


def training_of(row: RowMapping) -> TrainingEntry:
    return TrainingEntry.model_validate(_shown(row))


def segment_of(row: RowMapping) -> SegmentEntry:
    return SegmentEntry.model_validate(_shown(row))


def _entry(values: dict[str, Any]) -> dict[str, Any]:
    return {"tenant_id": values.pop("tenant"), **values}


def _shown(row: RowMapping) -> dict[str, Any]:
    return {**row, "tenant": row["tenant_id"]}


async def _check_tenants(
    connection: AsyncConnection, account: Account, field: str, named: Sequence[str]
) -> None:
    query = select(tenant.c.tenant_id).where(
        owned(tenant, account), tenant.c.tenant_id.in_(sorted(set(named)))
    )
    known = set((await connection.scalars(query)).all())
    faults = [
        Fault("unknown_tenant", f"{field}[{place}].tenant", f"There is no tenant {name!r}.")
        for place, name in enumerate(named)
        if name not in known
    ]
    if faults:
        message = f"{len(faults)} entries name tenants that do not exist; none was made."
        raise TallyrollError("unknown_tenant", message, HTTPStatus.NOT_FOUND, faults=faults)
