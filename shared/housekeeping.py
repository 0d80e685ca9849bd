"""What is kept for a time only: deleted a few rows at a time, again and again."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.database import Database

logger = structlog.get_logger()

ROWS_PER_DELETION = 1_000
"""Few enough that nobody waits for their locks."""


async def repeat(seconds: float, *jobs: Callable[[], Awaitable[object]]) -> None:
    """Run jobs one after the other until cancelled; one that fails is logged, the others run."""
    while True:
        for job in jobs:
            try:
                await job()
            except Exception:
                logger.exception("housekeeping_failed")
        await asyncio.sleep(seconds)


async def delete_all(
    database: Database, delete: Callable[[AsyncConnection, int], Awaitable[int]]
) -> int:
    """Call `delete(connection, limit)`, each time in a transaction, until it finds fewer.

    Return how many rows went in all.
    """
    deleted = 0
    while True:
        async with database.transaction() as connection:
            some = await delete(connection, ROWS_PER_DELETION)
        deleted += some
        if some < ROWS_PER_DELETION:
            return deleted
