"""What endpoints are told of, from Kafka: wiring only.

A group of its own: what it reads again, or reads late, holds up no invoice.
"""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import structlog
from faststream import AckPolicy
from faststream.kafka import KafkaBroker
from faststream.kafka.annotations import KafkaMessage
from faststream.kafka.subscriber.usecase import DefaultSubscriber
from sqlalchemy.ext.asyncio import AsyncConnection

from services.invoicing.repository.messages import insert_dead_letter
from services.invoicing.webhooks_out.composing import (
    invoice_event,
    seal_event,
    statement_event,
    wallet_event,
)
from services.invoicing.webhooks_out.listeners import Listeners
from services.invoicing.webhooks_out.recording import record_event
from shared.clock import Clock
from shared.consuming import Delivery, Received, bytes_of, origin_of
from shared.database import Database
from shared.events.invoice_changed import InvoiceChanged
from shared.events.spend_crossed import SpendCrossed
from shared.events.statement_rated import StatementRated
from shared.events.usage_aggregated import DaySealed
from shared.ids import first_part
from shared.topics import INVOICE_CHANGED, SPEND_CROSSED, STATEMENT_RATED, USAGE_AGGREGATED

logger = structlog.get_logger()


class HeardDelivery:
    """Takes a message into one transaction, unless its vendor has no endpoint; keeps junk."""

    def __init__(self, database: Database, listeners: Listeners) -> None:
        self._database = database
        self._listeners = listeners
        self._deliver = Delivery(database, self._bury)

    async def __call__(
        self,
        message: KafkaMessage,
        model: type[Received],
        handle: Callable[[AsyncConnection, Received], Awaitable[None]],
    ) -> None:
        vendor_id = _vendor_id(message)
        if vendor_id is None or await self._listeners.include(vendor_id):
            await self._deliver(message, model, handle)

    async def _bury(self, message: KafkaMessage, code: str) -> None:
        origin = origin_of(message)
        logger.error("dead_letter", code=code, topic=origin.topic, offset=origin.offset)
        values = {**vars(origin), "code": code, "payload": message.body or b""}
        async with self._database.transaction() as connection:
            await insert_dead_letter(connection, values)


def add_webhook_consumers(
    broker: KafkaBroker, deliver: HeardDelivery, clock: Clock, *, group: str
) -> None:
    """Subscribe to sealed days, rated statements, credit that runs low and what invoices become.

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
    _add_seals(subscriber(USAGE_AGGREGATED.name), deliver, clock)

    rated = subscriber(STATEMENT_RATED.name)

    @rated(filter=lambda message: message.headers.get("type") == "AdjustmentCredited")
    async def on_adjustment_credited(_body: Any, _message: KafkaMessage) -> None:
        """Its credit note is told of as the invoice's `credited`."""

    @rated
    async def on_statement_rated(_body: Any, message: KafkaMessage) -> None:
        async def handle(connection: AsyncConnection, statement: StatementRated) -> None:
            now = clock.now()
            await record_event(connection, statement_event(statement, now), now)

        await deliver(message, StatementRated, handle)

    @subscriber(SPEND_CROSSED.name)
    async def on_spend_crossed(_body: Any, message: KafkaMessage) -> None:
        async def handle(connection: AsyncConnection, crossed: SpendCrossed) -> None:
            now = clock.now()
            await record_event(connection, wallet_event(crossed, now), now)

        await deliver(message, SpendCrossed, handle)

    @subscriber(INVOICE_CHANGED.name)
    async def on_invoice_changed(_body: Any, message: KafkaMessage) -> None:
        async def handle(connection: AsyncConnection, changed: InvoiceChanged) -> None:
            identity = _message_id(message)
            await record_event(connection, invoice_event(changed, identity), clock.now())

        await deliver(message, InvoiceChanged, handle)


def _add_seals(usage: DefaultSubscriber, deliver: HeardDelivery, clock: Clock) -> None:
    @usage(filter=lambda message: message.headers.get("type") == "DaySealed")
    async def on_day_sealed(_body: Any, message: KafkaMessage) -> None:
        async def handle(connection: AsyncConnection, sealed: DaySealed) -> None:
            now = clock.now()
            await record_event(connection, seal_event(sealed, now), now)

        await deliver(message, DaySealed, handle)

    @usage
    async def on_other_usage(_body: Any, _message: KafkaMessage) -> None:
        """Rows and meters: no endpoint is told of them."""


def _vendor_id(message: KafkaMessage) -> str | None:
    """Return whose message it is by its key, without reading it."""
    record = message.raw_message
    assert not isinstance(record, tuple), "records are consumed one by one"
    return first_part(record.key or b"")


def _message_id(message: KafkaMessage) -> str:
    """Return the id that a message keeps when it is sent again, else the place where it lies."""
    origin = origin_of(message)
    place = f"{origin.topic}/{origin.partition}/{origin.offset}"
    return str(message.headers.get("message-id", place))
