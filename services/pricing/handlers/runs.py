"""Runs as they come from metering."""

from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.repository.runs import storing
from shared.events.runs_aggregated import RunsAggregated


async def store_runs(connection: AsyncConnection, message: RunsAggregated) -> None:
    """Store what changed of a tenant's runs; nothing is billed by it."""
    await storing.store(connection, message)
