"""Meters: creating versions, and their values over a tenant's period."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any

import structlog
from aiokafka.errors import KafkaError
from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from services.metering.domain.meters.aggregation import aggregate
from services.metering.domain.meters.definition import Definition, kind_of
from services.metering.domain.meters.measured import Measured, Period
from services.metering.event_source import EventSelection, EventSource
from services.metering.handlers.meter_definitions import content_hash, read_definition
from services.metering.repository import meters as repository
from services.metering.repository.meters import Span
from services.metering.repository.offsets import read_progress, read_watermark
from services.metering.schemas import Meter, Meters, MeterValue, MeterWrite
from services.metering.tables import outbox
from services.metering.worker.measuring import measure
from shared.accounts.repository import Account
from shared.clock import day_start
from shared.database import Database, lock_transaction
from shared.errors import TallyrollError, conflict, not_found
from shared.events.usage_aggregated import MeterDefined
from shared.money import format_decimal, format_exact
from shared.outbox import Outgoing, put
from shared.topics import USAGE_RECORDED

logger = structlog.get_logger()

METERS_MAX = 200
"""Versions of all meters of an account: each additive one costs every flush a little."""


async def create_meter(
    connection: AsyncConnection, account: Account, written: MeterWrite, now: datetime
) -> tuple[Meter, bool]:
    """Return a version of this content, and whether it is new.

    Raises `invalid_meter` with all faults, `too_many_meters`.
    """
    definition = read_definition(written.name, written.definition)
    content = content_hash(definition)
    # Flushes hold this lock shared before they look for meters: those that come later see this
    # one, and the offsets found under the lock are where they begin.
    await lock_transaction(connection, "vendor", account.vendor_id, account.mode)
    versions = await repository.list_meters(connection, account, written.name)
    for row in versions:
        if row["content_hash"] == content:
            return _shown(row), False
    if len(await repository.list_meters(connection, account)) >= METERS_MAX:
        raise conflict("too_many_meters", f"An account has at most {METERS_MAX} versions.")
    progress = await read_progress(connection, USAGE_RECORDED)
    values = {
        "vendor_id": account.vendor_id,
        "mode": account.mode,
        "name": written.name,
        "version": len(versions) + 1,
        "definition": definition.model_dump(mode="json"),
        "content_hash": content,
        "is_additive": definition.is_additive,
        "live_from": {str(p): step.next_offset for p, step in progress.items()},
        "created_at": now,
    }
    await repository.insert_meter(connection, values)
    await announce_meters(connection, account, [values])
    return _shown(values | {"is_backfilled": False}), True


async def announce_meters(
    connection: AsyncConnection, account: Account, rows: Sequence[RowMapping | Mapping[str, Any]]
) -> None:
    """Tell pricing which versions exist, so that a price book cannot name one that does not."""
    messages = [
        MeterDefined(
            vendor_id=account.vendor_id,
            mode=account.mode,
            name=row["name"],
            meter_version=row["version"],
            is_additive=row["is_additive"],
        )
        for row in rows
    ]
    await put(connection, outbox, [Outgoing(message) for message in messages])


def _shown(row: RowMapping | Mapping[str, Any]) -> Meter:
    additive = row["is_additive"]
    kind = kind_of(row["name"], row["version"]) if additive else None
    shown = {name: row[name] for name in ("name", "version", "content_hash", "created_at")}
    return Meter.model_validate(
        {
            **shown,
            "kind": kind,
            "definition": row["definition"],
            "is_backfilled": row["is_backfilled"] if additive else None,
        }
    )


async def list_meters(connection: AsyncConnection, account: Account) -> Meters:
    """Return every version of the account's meters."""
    return Meters(meters=[_shown(row) for row in await repository.list_meters(connection, account)])


async def read_meter(
    connection: AsyncConnection, account: Account, name: str, version: int
) -> Meter:
    """Return one version; raises `unknown_meter`."""
    return _shown(await _find(connection, account, name, version))


async def _find(
    connection: AsyncConnection, account: Account, name: str, version: int
) -> RowMapping:
    for row in await repository.list_meters(connection, account, name):
        if row["version"] == version:
            return row
    raise not_found("meter", f"{name}@{version}")


@dataclass(frozen=True)
class ValueQuestion:
    """The value of a version of a meter over a span."""

    name: str
    version: int
    span: Span


@dataclass(frozen=True)
class _State:
    """What is known before events are read; `sealed_at` are offsets, None while it is open."""

    meter: RowMapping
    as_of: datetime
    sealed_at: dict[int, int] | None
    before: dict[int, int]
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
            return _value(question, state, format_decimal(quantity), events=count)
    if state.stored is not None:
        stored = state.stored
        return _value(question, state, stored["value"], events=stored["events"], of=stored)
    definition = Definition.model_validate(state.meter["definition"])
    events = await _measured(source, state, definition, span)
    period = Period(day_start(span.first), day_start(span.end))
    inside = period.of(events)
    value = format_exact(aggregate(events, definition, period))
    if state.sealed_at is None:
        return _value(question, state, value, events=len(inside))
    result = {
        "value": value,
        "events": len(inside),
        "input_hash": _input_hash(state.meter["content_hash"], span, events),
        "computed_at": now,
    }
    async with database.transaction() as connection:
        await repository.store_value(connection, state.meter["id"], span, result)
    return _value(question, state, value, events=len(inside), of=result)


async def _read_state(connection: AsyncConnection, question: ValueQuestion) -> _State:
    span = question.span
    meter = await _find(connection, span.account, question.name, question.version)
    last_day = span.end - timedelta(days=1)
    sealed = await repository.read_seal_offsets(connection, span.account, last_day)
    progress = await read_progress(connection, USAGE_RECORDED)
    counted = {partition: step.next_offset for partition, step in progress.items()}
    return _State(
        meter=meter,
        as_of=await read_watermark(connection, USAGE_RECORDED),
        sealed_at=sealed,
        before=counted if sealed is None else sealed,
        stored=await repository.read_value(connection, meter["id"], span),
    )


async def _measured(
    source: EventSource, state: _State, definition: Definition, span: Span
) -> list[Measured]:
    # A level holds on from before the period.
    first = None if definition.aggregation == "weighted_by_time" else span.first
    selection = EventSelection(span.account, span.tenant_id, first, span.end, state.before)
    try:
        events = await source.events(selection)
    except (KafkaError, OSError) as error:
        logger.warning("events_unavailable", error=type(error).__name__)
        message = "Events cannot be read at the moment; the request can be sent again."
        status = HTTPStatus.SERVICE_UNAVAILABLE
        raise TallyrollError("events_unavailable", message, status) from error
    return measure(events, definition)


def _value(
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
            "provisional": state.sealed_at is None or incomplete,
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
