"""The ingest that has to be caught: it answers 202 before the broker has acknowledged."""

import asyncio
import sys

from services.metering import app
from services.metering.ingest.envelope import PlacedEvents
from services.metering.ingest.gather import Gatherer
from services.metering.settings import MeteringSettings

LINGER_SECONDS = 0.05
"""As long as producers usually wait for more records."""


class EarlyGatherer(Gatherer):
    """Takes events and says that they are written."""

    async def write(self, placed: PlacedEvents) -> None:
        """Return at once; the events are written later, or not at all."""
        writing = asyncio.create_task(self._write_later(placed))
        self._tasks.add(writing)
        writing.add_done_callback(self._forget)

    async def _write_later(self, placed: PlacedEvents) -> None:
        await asyncio.sleep(LINGER_SECONDS)
        await super().write(placed)

    def _forget(self, writing: asyncio.Task[None]) -> None:
        self._tasks.discard(writing)
        if not writing.cancelled():
            writing.exception()  # nobody is told


if __name__ == "__main__":
    vars(app)["Gatherer"] = EarlyGatherer
    sys.exit(app.run_api(MeteringSettings()))
