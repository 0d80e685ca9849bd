"""Sealing days: after a seal nothing that is booked in the day changes any more.

The seal waits until everything that was in the log is counted, takes the account's lock
exclusively, which flushes hold shared, and stores the offsets it then finds: an event is late
exactly if its offset is at or beyond its partition's entry.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from http import HTTPStatus

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from services.metering.ingest.log import LogEnds
from services.metering.repository import seals
from services.metering.repository.offsets import read_progress
from services.metering.repository.tenants import list_live_vendors
from shared.accounts.repository import Account
from shared.clock import Clock, day_start, utc_day
from shared.database import Database, lock_transaction
from shared.errors import TallyrollError, conflict
from shared.events.message import Mode
from shared.topics import USAGE_RECORDED

logger = structlog.get_logger()

DAY = timedelta(days=1)
POLL_SECONDS = 0.1
COUNTING_SECONDS_MAX = 300.0
SEALER_SECONDS = 10.0
DAYS_PER_SEAL_MAX = 3_660
MODES: tuple[Mode, ...] = ("test", "live")


@dataclass(frozen=True)
class Sealed:
    """A range of days, both inclusive, that a close has sealed."""

    first: date
    through: date
    offsets: dict[int, int]


Progress = Callable[[int], None]
"""Called with how many records of the log are still to be counted."""


def _no_progress(_remaining: int) -> None:
    pass


@dataclass(frozen=True)
class Sealer:
    """Closes days of accounts."""

    database: Database
    log: LogEnds
    clock: Clock
    wait_seconds: float = COUNTING_SECONDS_MAX
    recounts: bool = False
    """Whether seals wait for the recount of their day before they are published."""

    async def close(
        self,
        account: Account,
        through: date,
        *,
        first: date | None = None,
        progress: Progress = _no_progress,
    ) -> Sealed | None:
        """Seal every open day up to `through`, inclusive; None when all of them are sealed.

        An account that was never sealed begins at `first`, else at its first booked day; with
        usage before `first` nothing is sealed. Raises `day_not_over`, and `counting_behind` when
        the worker does not get there in time.
        """
        self.require_over(through)
        await self._wait_until_counted(progress)
        async with self.database.transaction() as connection:
            await lock_transaction(connection, "vendor", account.vendor_id, account.mode)
            return await self._seal(connection, account, through, first)

    def require_over(self, day: date) -> None:
        """Raise `day_not_over` for a day that has not ended."""
        if day >= utc_day(self.clock.now()):
            raise conflict("day_not_over", "A day is sealed after its end.", subject=str(day))

    async def _wait_until_counted(self, progress: Progress) -> None:
        ends = await self.log.end_offsets()
        try:
            async with asyncio.timeout(self.wait_seconds):
                while remaining := await self._remaining(ends):
                    progress(remaining)
                    await asyncio.sleep(POLL_SECONDS)
        except TimeoutError as error:
            message = "The log is not counted to its end; is the worker running?"
            status = HTTPStatus.SERVICE_UNAVAILABLE
            raise TallyrollError("counting_behind", message, status) from error

    async def _remaining(self, ends: dict[int, int]) -> int:
        async with self.database.transaction() as connection:
            counted = await read_progress(connection, USAGE_RECORDED)
        assert ends.keys() == counted.keys(), "the log and the offsets have the same partitions"
        return sum(max(ends[p] - counted[p].next_offset, 0) for p in ends)

    async def _seal(
        self, connection: AsyncConnection, account: Account, through: date, first: date | None
    ) -> Sealed | None:
        sealed_through = await seals.read_sealed_through(connection, account)
        if sealed_through is not None:
            first = sealed_through + DAY
        else:
            booked = await seals.read_first_booked_day(connection, account)
            if first is not None and booked is not None and booked < first:
                return None
            first = first or min(booked or through, through)
        if first > through:
            return None
        # Only now, under the lock: what is counted from here on finds the day sealed.
        counted = await read_progress(connection, USAGE_RECORDED)
        offsets = {partition: progress.next_offset for partition, progress in counted.items()}
        days = [first + i * DAY for i in range((through - first).days + 1)]
        if len(days) > DAYS_PER_SEAL_MAX:
            message = f"At most {DAYS_PER_SEAL_MAX} days are sealed at once."
            raise conflict("too_many_days", message, subject=str(first))
        await seals.insert_seals(
            connection,
            account,
            days,
            offsets=offsets,
            sealed_at=self.clock.now(),
            recount="pending" if self.recounts else "off",
        )
        logger.info("sealed", vendor=account.vendor_id, mode=account.mode, through=str(through))
        return Sealed(first, through, offsets)

    async def run(self, grace: timedelta) -> None:
        """Seal the days of live vendors when they are over and the grace has passed."""
        while True:
            try:
                await self.seal_due(grace)
            except Exception:
                logger.exception("sealing_failed")
            await asyncio.sleep(SEALER_SECONDS)

    async def seal_due(self, grace: timedelta) -> list[Sealed]:
        """Seal whatever is due, once; return what was sealed."""
        through = utc_day(self.clock.now() - grace) - DAY
        assert self.clock.now() >= day_start(through + DAY) + grace
        async with self.database.transaction() as connection:
            vendors = await list_live_vendors(connection, through)
        sealed = []
        for vendor in vendors:
            for mode in MODES:
                account = Account(vendor.vendor_id, mode)
                if await self._is_due(account, vendor.live_from, through):
                    sealed.append(await self.close(account, through, first=vendor.live_from))
        return [some for some in sealed if some is not None]

    async def _is_due(self, account: Account, live_from: date, through: date) -> bool:
        """Tell whether the account's next open day is one that is sealed by itself.

        Days before the vendor is live are sealed by hand only, and no day is left out.
        """
        async with self.database.transaction() as connection:
            sealed_through = await seals.read_sealed_through(connection, account)
            if sealed_through is not None:
                return live_from <= sealed_through + DAY <= through
            booked = await seals.read_first_booked_day(connection, account)
            return booked is None or booked >= live_from
