"""Starts a process for each simulation that waits, one at a time, and sees it end."""

import asyncio
import os
import signal
import sys
from contextlib import suppress
from dataclasses import dataclass, field

import structlog
from sqlalchemy import RowMapping

from services.pricing.repository import simulations
from shared.accounts.repository import Account
from shared.database import Database
from shared.housekeeping import repeat

logger = structlog.get_logger()

LEADERSHIP = "pricing.simulation"
PERIOD_SECONDS = 1.0
ATTEMPTS_MAX = 3
CRASHED = {
    "code": "simulation_crashed",
    "message": f"The process ended {ATTEMPTS_MAX} times before it had a result.",
}


@dataclass(frozen=True)
class Simulator:
    """Runs simulations in processes of their own; one process of the service does it at a time.

    Who leads knows that nothing else is running: what is marked so was left by a process that died,
    and is begun anew.
    """

    database: Database
    url: str = field(repr=False)

    async def run(self) -> None:
        """Look until cancelled; a simulation that runs then is ended, and begun anew later."""
        await repeat(PERIOD_SECONDS, self.look)

    async def look(self) -> int:
        """Run everything that waits; return how many simulations were finished."""
        async with self.database.transaction() as connection:
            if not await simulations.list_waiting(connection):
                return 0
        async with self.database.leadership(LEADERSHIP) as leading:
            return await self._run_all() if leading else 0

    async def _run_all(self) -> int:
        done = 0
        while True:
            async with self.database.transaction() as connection:
                waiting = await simulations.list_waiting(connection)
            if not waiting:
                return done
            await self._run_one(waiting[0])
            done += 1

    async def _run_one(self, row: RowMapping) -> None:
        account = Account(row["vendor_id"], row["mode"])
        simulation_id = row["simulation_id"]
        if row["attempts"] >= ATTEMPTS_MAX:
            async with self.database.transaction() as connection:
                await simulations.fail(connection, account, simulation_id, CRASHED)
            return
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "services.pricing.simulation"),
            *(account.vendor_id, account.mode, simulation_id),
            env={**os.environ, "TALLYROLL_PRICING_DATABASE_URL": self.url},
            start_new_session=True,
        )
        try:
            code = await process.wait()
        finally:
            # Those that it started do not outlive it, whatever it died of.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
        logger.info("simulation_ended", simulation_id=simulation_id, exit_code=code)
