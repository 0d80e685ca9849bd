"""What endpoints are told of, from Kafka: wiring only.

A group of its own: what it reads again, or reads late, holds up no invoice.
"""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, TypeAlias

import structlog
from aiokafka import ConsumerRecord
from faststream import AckPolicy
from faststream.kafka import KafkaBroker
from faststream.kafka.annotations import KafkaMessage
from faststream.kafka.subscriber.usecase import DefaultSubscriber
from sqlalchemy.ext.asyncio import AsyncConnection

from services.invoicing.repository.messages import insert_dead_letter
from services.invoicing.webhooks_out.composing import (
    crossing_event,
    envelope_event,
    invoice_event,
    seal_event,
    statement_event,
)
from services.invoicing.webhooks_out.listeners import Listeners
from services.invoicing.webhooks_out.recording import record_event
from shared.clock import Clock
from shared.consuming import Received, bytes_of, deliver_body
from shared.database import Database
from shared.events.invoice_changed import InvoiceChanged
from shared.events.spend_crossed import EnvelopeCrossed, SpendCrossed
from shared.events.statement_rated import AdjustmentCredited, StatementRated
from shared.events.usage_aggregated import DaySealed
from shared.ids import first_part
from shared.topics import INVOICE_CHANGED, SPEND_CROSSED, STATEMENT_RATED, USAGE_AGGREGATED

logger = structlog.get_logger()

UNTOLD = frozenset({AdjustmentCredited.__name__})
"""Messages of which no endpoint is told: their credit note is, as the invoice's `credited`."""

RECORDS_MAX = 500
WAIT_MILLISECONDS = 100
"""So many records are taken at once at most, and so long is waited for the first of them."""

Record: TypeAlias = "ConsumerRecord[Any, Any]"
Handle = Callable[[AsyncConnection, Received, Record], Awaitable[None]]


class HeardDelivery:
    """Takes records into a transaction each, unless their vendor has no endpoint; keeps junk.

    When one of several that came together fails, all of them come again: an event is stored once.
    """

    def __init__(self, database: Database, listeners: Listeners) -> None:
        self._database = database
        self._listeners = listeners

    async def __call__(
        self, message: KafkaMessage, model: type[Received], handle: Handle[Received]
    ) -> None:
        for record in _records(message):
            if _type(record) in UNTOLD:
                continue
            vendor_id = first_part(record.key or b"")
            if vendor_id is None or await self._listeners.include(vendor_id):
                await self._take(record, model, handle)

    async def _take(self, record: Record, model: type[Received], handle: Handle[Received]) -> None:
        async def handle_record(connection: AsyncConnection, received: Received) -> None:
            await handle(connection, received, record)

        leave = partial(self._bury, record)
        await deliver_body(self._database, record.value or b"", model, handle_record, leave)

    async def _bury(self, record: Record, code: str) -> None:
        logger.error("dead_letter", code=code, topic=record.topic, offset=record.offset)
        place = {name: getattr(record, name) for name in ("topic", "partition", "offset")}
        async with self._database.transaction() as connection:
            values = {**place, "code": code, "payload": record.value or b""}
            await insert_dead_letter(connection, values)


def add_webhook_consumers(
    broker: KafkaBroker, deliver: HeardDelivery, clock: Clock, *, group: str
) -> None:
    """Subscribe to sealed days, rated statements, bounds that are crossed and what invoices become.

    A handler that fails nacks its message, which then comes again; what can never be read is kept
    as a dead letter.
    """
    subscriber = partial(
        broker.subscriber,
        group_id=group,
        auto_offset_reset="earliest",
        ack_policy=AckPolicy.NACK_ON_ERROR,
        decoder=bytes_of,
    )
    together = partial(
        subscriber, batch=True, max_records=RECORDS_MAX, batch_timeout_ms=WAIT_MILLISECONDS
    )
    _add_seals(subscriber(USAGE_AGGREGATED.name), deliver, clock)

    @together(STATEMENT_RATED.name)
    async def on_statement_rated(_body: Any, message: KafkaMessage) -> None:
        async def handle(connection: AsyncConnection, statement: StatementRated, _: Record) -> None:
            now = clock.now()
            await record_event(connection, statement_event(statement, now), now)

        await deliver(message, StatementRated, handle)

    @subscriber(SPEND_CROSSED.name)
    async def on_spend_crossed(_body: Any, message: KafkaMessage) -> None:
        async def handle(connection: AsyncConnection, crossed: SpendCrossed, _: Record) -> None:
            now = clock.now()
            await record_event(connection, crossing_event(crossed, now), now)

        async def handle_envelope(
            connection: AsyncConnection, crossed: EnvelopeCrossed, _: Record
        ) -> None:
            now = clock.now()
            await record_event(connection, envelope_event(crossed, now), now)

        if message.headers.get("type") == EnvelopeCrossed.__name__:
            await deliver(message, EnvelopeCrossed, handle_envelope)
        else:
            await deliver(message, SpendCrossed, handle)

    @together(INVOICE_CHANGED.name)
    async def on_invoice_changed(_body: Any, message: KafkaMessage) -> None:
        async def handle(
            connection: AsyncConnection, changed: InvoiceChanged, record: Record
        ) -> None:
            identity = _message_id(record)
            await record_event(connection, invoice_event(changed, identity), clock.now())

        await deliver(message, InvoiceChanged, handle)


def _add_seals(usage: DefaultSubscriber, deliver: HeardDelivery, clock: Clock) -> None:
    @usage(filter=lambda message: message.headers.get("type") == "DaySealed")
    async def on_day_sealed(_body: Any, message: KafkaMessage) -> None:
        async def handle(connection: AsyncConnection, sealed: DaySealed, _: Record) -> None:
            now = clock.now()
            await record_event(connection, seal_event(sealed, now), now)

        await deliver(message, DaySealed, handle)

    @usage
    async def on_other_usage(_body: Any, _message: KafkaMessage) -> None:
        """Rows and meters: no endpoint is told of them."""


def _records(message: KafkaMessage) -> Sequence[Record]:
    """Return what came: one record, or those of a batch."""
    raw = message.raw_message
    return raw if isinstance(raw, tuple) else (raw,)


def _type(record: Record) -> str:
    headers: dict[str, bytes] = dict(record.headers)
    return headers.get("type", b"").decode()


def _message_id(record: Record) -> str:
    """Return the id that a message keeps when it is sent again, else the place where it lies."""
    place = f"{record.topic}/{record.partition}/{record.offset}"
    headers: dict[str, bytes] = dict(record.headers)
    return headers.get("message-id", place.encode()).decode()
