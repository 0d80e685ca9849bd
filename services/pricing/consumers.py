"""What comes in from Kafka: wiring only."""

from functools import partial
from typing import Any

import structlog
from faststream import AckPolicy
from faststream.kafka import KafkaBroker
from faststream.kafka.annotations import KafkaMessage
from faststream.kafka.subscriber.usecase import LogicSubscriber
from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.handlers.invoices import settle_invoice
from services.pricing.handlers.meter_values import store_meter_value
from services.pricing.handlers.meters import remember_meter
from services.pricing.handlers.runs import store_runs
from services.pricing.handlers.usage import record_seal, store_usage
from services.pricing.repository import dead_letters
from services.pricing.settings import PricingSettings
from shared.consuming import Delivery, Leave, bytes_of, origin_of
from shared.database import Database
from shared.events.invoice_changed import InvoiceChanged
from shared.events.runs_aggregated import RunsAggregated
from shared.events.usage_aggregated import (
    DaySealed,
    MeterDefined,
    MeterValued,
    UsageAggregated,
)
from shared.topics import INVOICE_CHANGED, RUNS_AGGREGATED, USAGE_AGGREGATED

logger = structlog.get_logger()


def add_consumers(broker: KafkaBroker, database: Database, settings: PricingSettings) -> None:
    """Subscribe to the usage and the runs of metering, and to what becomes of invoices.

    Rows, seals and values of meters share one consumer, to keep their order. Runs have one of their
    own: they are many, and nothing that is billed waits for them.

    A handler that fails nacks its message, which then comes again; what can never be read is
    stored as a dead letter and acknowledged.
    """

    async def bury(message: KafkaMessage, code: str) -> None:
        """Keep what cannot be handled, and go on."""
        origin = origin_of(message)
        logger.error("dead_letter", code=code, partition=origin.partition, offset=origin.offset)
        async with database.transaction() as connection:
            await dead_letters.store(connection, origin, code=code, payload=message.body or b"")

    subscribe = partial(
        broker.subscriber,
        group_id=settings.pricing_consumer_group,
        auto_offset_reset="earliest",
        ack_policy=AckPolicy.NACK_ON_ERROR,
        decoder=bytes_of,
    )
    deliver = Delivery(database, bury)
    _add_usage(subscribe(USAGE_AGGREGATED.name), deliver, bury, settings.accepted_recounts)
    _add_runs(subscribe(RUNS_AGGREGATED.name), deliver, bury)

    @subscribe(INVOICE_CHANGED.name)
    async def on_invoice_changed(_body: Any, message: KafkaMessage) -> None:
        await deliver(message, InvoiceChanged, settle_invoice)


def _add_usage(
    subscriber: LogicSubscriber[Any], deliver: Delivery, bury: Leave, accepted: frozenset[str]
) -> None:
    @subscriber(filter=lambda message: message.headers.get("type") == "UsageAggregated")
    async def on_usage_aggregated(_body: Any, message: KafkaMessage) -> None:
        await deliver(message, UsageAggregated, store_usage)

    @subscriber(filter=lambda message: message.headers.get("type") == "DaySealed")
    async def on_day_sealed(_body: Any, message: KafkaMessage) -> None:
        partition = origin_of(message).partition

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


def _add_runs(subscriber: LogicSubscriber[Any], deliver: Delivery, bury: Leave) -> None:
    @subscriber(filter=lambda message: message.headers.get("type") == "RunsAggregated")
    async def on_runs_aggregated(_body: Any, message: KafkaMessage) -> None:
        await deliver(message, RunsAggregated, store_runs)

    @subscriber
    async def on_unknown_type_of_runs(_body: Any, message: KafkaMessage) -> None:
        await bury(message, "unknown_type")
