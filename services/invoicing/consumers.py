"""Events in: wiring only. What cannot be used is kept as a dead letter and never blocks."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from aiokafka import ConsumerRecord
from faststream import AckPolicy
from faststream.kafka import KafkaBroker, KafkaMessage
from pydantic import ValidationError

from services.invoicing.corrections.adjusting import credit_adjustment
from services.invoicing.domain.errors import InvalidStatement
from services.invoicing.handlers import Received, draft_invoices
from services.invoicing.repository.messages import insert_dead_letter
from shared.clock import Clock
from shared.database import Database
from shared.events.statement_rated import AdjustmentCredited, StatementRated
from shared.topics import STATEMENT_RATED

logger = structlog.get_logger()

_NUL = b"\\u0000"

GROUP_BYTES_MAX = 1_000_000
"""Bytes of statements that one transaction makes invoices of, unless one alone has more."""

RECORDS_MAX = 100
WAIT_MILLISECONDS = 100
"""So many records are taken at once at most, and so long is waited for the first of them."""

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


Taken = tuple[Record, Received | AdjustmentCredited]
"""A record, and what it says."""


@dataclass
class StatementConsumer:
    """Makes invoices of statements, at least once each, which the inbox and the key make once."""

    database: Database
    clock: Clock

    async def take(self, records: Sequence[Record]) -> None:
        """Draft the invoices of records, or keep a record as a dead letter.

        Many share a transaction. When it fails, each is taken by a transaction of its own, so
        that a bad one harms no other.
        """
        for group in _groups([one for record in records if (one := await self._read(record))]):
            try:
                await self._handle(group)
            except Exception as error:  # noqa: BLE001 - whose it is shows when each is alone
                logger.warning("statements_taken_alone", cause=type(error).__name__)
                for one in group:
                    await self._take_alone(one)

    async def _read(self, record: Record) -> Taken | None:
        try:
            return record, _received(record)
        except InvalidStatement as rejection:
            await self._bury(record, rejection.code)
        except ValidationError:
            await self._bury(record, "invalid_message")
        return None

    async def _take_alone(self, one: Taken) -> None:
        try:
            await self._handle([one])
        except InvalidStatement as rejection:
            await self._bury(one[0], rejection.code)

    async def _handle(self, group: Sequence[Taken]) -> None:
        """Take a credited period, which comes alone, or statements together."""
        record, first = group[0]
        async with self.database.transaction() as connection:
            if isinstance(first, AdjustmentCredited):
                identity = record.message_id
                await credit_adjustment(connection, first, message_id=identity, clock=self.clock)
                return
            statements = [one for _, one in group if isinstance(one, Received)]
            await draft_invoices(connection, statements, self.clock)

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


def _groups(taken: Sequence[Taken]) -> Iterator[list[Taken]]:
    """Yield what one transaction takes: neighbours of one account and of different tenants.

    What a tenant's invoice leaves to its next one is there when that is drafted. A credited
    period is taken alone, in its place.
    """
    group: list[Taken] = []
    tenants: set[str] = set()
    size = 0
    for record, received in taken:
        alone = isinstance(received, AdjustmentCredited)
        tenant_id = received.tenant_id
        fits = size + len(record.body) <= GROUP_BYTES_MAX and tenant_id not in tenants
        if group and (alone or not fits or not _same_account(received, group[0][1])):
            yield group
            group, tenants, size = [], set(), 0
        group.append((record, received))
        tenants.add(tenant_id)
        size += len(record.body)
    if group:
        yield group


def _same_account(one: Received | AdjustmentCredited, other: Received | AdjustmentCredited) -> bool:
    """Tell whether both are statements of one account."""
    if isinstance(one, AdjustmentCredited) or isinstance(other, AdjustmentCredited):
        return False
    return one.account == other.account


_TYPES = {model.__name__: model for model in (StatementRated, AdjustmentCredited)}


def _received(record: Record) -> Received | AdjustmentCredited:
    model = _TYPES.get(record.type_name)
    if model is None:
        raise InvalidStatement("unknown_type", "This topic carries no such messages.")
    if _NUL in record.body:
        raise InvalidStatement("unstorable_text", "Postgres keeps no text with a NUL in it.")
    message = model.model_validate_json(record.body)
    if isinstance(message, AdjustmentCredited):
        return message
    return Received(message, record.message_id)


async def _raw(message: KafkaMessage) -> Any:
    return message.body


def _record(raw: ConsumerRecord[Any, Any]) -> Record:
    headers = {name: value.decode() for name, value in raw.headers}
    place = f"{raw.topic}/{raw.partition}/{raw.offset}"
    return Record(
        topic=raw.topic,
        partition=raw.partition,
        offset=raw.offset,
        type_name=headers.get("type", ""),
        message_id=headers.get("message-id", place),
        body=bytes(raw.value or b""),
    )


def subscribe(broker: KafkaBroker, consumer: StatementConsumer, *, group: str) -> None:
    """Read `statement.rated`: at least once, from the beginning, in each partition's order."""

    @broker.subscriber(
        STATEMENT_RATED.name,
        batch=True,
        max_records=RECORDS_MAX,
        batch_timeout_ms=WAIT_MILLISECONDS,
        group_id=group,
        auto_offset_reset="earliest",
        ack_policy=AckPolicy.NACK_ON_ERROR,
        decoder=_raw,
        title="statement.rated",
        description="StatementRated (JSON): the invoice of a subscription's period is drafted; "
        "AdjustmentCredited: a closed period is credited",
    )
    async def on_statement_rated(_bodies: Any, message: KafkaMessage) -> None:
        records = message.raw_message
        assert isinstance(records, tuple), "records come in batches"
        try:
            await consumer.take([_record(one) for one in records])
        except Exception:
            await asyncio.sleep(PAUSE_SECONDS)
            raise
