"""What comes in from Kafka: wiring only."""

from typing import Any

import structlog
from faststream import AckPolicy
from faststream.kafka import KafkaBroker
from faststream.kafka.annotations import KafkaMessage
from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.handlers.invoices import settle_invoice
from services.pricing.handlers.meter_values import store_meter_value
from services.pricing.handlers.meters import remember_meter
from services.pricing.handlers.usage import record_seal, store_usage
from services.pricing.repository import dead_letters
from services.pricing.settings import PricingSettings
from shared.consuming import Delivery, bytes_of, origin_of
from shared.database import Database
from shared.events.invoice_changed import InvoiceChanged
from shared.events.usage_aggregated import (
    DaySealed,
    MeterDefined,
    MeterValued,
    UsageAggregated,
)
from shared.topics import INVOICE_CHANGED, USAGE_AGGREGATED

logger = structlog.get_logger()


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
        decoder=bytes_of,
    )

    async def bury(message: KafkaMessage, code: str) -> None:
        """Keep what cannot be handled, and go on."""
        origin = origin_of(message)
        logger.error("dead_letter", code=code, partition=origin.partition, offset=origin.offset)
        async with database.transaction() as connection:
            await dead_letters.store(connection, origin, code=code, payload=message.body or b"")

    deliver = Delivery(database, bury)

    @subscriber(filter=lambda message: message.headers.get("type") == "UsageAggregated")
    async def on_usage_aggregated(_body: Any, message: KafkaMessage) -> None:
        await deliver(message, UsageAggregated, store_usage)

    @subscriber(filter=lambda message: message.headers.get("type") == "DaySealed")
    async def on_day_sealed(_body: Any, message: KafkaMessage) -> None:
        partition = origin_of(message).partition
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
        await bury(message, "unknown_type")

    @broker.subscriber(
        INVOICE_CHANGED.name,
        group_id=settings.pricing_consumer_group,
        auto_offset_reset="earliest",
        ack_policy=AckPolicy.NACK_ON_ERROR,
        decoder=bytes_of,
    )
    async def on_invoice_changed(_body: Any, message: KafkaMessage) -> None:
        await deliver(message, InvoiceChanged, settle_invoice)
