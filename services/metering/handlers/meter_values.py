"""Values of meters over a tenant's period: from the sums, or from the raw events."""

import asyncio
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from http import HTTPStatus
from typing import Any

import polars as pl
import structlog
from aiokafka.errors import KafkaError
from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from services.metering.domain.meters.aggregation import aggregate
from services.metering.domain.meters.definition import Definition, kind_of
from services.metering.domain.meters.measured import Measured, Period
from services.metering.event_source import EventSelection, EventSource
from services.metering.handlers.meters import find_version
from services.metering.repository import meters as repository
from services.metering.repository.meters import SealedAt, Span
from services.metering.repository.offsets import read_progress, read_watermark
from services.metering.schemas import MeterValue
from services.metering.worker.measuring import measure
from shared.clock import day_start
from shared.database import Database
from shared.errors import TallyrollError
from shared.money import format_decimal, format_exact
from shared.topics import USAGE_RECORDED

logger = structlog.get_logger()

DAY = timedelta(days=1)


@dataclass(frozen=True)
class ValueQuestion:
    """The value of a version of a meter over a span."""

    name: str
    version: int
    span: Span


@dataclass(frozen=True)
class Valued:
    """An exact value as text, of so many events, with a hash of what it was computed from."""

    value: str
    events: int
    input_hash: str

    def columns(self, now: datetime) -> dict[str, Any]:
        """Return it as it is stored."""
        return {**vars(self), "computed_at": now}


@dataclass(frozen=True)
class _State:
    """What is known before events are read; `seal` is None while the last day is open."""

    meter: RowMapping
    as_of: datetime
    seal: SealedAt | None
    before: Mapping[int, int]
    stored: RowMapping | None


async def read_value(
    database: Database, source: EventSource, question: ValueQuestion, now: datetime
) -> MeterValue:
    """Return a meter's value: from the sums where it is additive, else from the raw events.

    Values over sealed periods are stored with a hash of what they were computed from, and stay.
    Raises `unknown_meter`, `events_unavailable`.
    """
    span = question.span
    async with database.transaction("REPEATABLE READ") as connection:
        state = await _read_state(connection, question)
        if state.meter["is_additive"]:
            kind = kind_of(question.name, question.version)
            quantity, count = await repository.sum_kind(connection, span, kind)
            return _shown(question, state, format_decimal(quantity), events=count)
    if state.stored is not None:
        stored = state.stored
        return _shown(question, state, stored["value"], events=stored["events"], of=stored)
    events = await _read_events(source, state, span)
    valued = await asyncio.to_thread(value_of, state.meter, events, span)
    if state.seal is None:
        return _shown(question, state, valued.value, events=valued.events)
    result = valued.columns(now)
    async with database.transaction() as connection:
        await repository.store_value(
            connection, state.meter["id"], span, booked_before=span.end, values=result
        )
    return _shown(question, state, valued.value, events=valued.events, of=result)


async def _read_state(connection: AsyncConnection, question: ValueQuestion) -> _State:
    span = question.span
    meter = await find_version(connection, span.account, question.name, question.version)
    sealed = await repository.read_seal(connection, span.account, span.end - DAY)
    return _State(
        meter=meter,
        as_of=await read_watermark(connection, USAGE_RECORDED),
        seal=sealed,
        before=await read_counted(connection) if sealed is None else sealed.offsets,
        stored=await repository.read_value(connection, meter["id"], span, booked_before=span.end),
    )


async def read_counted(connection: AsyncConnection) -> dict[int, int]:
    """Return the offsets below which everything is counted."""
    progress = await read_progress(connection, USAGE_RECORDED)
    return {partition: step.next_offset for partition, step in progress.items()}


async def _read_events(source: EventSource, state: _State, span: Span) -> pl.DataFrame:
    first = first_day(Definition.model_validate(state.meter["definition"]), span)
    selection = EventSelection(span.account, span.tenant_id, first, span.end, state.before)
    try:
        return await source.events(selection)
    except (KafkaError, OSError) as error:
        logger.warning("events_unavailable", error=type(error).__name__)
        message = "Events cannot be read at the moment; the request can be sent again."
        status = HTTPStatus.SERVICE_UNAVAILABLE
        raise TallyrollError("events_unavailable", message, status) from error


def first_day(definition: Definition, span: Span) -> date | None:
    """Return the first day whose events matter; None: all, as a level holds on from before."""
    return None if definition.aggregation == "weighted_by_time" else span.first


def value_of(meter: RowMapping, events: pl.DataFrame, span: Span) -> Valued:
    """Return what a version of a meter comes to.

    `events` are effective, and hold all of the tenant's that matter; others are left out.
    """
    definition = Definition.model_validate(meter["definition"])
    period = Period(day_start(span.first), day_start(span.end))
    own = events.filter(pl.col("tenant_id") == span.tenant_id, pl.col("occurred_at") < period.end)
    if first_day(definition, span) is not None:
        own = own.filter(pl.col("occurred_at") >= period.first)
    measured = measure(own, definition)
    return Valued(
        value=format_exact(aggregate(measured, definition, period)),
        events=len(period.of(measured)),
        input_hash=_input_hash(meter["content_hash"], span, measured),
    )


def _shown(
    question: ValueQuestion,
    state: _State,
    value: str,
    *,
    events: int,
    of: RowMapping | Mapping[str, Any] | None = None,
) -> MeterValue:
    additive = state.meter["is_additive"]
    incomplete = additive and not state.meter["is_backfilled"]
    return MeterValue.model_validate(
        {
            "name": question.name,
            "version": question.version,
            "tenant": question.span.tenant_id,
            "from": question.span.first,
            "to": question.span.end,
            "value": value,
            "events": events,
            "provisional": state.seal is None or incomplete,
            "input_hash": of["input_hash"] if of is not None else None,
            "as_of": state.as_of,
        }
    )


def _input_hash(content: str, span: Span, events: list[Measured]) -> str:
    """Return the SHA-256 of the definition, the span and every event that was measured."""
    digest = hashlib.sha256(f"{content}\n{span.tenant_id}\n{span.first}\n{span.end}\n".encode())
    for event in sorted(events):
        parts = (event.at.isoformat(), event.event_id, format_exact(event.value), event.subject)
        digest.update(("\t".join(f"{len(part)}:{part}" for part in parts) + "\n").encode())
    return digest.hexdigest()
