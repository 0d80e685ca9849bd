"""Many writers, few transactions: what is asked for while one runs is done by the next, at once."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Generic, TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection

from services.invoicing.models import StripeJob
from services.invoicing.repository import stripe_jobs as repository
from services.invoicing.repository.stripe_jobs import ClosedJob
from shared.database import Database

Item = TypeVar("Item")
Result = TypeVar("Result")
Work = Callable[[AsyncConnection], Awaitable[Any]]


class Together(Generic[Item, Result]):
    """Collects items while `do` runs on earlier ones; who asks waits until its own is committed."""

    def __init__(self, do: Callable[[list[Item]], Awaitable[list[Result]]]) -> None:
        self._do = do
        self._waiting: list[tuple[Item, asyncio.Future[Result]]] = []
        self._running: asyncio.Task[None] | None = None

    async def __call__(self, item: Item) -> Result:
        """Return what `do` gives for the item; raises what it raises for it."""
        answer: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, answer))
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._run())
        return await answer

    async def _run(self) -> None:
        while self._waiting:
            taken, self._waiting = self._waiting, []
            if not await self._try(taken) and len(taken) > 1:
                # One of them is at fault, and nothing of any is committed: each by itself.
                for one in taken:
                    await self._try([one])

    async def _try(self, taken: list[tuple[Item, asyncio.Future[Result]]]) -> bool:
        try:
            results = await self._do([item for item, _ in taken])
        except Exception as error:  # noqa: BLE001 - it is the asker's, if it stands alone
            if len(taken) == 1 and not taken[0][1].done():
                taken[0][1].set_exception(error)
            return False
        for (_, answer), result in zip(taken, results, strict=True):
            if not answer.done():
                answer.set_result(result)
        return True


class Writer:
    """What the invoices under way write: jobs in bulk, changes of theirs one after the other."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.open_job: Together[StripeJob, StripeJob] = Together(self._open)
        self.close_job: Together[ClosedJob, None] = Together(self._close)
        self.change: Together[Work, Any] = Together(self._change)

    async def _open(self, jobs: list[StripeJob]) -> list[StripeJob]:
        async with self._database.transaction() as connection:
            return await repository.open_jobs(connection, jobs)

    async def _close(self, jobs: list[ClosedJob]) -> list[None]:
        async with self._database.transaction() as connection:
            await repository.close_jobs(connection, jobs)
        return [None] * len(jobs)

    async def _change(self, works: list[Work]) -> list[Any]:
        async with self._database.transaction() as connection:
            return [await work(connection) for work in works]
