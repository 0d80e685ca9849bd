"""Values of meters that pricing asked for: computed from the raw events, stored, told.

A question waits in `meter_request` until one transaction stores its value, puts the answer into the
outbox and deletes it. Dying before that computes it again, to the same value: a final one is of
what lies below sealed offsets, and the first that is stored stays. What fails is tried again later,
behind all that did not: events that cannot be read hold up only the account that they are of, and
a value that cannot be computed only itself.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import polars as pl
import structlog
from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from services.metering.domain.meters.definition import Definition
from services.metering.event_source import EventSelection, EventSource
from services.metering.handlers.meter_values import Valued, first_day, read_counted, value_of
from services.metering.repository import meter_requests as requests
from services.metering.repository import meters
from services.metering.repository.meters import SealedAt, Span
from services.metering.repository.offsets import read_watermark
from services.metering.tables import outbox
from services.metering.worker.counting import bucket_of
from shared.accounts.repository import Account
from shared.clock import Clock
from shared.database import Database
from shared.events.usage_aggregated import MeterValued
from shared.outbox import Outgoing, put
from shared.topics import USAGE_RECORDED

logger = structlog.get_logger()

DAY = timedelta(days=1)
QUESTIONS_PER_BATCH = 200
"""Questions that are answered by one reading of the archive."""
BATCH_SECONDS_MAX = 600.0
PERIOD_SECONDS = 0.5
RETRY_SECONDS_MAX = 300
"""Longest time between two attempts; it doubles from one second on."""
DOUBLINGS_MAX = 10


@dataclass(frozen=True)
class _Question:
    """A question, the version of the meter that it names, and its answer if that is stored."""

    request_id: str
    meter: RowMapping
    span: Span
    stored: Valued | None


@dataclass(frozen=True)
class _Batch:
    """Questions of one account with one bound; the answer is of what lies below `at.offsets`."""

    account: Account
    booked_before: date | None
    at: SealedAt
    questions: list[_Question]
    unknown: list[RowMapping]


@dataclass(frozen=True)
class MeterValuer:
    """Answers what waits, one batch after the other."""

    database: Database
    source: EventSource
    clock: Clock

    async def run(self) -> None:
        """Answer until cancelled."""
        while True:
            try:
                await self.answer_waiting()
            except Exception:
                logger.exception("meter_valuer_failed")
            await asyncio.sleep(PERIOD_SECONDS)

    async def answer_waiting(self) -> int:
        """Try every question whose turn it is; return how many were answered."""
        answered = 0
        async with self.database.leadership("meter_valuer") as leading:
            while leading:
                async with self.database.transaction() as connection:
                    rows = await requests.next_batch(
                        connection, self.clock.now(), limit=QUESTIONS_PER_BATCH
                    )
                if not rows:
                    break
                answered += await self._try(rows)
        return answered

    async def _try(self, rows: Sequence[RowMapping]) -> int:
        try:
            async with asyncio.timeout(BATCH_SECONDS_MAX):
                return await self._answer(rows)
        except Exception as error:
            logger.exception("meter_values_failed", vendor=rows[0]["vendor_id"])
            await self._postpone(rows, type(error).__name__)
            return 0

    async def _answer(self, rows: Sequence[RowMapping]) -> int:
        async with self.database.transaction("REPEATABLE READ") as connection:
            batch = await _read_batch(connection, rows)
        if batch is None:
            await self._postpone(rows, "day_not_sealed")
            return 0
        await self._postpone(batch.unknown, "unknown_meter")
        answers, failed = await self._values(batch)
        async with self.database.transaction() as connection:
            await _tell(connection, batch, answers, self.clock.now())
        await self._postpone([row for row in rows if row["request_id"] in failed], "not_computed")
        logger.info("meters_valued", vendor=batch.account.vendor_id, values=len(answers))
        return len(answers)

    async def _values(self, batch: _Batch) -> tuple[list[tuple[_Question, Valued]], frozenset[str]]:
        """Return the answers, and the ids of questions that could not be answered."""
        answers = [(one, one.stored) for one in batch.questions if one.stored is not None]
        waiting = [one for one in batch.questions if one.stored is None]
        failed = set()
        events = await self.source.events(_selection(batch, waiting)) if waiting else pl.DataFrame()
        for one in waiting:
            try:
                valued = await asyncio.to_thread(value_of, one.meter, events, one.span)
            except Exception:
                logger.exception("meter_value_failed", request=one.request_id)
                failed.add(one.request_id)
            else:
                answers.append((one, valued))
        return answers, frozenset(failed)

    async def _postpone(self, rows: Sequence[RowMapping], failure: str) -> None:
        if not rows:
            return
        now = self.clock.now()
        attempts = [(row["request_id"], now + _pause(row["attempts"])) for row in rows]
        async with self.database.transaction() as connection:
            await requests.postpone(connection, attempts, failure=failure)


def _pause(attempts: int) -> timedelta:
    return timedelta(seconds=min(2 ** min(attempts, DOUBLINGS_MAX), RETRY_SECONDS_MAX))


async def _read_batch(connection: AsyncConnection, rows: Sequence[RowMapping]) -> _Batch | None:
    """Read what questions are about; None while the day that they wait for is open."""
    account = Account(rows[0]["vendor_id"], rows[0]["mode"])
    bound: date | None = rows[0]["booked_before"]
    if bound is None:
        watermark = await read_watermark(connection, USAGE_RECORDED)
        at: SealedAt | None = SealedAt(await read_counted(connection), watermark)
    else:
        at = await meters.read_seal(connection, account, bound - DAY)
    if at is None:
        return None
    known = {(m["name"], m["version"]): m for m in await meters.list_meters(connection, account)}
    questions, unknown = [], []
    for row in rows:
        meter = known.get((row["name"], row["version"]))
        if meter is None:
            unknown.append(row)
            continue
        span = Span(account, row["tenant_id"], row["period_start"], row["period_end"])
        stored = await _stored(connection, meter, span, bound)
        questions.append(_Question(row["request_id"], meter, span, stored))
    return _Batch(account, bound, at, questions, unknown)


async def _stored(
    connection: AsyncConnection, meter: RowMapping, span: Span, bound: date | None
) -> Valued | None:
    if bound is None:
        return None
    row = await meters.read_value(connection, meter["id"], span, booked_before=bound)
    return None if row is None else Valued(row["value"], row["events"], row["input_hash"])


def _selection(batch: _Batch, waiting: Sequence[_Question]) -> EventSelection:
    """Return the events that all of these questions need, and no other tenant's."""
    firsts = [
        first_day(Definition.model_validate(one.meter["definition"]), one.span) for one in waiting
    ]
    known = [first for first in firsts if first is not None]
    return EventSelection(
        batch.account,
        None,
        min(known) if len(known) == len(firsts) else None,
        max(one.span.end for one in waiting),
        batch.at.offsets,
        frozenset(one.span.tenant_id for one in waiting),
    )


