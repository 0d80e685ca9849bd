"""Simulations as they are asked for and read; they run elsewhere."""

import csv
import io
from collections.abc import Iterator
from typing import Any

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.handlers.simulating import read_plans
from services.pricing.repository import simulations
from services.pricing.schemas.simulation import SimulationFailure, SimulationRead, SimulationWrite
from services.pricing.schemas.simulation_result import SimulationResult
from shared.accounts.repository import Account
from shared.errors import conflict, not_found
from shared.ids import new_id

CSV_COLUMNS = (
    *("plan", "tenant_id", "periods", "people", "revenue", "today", "change"),
    *("change_percent", "cost", "margin", "unrated"),
)
MONEY = ("revenue", "today", "change", "cost", "margin")


async def ask(
    connection: AsyncConnection, account: Account, written: SimulationWrite
) -> SimulationRead:
    """Store what is asked; raises `invalid_simulation` with every plan that is not there."""
    await read_plans(connection, account, written)
    simulation_id = new_id()
    await simulations.create(connection, account, simulation_id, written.model_dump(mode="json"))
    return await read(connection, account, simulation_id)


async def read(connection: AsyncConnection, account: Account, simulation_id: str) -> SimulationRead:
    """Return a simulation; raises `unknown_simulation`."""
    row = await simulations.read(connection, account, simulation_id)
    if row is None:
        raise not_found("simulation", simulation_id)
    return read_of(row)


def read_of(row: RowMapping) -> SimulationRead:
    """Return a stored simulation as it is shown."""
    failure = row["failure"]
    return SimulationRead(
        simulation_id=row["simulation_id"],
        state=row["state"],
        request=SimulationWrite.model_validate(row["request"]),
        failure=None if failure is None else SimulationFailure.model_validate(failure),
        created_at=row["created_at"],
        started_at=row["started_at"],
        finished_at=row["finished_at"],
    )


async def read_result(
    connection: AsyncConnection, account: Account, simulation_id: str
) -> SimulationResult:
    """Return what came out; raises `simulation_not_done` (409) while there is nothing."""
    found = await read(connection, account, simulation_id)
    if found.state != "done":
        message = f"The simulation is {found.state}: its result is there once it is done."
        raise conflict("simulation_not_done", message, subject=simulation_id)
    result = await simulations.read_result(connection, account, simulation_id)
    return SimulationResult.model_validate(result)


def csv_text(result: SimulationResult) -> str:
    """Return a result as a file of comma-separated values."""
    text = io.StringIO()
    csv.writer(text).writerows(csv_rows(result))
    return text.getvalue()


def csv_rows(result: SimulationResult) -> Iterator[list[str]]:
    """Return a header and a row for each plan and tenant; money is exact, empty if unknown."""
    yield list(CSV_COLUMNS)
    for plan in result.plans:
        for tenant in plan.tenants:
            values: dict[str, Any] = {"plan": plan.plan, **dict(tenant)}
            for name in MONEY:
                values[name] = values[name].exact if values[name] is not None else None
            cells = (values[name] for name in CSV_COLUMNS)
            yield ["" if cell is None else str(cell) for cell in cells]
