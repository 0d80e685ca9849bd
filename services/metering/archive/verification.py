"""Verifying days: a seal is published only after its day was counted again."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from http import HTTPStatus
from time import perf_counter
from typing import Any

import pyarrow as pa
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from services.metering.archive.recount import (
    BOOKED_SCHEMA,
    Difference,
    Question,
    Recount,
    Recounted,
)
from services.metering.archive.recount_sql import KEY
from services.metering.archive.storage import ArchiveStorage
from services.metering.repository import archive, seals
from services.metering.repository import verification as repository
from services.metering.repository.offsets import read_progress
from services.metering.repository.verification import Verification
from shared.accounts.repository import Account
from shared.clock import Clock
from shared.database import Database
from shared.errors import TallyrollError
from shared.money import format_decimal
from shared.topics import USAGE_RECORDED

logger = structlog.get_logger()

VERIFIER_SECONDS = 0.5
FAILED_SECONDS = 10.0
POLL_SECONDS = 0.1
ARCHIVE_SECONDS_MAX = 300.0

Report = Callable[[str], None]


def _say_nothing(_step: str) -> None:
    pass


@dataclass(frozen=True)
class _Task:
    question: Question
    booked: pa.Table


@dataclass(frozen=True)
class Verifier:
    """Counts days again, and publishes the seals that waited for it."""

    database: Database
    storage: ArchiveStorage
    clock: Clock
    wait_seconds: float = ARCHIVE_SECONDS_MAX

    async def run(self) -> None:
        """Verify the days that were sealed, as soon as the archive has come far enough."""
        while True:
            try:
                await self.verify_pending()
                await asyncio.sleep(VERIFIER_SECONDS)
            except Exception:
                logger.exception("verification_failed")
                await asyncio.sleep(FAILED_SECONDS)

    async def verify_pending(self) -> list[Verification]:
        """Verify every sealed day that waits for it and is in the archive whole.

        A day that cannot be verified stays unpublished and holds up no other; at the end an
        ExceptionGroup tells of all of them.
        """
        async with self.database.transaction() as connection:
            pending = await repository.list_pending(connection)
            archived = await archive.read_archive_offsets(connection)
        outcomes, failures = [], []
        for row in pending:
            vector = {int(partition): offset for partition, offset in row.offsets.items()}
            if _missing(vector, archived):
                continue
            try:
                outcomes.append(await self.verify(Account(row.vendor_id, row.mode), row.day))
            except Exception as error:  # noqa: BLE001 - raised below
                error.add_note(f"{row.vendor_id} {row.mode} {row.day}")
                failures.append(error)
        if failures:
            raise ExceptionGroup("days could not be verified", failures)
        return outcomes

    async def verify(
        self, account: Account, day: date, *, report: Report = _say_nothing
    ) -> Verification:
        """Count a booked day again, keep the outcome, and have the day's seal published.

        A day that is not sealed is compared as it stands now. Raises `archive_behind` when the
        archive does not get there in time.
        """
        started = perf_counter()
        sealed_at, recounted = await self._compare(account, day, report)
        verification = Verification(
            account=account,
            day=day,
            outcome="differs" if recounted.differing_rows else "agreed",
            offsets=sealed_at,
            events=recounted.events,
            differing_rows=recounted.differing_rows,
            differences=[shown(difference) for difference in recounted.differences],
            checked_at=self.clock.now(),
            duration_seconds=Decimal(f"{perf_counter() - started:.3f}"),
        )
        async with self.database.transaction() as connection:
            await repository.store_verification(connection, verification)
            # The publisher takes it behind all rows that are marked by then, as any seal.
            sealed = await seals.read_sealed_days(connection, account, [day])
            if sealed and recounted.differing_rows:
                logger.error("recount_differs", vendor=account.vendor_id, day=str(day))
            await seals.queue_publication(connection, account, sealed)
        logger.info(
            "verified",
            vendor=account.vendor_id,
            mode=account.mode,
            day=str(day),
            outcome=verification.outcome,
            events=recounted.events,
            seconds=str(verification.duration_seconds),
        )
        return verification

    async def count_again(
        self, account: Account, day: date, *, report: Report = _say_nothing
    ) -> Recounted:
        """Count a booked day again and compare, as `verify` does, but store and publish nothing."""
        _, recounted = await self._compare(account, day, report)
        return recounted

    async def _compare(
        self, account: Account, day: date, report: Report
    ) -> tuple[Mapping[int, int], Recounted]:
        async with self.database.transaction("REPEATABLE READ") as connection:
            task = await _prepare(connection, account, day)
        await self._wait_for_archive(task.question.sealed, report)
        return task.question.sealed, await self._recount(task, report)

    async def _wait_for_archive(self, vector: Mapping[int, int], report: Report) -> None:
        try:
            async with asyncio.timeout(self.wait_seconds):
                while missing := await self._missing(vector):
                    report(f"{missing} records to be archived")
                    await asyncio.sleep(POLL_SECONDS)
        except TimeoutError as error:
            message = "The archive does not reach the day's offsets; is the archiver running?"
            status = HTTPStatus.SERVICE_UNAVAILABLE
            raise TallyrollError("archive_behind", message, status) from error

    async def _missing(self, vector: Mapping[int, int]) -> int:
        async with self.database.transaction() as connection:
            return _missing(vector, await archive.read_archive_offsets(connection))

    async def _recount(self, task: _Task, report: Report) -> Recounted:
        async with self.database.transaction() as connection:
            files = await archive.list_files(connection, task.question.sealed)
        recount = Recount(self.storage, files)
        try:
            return await asyncio.to_thread(recount.run, task.question, task.booked, report=report)
        except asyncio.CancelledError:
            recount.interrupt()
            raise


async def wait_until_verified(
    database: Database,
    account: Account,
    through: date,
    *,
    progress: Callable[[int], None],
    stalled_seconds: float = ARCHIVE_SECONDS_MAX,
) -> list[date]:
    """Wait until no sealed day up to `through` waits for its recount; return those that differ.

    Raises `recount_behind` when for so long no day was verified.
    """
    before = None
    loop = asyncio.get_running_loop()
    progressed_at = loop.time()
    while True:
        async with database.transaction() as connection:
            pending = await repository.count_pending(connection, account, through)
            if not pending:
                return await repository.list_differing(connection, account, through)
        if pending != before:
            before, progressed_at = pending, loop.time()
            progress(pending)
        if loop.time() - progressed_at > stalled_seconds:
            message = "The days are sealed, but not counted again; is the archiver running?"
            raise TallyrollError("recount_behind", message, HTTPStatus.SERVICE_UNAVAILABLE)
        await asyncio.sleep(POLL_SECONDS)


async def _prepare(connection: AsyncConnection, account: Account, day: date) -> _Task:
    """Read, from one snapshot, what was counted and at which offsets."""
    sealed = await repository.read_vector(connection, account, day)
    late = await repository.read_late_from(connection, account, day)
    if sealed is None:
        progress = await read_progress(connection, USAGE_RECORDED)
        sealed = {partition: own.next_offset for partition, own in progress.items()}
    rejected = await repository.read_rejected_positions(connection, account)
    question = Question(
        account,
        day,
        sealed=sealed,
        late=late,
        rejected=[tuple(row) for row in rejected],
        losers=[tuple(row) for row in await repository.read_natural_losers(connection, account)],
    )
    return _Task(question, booked_table(await repository.read_booked(connection, account, day)))


def booked_table(rows: Sequence[Any]) -> pa.Table:
    """Return rows of the rollup, summed by day, as a table of `BOOKED_SCHEMA`."""
    columns = {
        name: pa.array([getattr(row, name) for row in rows], BOOKED_SCHEMA.field(name).type)
        for name in (*KEY, "quantity", "events")
    }
    return pa.table(columns, schema=BOOKED_SCHEMA)


def _missing(vector: Mapping[int, int], archived: Mapping[int, int]) -> int:
    return sum(max(offset - archived.get(p, 0), 0) for p, offset in vector.items())


def shown(difference: Difference) -> dict[str, Any]:
    """Return a difference as it is stored and printed; exact figures as text."""
    return {
        **{name: str(value) for name, value in difference.key.items()},
        "counted": format_decimal(difference.counted),
        "recounted": format_decimal(difference.recounted),
        "counted_events": difference.counted_events,
        "recounted_events": difference.recounted_events,
    }
