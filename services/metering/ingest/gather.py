"""Group commit: the events of concurrent requests leave together, each request waits for its own.

Building an Arrow batch costs the same for one event and for hundreds, so requests that arrive
within two milliseconds share one record per partition.
"""

import asyncio
from dataclasses import dataclass, field
from http import HTTPStatus

import structlog

from services.metering.ingest.batch import EventBatch
from services.metering.ingest.envelope import PlacedEvents
from services.metering.ingest.log import UsageLog
from shared.errors import TallyrollError

logger = structlog.get_logger()

GATHER_SECONDS = 0.002
EVENTS_PER_GATHER_MAX = 20_000
GATHERS_IN_FLIGHT_MAX = 2
"""While these are under way the next one fills; with more, records are smaller and cost more."""
WAITING_BYTES_MAX = 64 * 1024 * 1024
RETRY_SECONDS = 1


def overloaded(message: str) -> TallyrollError:
    """Return the refusal of a request that there is no room for at the moment."""
    headers = {"Retry-After": str(RETRY_SECONDS)}
    return TallyrollError("overloaded", message, HTTPStatus.SERVICE_UNAVAILABLE, headers=headers)


@dataclass(eq=False)
class _Gather:
    events: EventBatch = field(default_factory=EventBatch)
    size: int = 0
    full: asyncio.Event = field(default_factory=asyncio.Event)
    written: asyncio.Future[None] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )


class Gatherer:
    """Collects placed events and writes them to the log of usage."""

    def __init__(self, log: UsageLog, *, waiting_bytes_max: int = WAITING_BYTES_MAX) -> None:
        """Let at most so many bytes of JSON wait for the broker; beyond, refuse."""
        self._log = log
        self._waiting_bytes_max = waiting_bytes_max
        self._waiting_bytes = 0
        self._open: _Gather | None = None
        self._slots = asyncio.Semaphore(GATHERS_IN_FLIGHT_MAX)
        self._tasks: set[asyncio.Task[None]] = set()

    async def write(self, placed: PlacedEvents) -> None:
        """Return once the broker has acknowledged every event; else raise `broker_unavailable`.

        Raises `overloaded`, with nothing kept, while too much waits already.
        """
        if not placed:
            return
        size = sum(placed.sizes)
        if self._waiting_bytes and self._waiting_bytes + size > self._waiting_bytes_max:
            raise overloaded("The broker is slow and too much waits for it; send again.")
        gather = self._open or self._begin()
        gather.events.add(placed)
        gather.size += size
        self._waiting_bytes += size
        if len(gather.events) >= EVENTS_PER_GATHER_MAX:
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
                await self._log.append(gather.events.records())
            gather.written.set_result(None)
        except Exception as error:  # noqa: BLE001 - whatever failed, the requests hear of it
            if self._open is gather:
                self._open = None
            logger.warning("gather_failed", events=len(gather.events), error=type(error).__name__)
            message = "The events could not be written; send the request again."
            status = HTTPStatus.SERVICE_UNAVAILABLE
            gather.written.set_exception(TallyrollError("broker_unavailable", message, status))
            gather.written.exception()  # seen, also when every client has gone away
        finally:
            # Not when a request ends: a client that went away leaves its events in the gather.
            self._waiting_bytes -= gather.size

    async def close(self) -> None:
        """Wait for what is under way."""
        await asyncio.gather(*self._tasks)
