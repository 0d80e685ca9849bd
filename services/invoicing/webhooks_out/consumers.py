"""What endpoints are told of, from Kafka: wiring only.

A group of its own: what it reads again, or reads late, holds up no invoice.
"""

from functools import partial
from typing import Any

import structlog
from faststream import AckPolicy
from faststream.kafka import KafkaBroker
from faststream.kafka.annotations import KafkaMessage
from sqlalchemy.ext.asyncio import AsyncConnection

from services.invoicing.repository.messages import insert_dead_letter
from services.invoicing.webhooks_out.composing import invoice_event, seal_event, statement_event
from services.invoicing.webhooks_out.recording import record_event
from shared.clock import Clock
from shared.consuming import Delivery, bytes_of, origin_of
from shared.database import Database
from shared.events.invoice_changed import InvoiceChanged
from shared.events.statement_rated import StatementRated
from shared.events.usage_aggregated import DaySealed
from shared.topics import INVOICE_CHANGED, STATEMENT_RATED, USAGE_AGGREGATED

logger = structlog.get_logger()


def add_webhook_consumers(
    broker: KafkaBroker, database: Database, clock: Clock, *, group: str
) -> None:
    """Subscribe to sealed days, rated statements and what becomes of invoices.

    A handler that fails nacks its message, which then comes again; what can never be read is kept
    as a dead letter.
    """

    async def bury(message: KafkaMessage, code: str) -> None:
        origin = origin_of(message)
        logger.error("dead_letter", code=code, topic=origin.topic, offset=origin.offset)
        values = {**vars(origin), "code": code, "payload": message.body or b""}
        async with database.transaction() as connection:
            await insert_dead_letter(connection, values)

    deliver = Delivery(database, bury)
    subscriber = partial(
        broker.subscriber,
        group_id=group,
        auto_offset_reset="earliest",
        ack_policy=AckPolicy.NACK_ON_ERROR,
        decoder=bytes_of,
    )
    usage = subscriber(USAGE_AGGREGATED.name)

    @usage(filter=lambda message: message.headers.get("type") == "DaySealed")
    async def on_day_sealed(_body: Any, message: KafkaMessage) -> None:
        async def handle(connection: AsyncConnection, sealed: DaySealed) -> None:
            now = clock.now()
            await record_event(connection, seal_event(sealed, now), now)

        await deliver(message, DaySealed, handle)

    @usage
    async def on_other_usage(_body: Any, _message: KafkaMessage) -> None:
        """Rows and meters: no endpoint is told of them."""

    @subscriber(STATEMENT_RATED.name)
    async def on_statement_rated(_body: Any, message: KafkaMessage) -> None:
        async def handle(connection: AsyncConnection, statement: StatementRated) -> None:
            now = clock.now()
            await record_event(connection, statement_event(statement, now), now)

        await deliver(message, StatementRated, handle)

    @subscriber(INVOICE_CHANGED.name)
    async def on_invoice_changed(_body: Any, message: KafkaMessage) -> None:
        async def handle(connection: AsyncConnection, changed: InvoiceChanged) -> None:
            identity = _message_id(message)
            await record_event(connection, invoice_event(changed, identity), clock.now())

        await deliver(message, InvoiceChanged, handle)


def _message_id(message: KafkaMessage) -> str:
    """Return the id that a message keeps when it is sent again, else the place where it lies."""
    origin = origin_of(message)
    place = f"{origin.topic}/{origin.partition}/{origin.offset}"
    return str(message.headers.get("message-id", place))
