"""Simulations: asked for, taken by the process that runs them, answered once."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import RowMapping, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.repository.selection import keys, owned
from services.pricing.simulation_tables import simulation
from shared.accounts.repository import Account

SHOWN = tuple(column for column in simulation.c if column.name not in {"result", "attempts"})


async def create(
    connection: AsyncConnection, account: Account, simulation_id: str, request: dict[str, Any]
) -> None:
    values = {**keys(account), "simulation_id": simulation_id, "request": request}
    await connection.execute(insert(simulation).values(**values))


async def read(
    connection: AsyncConnection, account: Account, simulation_id: str
) -> RowMapping | None:
    """Return a simulation without its result."""
    query = select(*SHOWN).where(owned(simulation, account, simulation_id=simulation_id))
    row: RowMapping | None = (await connection.execute(query)).mappings().one_or_none()
    return row


async def read_result(connection: AsyncConnection, account: Account, simulation_id: str) -> Any:
    """Return what came out; None while there is nothing."""
    query = select(simulation.c.result).where(
        owned(simulation, account, simulation_id=simulation_id)
    )
    return await connection.scalar(query)


async def list_newest(
    connection: AsyncConnection, account: Account, *, limit: int
) -> Sequence[RowMapping]:
    query = (
        select(*SHOWN)
        .where(owned(simulation, account))
        .order_by(simulation.c.created_at.desc(), simulation.c.simulation_id)
        .limit(limit)
    )
    return (await connection.execute(query)).mappings().all()


async def list_waiting(connection: AsyncConnection) -> Sequence[RowMapping]:
    """Return (vendor_id, mode, simulation_id, attempts) of what is not finished, oldest first."""
    columns = (simulation.c[name] for name in ("vendor_id", "mode", "simulation_id", "attempts"))
    query = (
        select(*columns)
        .where(simulation.c.state.in_(("queued", "running")))
        .order_by(simulation.c.created_at, simulation.c.simulation_id)
    )
    return (await connection.execute(query)).mappings().all()


async def begin(connection: AsyncConnection, account: Account, simulation_id: str) -> None:
    """Note that a process works on it."""
    await _set(
        connection,
        account,
        simulation_id,
        state="running",
        started_at=func.now(),
        attempts=simulation.c.attempts + 1,
    )


async def finish(
    connection: AsyncConnection, account: Account, simulation_id: str, result: dict[str, Any]
) -> None:
    """Store a result; one that is finished is left as it is."""
    await _set(
        connection, account, simulation_id, state="done", result=result, finished_at=func.now()
    )


async def fail(
    connection: AsyncConnection, account: Account, simulation_id: str, failure: dict[str, Any]
) -> None:
    """Store why there is no result; one that is finished is left as it is."""
    await _set(
        connection, account, simulation_id, state="failed", failure=failure, finished_at=func.now()
    )


async def _set(
    connection: AsyncConnection, account: Account, simulation_id: str, **values: Any
) -> None:
    waiting = simulation.c.state.in_(("queued", "running"))
    own = owned(simulation, account, simulation_id=simulation_id)
    await connection.execute(update(simulation).where(own, waiting).values(**values))
