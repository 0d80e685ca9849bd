"""Many writers, few transactions: what is asked for while one runs is done by the next, at once."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class Together(Generic[Item, Result]):
    """Collects items while `do` runs on earlier ones; who asks waits until its own is committed.

    `gather_seconds` is how long it waits for more before each run.
    """

    def __init__(
        self, do: Callable[[list[Item]], Awaitable[list[Result]]], *, gather_seconds: float = 0.0
    ) -> None:
        self._do = do
        self._gather_seconds = gather_seconds
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
            await asyncio.sleep(self._gather_seconds)
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
