"""Deleting what is too old: all of it, a few rows at a time, whatever else fails."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from shared.housekeeping import ROWS_PER_DELETION, delete_all, repeat


class Transactions:
    """Counts the transactions that were opened."""

    def __init__(self) -> None:
        self.opened = 0

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        self.opened += 1
        yield


@pytest.mark.parametrize("due", [0, 1, ROWS_PER_DELETION, 2 * ROWS_PER_DELETION + 1])
async def test_everything_that_is_due_goes(due: int) -> None:
    """In as many transactions as it takes: one round an hour would never catch up."""
    left = due

    async def delete(_connection: Any, limit: int) -> int:
        nonlocal left
        some = min(left, limit)
        left -= some
        return some

    database: Any = Transactions()
    deleted = await delete_all(database, delete)

    assert (due, 0) == (deleted, left)
    assert due // ROWS_PER_DELETION + 1 == database.opened


async def test_a_job_that_fails_holds_up_no_other() -> None:
    """The others run in the same round, and it runs again in the next."""
    failures = 0
    twice = asyncio.Event()

    async def failing() -> None:
        nonlocal failures
        failures += 1
        raise OSError

    async def other() -> None:
        if failures > 1:
            twice.set()

    task = asyncio.create_task(repeat(0, failing, other))
    async with asyncio.timeout(10):
        await twice.wait()
    task.cancel()
