"""Group commit: the events of concurrent requests leave together, each request waits for its own.

Building an Arrow batch costs the same for one event and for hundreds, so requests that arrive
within two milliseconds share one record per partition.
"""

import asyncio
from collections import defaultdict
from dataclasses import dataclass, field
from http import HTTPStatus

import structlog

from services.metering.ingest.envelope import Placed, envelopes
from services.metering.ingest.log import UsageLog
from shared.errors import TallyrollError

logger = structlog.get_logger()

GATHER_SECONDS = 0.002
EVENTS_PER_GATHER_MAX = 20_000
GATHERS_IN_FLIGHT_MAX = 6


@dataclass(eq=False)
class _Gather:
    placed: defaultdict[int, list[Placed]] = field(default_factory=lambda: defaultdict(list))
    events: int = 0
    full: asyncio.Event = field(default_factory=asyncio.Event)
    written: asyncio.Future[None] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )


class Gatherer:
    """Collects placed events and writes them to the log of usage."""

    def __init__(self, log: UsageLog) -> None:
        self._log = log
        self._open: _Gather | None = None
        self._slots = asyncio.Semaphore(GATHERS_IN_FLIGHT_MAX)
        self._tasks: set[asyncio.Task[None]] = set()

    async def write(self, placed: list[Placed]) -> None:
        """Return once the broker has acknowledged every event; else raise `broker_unavailable`."""
        if not placed:
            return
        gather = self._open or self._begin()
        for event in placed:
            gather.placed[event.partition].append(event)
        gather.events += len(placed)
        if gather.events >= EVENTS_PER_GATHER_MAX:
            self._open = None
            gather.full.set()
        # A client that goes away must not cancel the gather of the others.
        await asyncio.shield(gather.written)

    def _begin(self) -> _Gather:
        gather = self._open = _Gather()
        task = asyncio.create_task(self._finish(gather))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return gather

    async def _finish(self, gather: _Gather) -> None:
        try:
            async with self._slots:
                try:
                    async with asyncio.timeout(GATHER_SECONDS):
                        await gather.full.wait()
                except TimeoutError:
                    pass
                if self._open is gather:
                    self._open = None
                records = [(p, e) for p, events in gather.placed.items() for e in envelopes(events)]
                await self._log.append(records)
            gather.written.set_result(None)
        except Exception as error:  # noqa: BLE001 - whatever failed, the requests hear of it
            if self._open is gather:
                self._open = None
            logger.warning("gather_failed", events=gather.events, error=type(error).__name__)
            message = "The events could not be written; send the request again."
            status = HTTPStatus.SERVICE_UNAVAILABLE
            gather.written.set_exception(TallyrollError("broker_unavailable", message, status))
            gather.written.exception()  # seen, also when every client has gone away

    async def close(self) -> None:
        """Wait for what is under way."""
        await asyncio.gather(*self._tasks)
