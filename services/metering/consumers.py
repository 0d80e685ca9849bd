"""What comes in from Kafka beside usage, which the worker reads: wiring only."""

from typing import Any

import structlog
from faststream import AckPolicy
from faststream.kafka import KafkaBroker
from faststream.kafka.annotations import KafkaMessage
from sqlalchemy.ext.asyncio import AsyncConnection

from services.metering.handlers.meter_requests import remember_question
from services.metering.settings import MeteringSettings
from shared.clock import Clock
from shared.consuming import Delivery, bytes_of, origin_of
from shared.database import Database
from shared.events.meter_wanted import MeterWanted
from shared.topics import METER_WANTED

logger = structlog.get_logger()


def add_consumers(
    broker: KafkaBroker, database: Database, clock: Clock, settings: MeteringSettings
) -> None:
    """Subscribe to the questions of pricing.

    A handler that fails nacks its message, which then comes again. What can never be read is
    logged and left behind: pricing asks again for what it was not told.
    """
    deliver = Delivery(database, _leave)

    async def remember(connection: AsyncConnection, wanted: MeterWanted) -> None:
        await remember_question(connection, wanted, clock.now())

    @broker.subscriber(
        METER_WANTED.name,
        group_id=settings.metering_consumer_group,
        auto_offset_reset="earliest",
        ack_policy=AckPolicy.NACK_ON_ERROR,
        decoder=bytes_of,
    )
    async def on_meter_wanted(_body: Any, message: KafkaMessage) -> None:
        await deliver(message, MeterWanted, remember)


async def _leave(message: KafkaMessage, code: str) -> None:
    origin = origin_of(message)
    logger.error("message_unreadable", code=code, partition=origin.partition, offset=origin.offset)
