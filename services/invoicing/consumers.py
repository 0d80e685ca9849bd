"""Events in: wiring only. What cannot be used is kept as a dead letter and never blocks."""

import asyncio
from dataclasses import dataclass

import structlog
from faststream import AckPolicy
from faststream.kafka import KafkaBroker, KafkaMessage
from pydantic import ValidationError

from services.invoicing.corrections.adjusting import credit_adjustment
from services.invoicing.domain.errors import InvalidStatement
from services.invoicing.handlers import draft_invoice
from services.invoicing.repository.messages import insert_dead_letter
from shared.clock import Clock
from shared.database import Database
from shared.events.statement_rated import AdjustmentCredited, StatementRated
from shared.topics import STATEMENT_RATED

logger = structlog.get_logger()

_NUL = b"\\u0000"

PAUSE_SECONDS = 1.0
"""Rest before a record is taken again after a failure that is not its fault."""


@dataclass(frozen=True)
class Record:
    """A record as Kafka gave it, and where it lies."""

    topic: str
    partition: int
    offset: int
    type_name: str
    message_id: str
    body: bytes


@dataclass
class StatementConsumer:
    """Makes invoices of statements, at least once each, which the inbox and the key make once."""

    database: Database
    clock: Clock

    async def take(self, record: Record) -> None:
        """Draft the invoice of a record, or keep the record as a dead letter."""
        try:
            message = _message(record)
            identity, clock = record.message_id, self.clock
            async with self.database.transaction() as connection:
                if isinstance(message, AdjustmentCredited):
                    await credit_adjustment(connection, message, message_id=identity, clock=clock)
                else:
                    await draft_invoice(connection, message, message_id=identity, clock=clock)
        except InvalidStatement as rejection:
            await self._bury(record, rejection.code)
        except ValidationError:
            await self._bury(record, "invalid_message")

    async def _bury(self, record: Record, code: str) -> None:
        logger.error("dead_letter", code=code, partition=record.partition, offset=record.offset)
        values = {
            "topic": record.topic,
            "partition": record.partition,
            "offset": record.offset,
            "code": code,
            "payload": record.body,
        }
        async with self.database.transaction() as connection:
            await insert_dead_letter(connection, values)


_TYPES = {model.__name__: model for model in (StatementRated, AdjustmentCredited)}


def _message(record: Record) -> StatementRated | AdjustmentCredited:
    model = _TYPES.get(record.type_name)
    if model is None:
        raise InvalidStatement("unknown_type", "This topic carries no such messages.")
    if _NUL in record.body:
        raise InvalidStatement("unstorable_text", "Postgres keeps no text with a NUL in it.")
    return model.model_validate_json(record.body)


async def _raw(message: KafkaMessage) -> bytes:
    return bytes(message.body or b"")


def _record(message: KafkaMessage, body: bytes) -> Record:
    raw = message.raw_message
    assert not isinstance(raw, tuple), "records come one by one"
    place = f"{raw.topic}/{raw.partition}/{raw.offset}"
    return Record(
        topic=raw.topic,
        partition=raw.partition,
        offset=raw.offset,
        type_name=str(message.headers.get("type", "")),
        message_id=str(message.headers.get("message-id", place)),
        body=body,
    )


def subscribe(broker: KafkaBroker, consumer: StatementConsumer, *, group: str) -> None:
    """Read `statement.rated`: at least once, from the beginning, in each partition's order."""

    @broker.subscriber(
        STATEMENT_RATED.name,
        group_id=group,
        auto_offset_reset="earliest",
        ack_policy=AckPolicy.NACK_ON_ERROR,
        decoder=_raw,
        title="statement.rated",
        description="StatementRated (JSON): the invoice of a subscription's period is drafted; "
        "AdjustmentCredited: a closed period is credited",
    )
    async def on_statement_rated(body: bytes, message: KafkaMessage) -> None:
        try:
            await consumer.take(_record(message, body))
        except Exception:
            await asyncio.sleep(PAUSE_SECONDS)
            raise