async def _tell(
    connection: AsyncConnection,
    batch: _Batch,
    answers: Sequence[tuple[_Question, Valued]],
    now: datetime,
) -> None:
    """Store values and put the answers into the outbox; the questions are done with."""
    for one, valued in answers:
        if batch.booked_before is not None and one.stored is None:
            await meters.store_value(
                connection,
                one.meter["id"],
                one.span,
                booked_before=batch.booked_before,
                values=valued.columns(now),
            )
    told = [_outgoing(batch, one, valued) for one, valued in answers]
    await put(connection, outbox, told)
    await requests.forget(connection, [one.request_id for one, _ in answers])


def _outgoing(batch: _Batch, one: _Question, valued: Valued) -> Outgoing:
    span = one.span
    message = MeterValued.model_validate(
        {
            "vendor_id": batch.account.vendor_id,
            "mode": batch.account.mode,
            "tenant_id": span.tenant_id,
            "request_id": one.request_id,
            "name": one.meter["name"],
            "meter_version": one.meter["version"],
            "period_start": span.first,
            "period_end": span.end,
            "booked_before": batch.booked_before,
            "value_exact": valued.value,
            "events": valued.events,
            "content_hash": valued.input_hash,
            "offsets": batch.at.offsets,
            "as_of": batch.at.at,
        }
    )
    partition = bucket_of(batch.account.vendor_id, span.tenant_id)
    return Outgoing(message, partition)
