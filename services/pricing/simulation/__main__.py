"""`python -m services.pricing.simulation VENDOR MODE ID`: run one simulation and store its result.

The second process of pricing: what it takes in time and memory, no bill waits for.
"""

import asyncio
from typing import Annotated

import structlog
import typer
from pydantic import SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from services.pricing.repository import simulations
from services.pricing.schemas.simulation import SimulationWrite
from services.pricing.simulation.processes import Pool
from services.pricing.simulation.run import simulate
from shared.accounts.repository import Account
from shared.database import Database
from shared.errors import TallyrollError
from shared.events.message import Mode
from shared.logging import configure_logging

logger = structlog.get_logger()


class SimulationSettings(BaseSettings):
    """The one thing that the process needs; the service that starts it hands it on."""

    model_config = SettingsConfigDict(env_prefix="TALLYROLL_", extra="ignore")

    pricing_database_url: SecretStr


def main(
    vendor: Annotated[str, typer.Argument()],
    mode: Annotated[Mode, typer.Argument()],
    simulation_id: Annotated[str, typer.Argument()],
) -> None:
    """Run a simulation that was asked for. Exit code 0 also where it failed and says why."""
    configure_logging("pricing-simulation", "json")
    url = SimulationSettings().pricing_database_url.get_secret_value()
    with Pool() as pool:
        asyncio.run(_run(url, Account(vendor, mode), simulation_id, pool))


async def _run(url: str, account: Account, simulation_id: str, pool: Pool) -> None:
    database = Database(url, connections=1)
    try:
        async with database.transaction() as connection:
            await simulations.begin(connection, account, simulation_id)
            row = await simulations.read(connection, account, simulation_id)
        assert row is not None, "a simulation that was asked for"
        asked = SimulationWrite.model_validate(row["request"])
        try:
            result = await simulate(url, account, asked, pool)
        except TallyrollError as error:
            logger.warning("simulation_failed", simulation_id=simulation_id, code=error.code)
            failure = {"code": error.code, "message": error.message}
            async with database.transaction() as connection:
                await simulations.fail(connection, account, simulation_id, failure)
            return
        async with database.transaction() as connection:
            content = result.model_dump(mode="json")
            await simulations.finish(connection, account, simulation_id, content)
    finally:
        await database.close()


if __name__ == "__main__":
    typer.run(main)
