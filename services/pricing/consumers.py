"""What comes in from Kafka: wiring only."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import structlog
from faststream import AckPolicy
from faststream.kafka import KafkaBroker
from faststream.kafka.annotations import KafkaMessage
from pydantic import ValidationError
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.handlers.meter_values import store_meter_value
from services.pricing.handlers.meters import remember_meter
from services.pricing.handlers.usage import record_seal, store_usage
from services.pricing.handlers.wallets import return_credits
from services.pricing.repository import dead_letters
from services.pricing.repository.dead_letters import Origin
from services.pricing.settings import PricingSettings
from shared.database import Database
from shared.events.invoice_changed import InvoiceChanged
from shared.events.message import Message
from shared.events.usage_aggregated import (
    DaySealed,
    MeterDefined,
    MeterValued,
    UsageAggregated,
)
from shared.topics import INVOICE_CHANGED, USAGE_AGGREGATED

logger = structlog.get_logger()

RETRY_SECONDS = 1.0
"""Pause before a message is delivered again, so that an outage is no busy loop."""

DATA_EXCEPTION = "22"
"""Class of the SQLSTATEs that say: this value cannot be stored, however often it is tried."""

Received = TypeVar("Received", bound=Message)


def add_consumers(broker: KafkaBroker, database: Database, settings: PricingSettings) -> None:
    """Subscribe to the usage of metering, and to what becomes of invoices.

    Rows, seals and values of meters share one consumer, to keep their order.

    A handler that fails nacks its message, which then comes again; what can never be read is
    stored as a dead letter and acknowledged.
    """
    subscriber = broker.subscriber(
        USAGE_AGGREGATED.name,
        group_id=settings.pricing_consumer_group,
        auto_offset_reset="earliest",
        ack_policy=AckPolicy.NACK_ON_ERROR,
        decoder=_bytes_of,
    )
    deliver = _Delivery(database)

    @subscriber(filter=lambda message: message.headers.get("type") == "UsageAggregated")
    async def on_usage_aggregated(_body: Any, message: KafkaMessage) -> None:
        await deliver(message, UsageAggregated, store_usage)

    @subscriber(filter=lambda message: message.headers.get("type") == "DaySealed")
    async def on_day_sealed(_body: Any, message: KafkaMessage) -> None:
        partition = _origin(message).partition
        accepted = settings.accepted_recounts

        async def handle(connection: AsyncConnection, sealed: DaySealed) -> None:
            await record_seal(connection, sealed, partition, accepted=accepted)

        await deliver(message, DaySealed, handle)

    @subscriber(filter=lambda message: message.headers.get("type") == "MeterDefined")
    async def on_meter_defined(_body: Any, message: KafkaMessage) -> None:
        await deliver(message, MeterDefined, remember_meter)

    @subscriber(filter=lambda message: message.headers.get("type") == "MeterValued")
    async def on_meter_valued(_body: Any, message: KafkaMessage) -> None:
        await deliver(message, MeterValued, store_meter_value)

    @subscriber
    async def on_unknown_type(_body: Any, message: KafkaMessage) -> None:
        await deliver.bury(message, "unknown_type")

    @broker.subscriber(
        INVOICE_CHANGED.name,
        group_id=settings.pricing_consumer_group,
        auto_offset_reset="earliest",
        ack_policy=AckPolicy.NACK_ON_ERROR,
        decoder=_bytes_of,
    )
    async def on_invoice_changed(_body: Any, message: KafkaMessage) -> None:
        await deliver(message, InvoiceChanged, return_credits)


class _Delivery:
    """Takes one message into one transaction of one handler."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def __call__(
        self,
        message: KafkaMessage,
        model: type[Received],
        handle: Callable[[AsyncConnection, Received], Awaitable[None]],
    ) -> None:
        try:
            received = model.model_validate_json(message.body or b"")
        except ValidationError:
            await self.bury(message, "invalid_message")
            return
        try:
            async with self._database.transaction() as connection:
                await handle(connection, received)
        except Exception as error:
            if _cannot_be_stored(error):
                await self.bury(message, "unstorable_value")
                return
            logger.exception("message_failed", type=model.__name__)
            await asyncio.sleep(RETRY_SECONDS)
            raise

    async def bury(self, message: KafkaMessage, code: str) -> None:
        """Keep what cannot be handled, and go on."""
        origin = _origin(message)
        logger.error("dead_letter", code=code, partition=origin.partition, offset=origin.offset)
        async with self._database.transaction() as connection:
            await dead_letters.store(connection, origin, code=code, payload=message.body or b"")


async def _bytes_of(message: Any) -> Any:
    # The handlers decode themselves: what FastStream could not decode would come for ever.
    return message.body


def _origin(message: KafkaMessage) -> Origin:
    record = message.raw_message
    assert not isinstance(record, tuple), "records are consumed one by one"
    return Origin(record.topic, record.partition, record.offset)


def _cannot_be_stored(error: Exception) -> bool:
    state = getattr(error.orig, "sqlstate", None) if isinstance(error, DBAPIError) else None
    return str(state or "").startswith(DATA_EXCEPTION)
