"""What comes in from Kafka beside usage, which the worker reads: wiring only."""

import asyncio
from typing import Any

import structlog
from faststream import AckPolicy
from faststream.kafka import KafkaBroker
from faststream.kafka.annotations import KafkaMessage
from pydantic import ValidationError
from sqlalchemy.exc import DBAPIError

from services.metering.handlers.meter_requests import remember_question
from services.metering.settings import MeteringSettings
from shared.clock import Clock
from shared.database import Database
from shared.events.meter_wanted import MeterWanted
from shared.topics import METER_WANTED

logger = structlog.get_logger()

RETRY_SECONDS = 1.0
"""Pause before a message is delivered again, so that an outage is no busy loop."""

DATA_EXCEPTION = "22"
"""Class of the SQLSTATEs that say: this value cannot be stored, however often it is tried."""


def add_consumers(
    broker: KafkaBroker, database: Database, clock: Clock, settings: MeteringSettings
) -> None:
    """Subscribe to the questions of pricing.

    A handler that fails nacks its message, which then comes again. What can never be read is
    logged and left behind: pricing asks again for what it was not told.
    """

    @broker.subscriber(
        METER_WANTED.name,
        group_id=settings.metering_consumer_group,
        auto_offset_reset="earliest",
        ack_policy=AckPolicy.NACK_ON_ERROR,
        decoder=_bytes_of,
    )
    async def on_meter_wanted(_body: Any, message: KafkaMessage) -> None:
        try:
            wanted = MeterWanted.model_validate_json(message.body or b"")
        except ValidationError:
            _leave(message, "invalid_message")
            return
        try:
            async with database.transaction() as connection:
                await remember_question(connection, wanted, clock.now())
        except Exception as error:
            if _cannot_be_stored(error):
                _leave(message, "unstorable_value")
                return
            logger.exception("message_failed", type=MeterWanted.__name__)
            await asyncio.sleep(RETRY_SECONDS)
            raise


async def _bytes_of(message: Any) -> Any:
    # The handler decodes itself: what FastStream could not decode would come for ever.
    return message.body


def _leave(message: KafkaMessage, code: str) -> None:
    record = message.raw_message
    assert not isinstance(record, tuple), "records are consumed one by one"
    logger.error("message_unreadable", code=code, partition=record.partition, offset=record.offset)


def _cannot_be_stored(error: Exception) -> bool:
    state = getattr(error.orig, "sqlstate", None) if isinstance(error, DBAPIError) else None
    return str(state or "").startswith(DATA_EXCEPTION)
