"""Keeps the watcher of envelopes in a process of its own.

Sums over much usage are Python: in a thread of the API they would hold its interpreter, and whoever
reserves meanwhile would wait for them.
"""

import asyncio
import os
import sys
from contextlib import suppress
from dataclasses import dataclass, field

import structlog

from services.pricing.envelope_watching import accounts_to_look_at
from shared.database import Database
from shared.housekeeping import repeat

logger = structlog.get_logger()

PROGRAM = "services.pricing.envelope_watching"


@dataclass(frozen=True)
class EnvelopeProcess:
    """A watcher for as long as this process lives, from when there is something to look at."""

    database: Database
    url: str = field(repr=False)
    interval_seconds: float

    async def run(self) -> None:
        """Keep a watcher running until cancelled: one that ends is begun anew."""
        await repeat(self.interval_seconds, self.watch)

    async def watch(self) -> None:
        """Run a watcher until it ends; return at once if there is nothing to look at."""
        async with self.database.transaction() as connection:
            if not await accounts_to_look_at(connection):
                return
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", PROGRAM, str(self.interval_seconds)),
            env={**os.environ, "TALLYROLL_PRICING_DATABASE_URL": self.url},
            # It ends when this pipe does, so also when this process is killed.
            stdin=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        try:
            code = await process.wait()
        finally:
            # What it was about to write is not committed: the next one looks at it.
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        logger.error("envelope_watcher_ended", exit_code=code)
