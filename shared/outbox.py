"""The outbox: a message leaves in the transaction of the state that it tells about.

A service writes rows; its relay sends them in order and deletes them once Kafka has acknowledged.
The relay is at least once: who receives must handle a message twice as once (by `message-id`, or by
an upsert by version). There is one relay per service at a time, held by an advisory lock, so the
order of one key is the order of commit of those who write it.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypedDict

import structlog
from aiokafka import AIOKafkaProducer
from sqlalchemy import (
    BigInteger,
    Column,
    Identity,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    any_,
    bindparam,
    delete,
    select,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.database import Database
from shared.events.message import Message
from shared.ids import new_id

logger = structlog.get_logger()

ROWS_PER_SEND = 500
IDLE_SECONDS = 0.1
GATHER_SECONDS = 0.02
"""Rest while there is something, so that what is written meanwhile goes out together."""

BACKOFF_SECONDS_MAX = 5.0


def outbox_table(metadata: MetaData) -> Table:
    """Return the outbox of one service's schema."""
    return Table(
        "outbox",
        metadata,
        Column("position", BigInteger, Identity(always=True), primary_key=True),
        Column("topic", Text, nullable=False),
        Column("partition", Integer),
        Column("key", LargeBinary),
        Column("headers", JSONB, nullable=False),
        Column("payload", LargeBinary, nullable=False),
    )


class OutboxRow(TypedDict):
    """A message as the outbox stores it."""

    topic: str
    partition: int | None
    key: bytes
    headers: dict[str, str]
    payload: bytes


@dataclass(frozen=True)
class Outgoing:
    """A message on its way out: where to, and (for computed partitions) which partition."""

    message: Message
    partition: int | None = None
    message_id: str = field(default_factory=new_id)

    def row(self) -> OutboxRow:
        """Return what the outbox stores of the message."""
        topic = self.message.topic
        return {
            "topic": topic.name,
            "partition": self.partition,
            "key": self.message.key(),
            "headers": {
                "type": type(self.message).__name__,
                "version": str(self.message.version_of_schema),
                "message-id": self.message_id,
                "content-type": "application/json",
            },
            "payload": self.message.model_dump_json().encode(),
        }


async def put(connection: AsyncConnection, outbox: Table, outgoing: list[Outgoing]) -> None:
    """Write messages into the outbox, in their order, within the caller's transaction."""
    await put_rows(connection, outbox, [message.row() for message in outgoing])


async def put_rows(connection: AsyncConnection, outbox: Table, rows: Sequence[OutboxRow]) -> None:
    """Do what `put` does, for callers who use the payload too: encoding it is most of the work."""
    if rows:
        await connection.execute(outbox.insert(), list(rows))


@dataclass
class OutboxRelay:
    """Sends one service's outbox to Kafka until it is cancelled.

    `new_producer` is called after every failure: an idempotent producer whose batch failed for good
    is refused by the broker from then on.
    """

    database: Database
    outbox: Table
    new_producer: Callable[[], AIOKafkaProducer]

    async def run(self) -> None:
        failures = 0
        while True:
            try:
                async with self.database.leadership(f"outbox:{self.outbox.schema}") as leading:
                    if leading:
                        async with self.new_producer() as producer:
                            while True:
                                sent = await self.send_pending(producer)
                                failures = 0
                                if sent < ROWS_PER_SEND:
                                    await asyncio.sleep(GATHER_SECONDS if sent else IDLE_SECONDS)
            except Exception:
                failures += 1
                logger.exception("outbox_relay_failed", outbox=self.outbox.fullname)
            await asyncio.sleep(min(IDLE_SECONDS * 2.0**failures, BACKOFF_SECONDS_MAX))

    async def send_pending(self, producer: AIOKafkaProducer) -> int:
        """Send the oldest rows and delete them; return how many.

        Dying after Kafka's acknowledgement and before the delete commits sends them again.
        """
        async with self.database.transaction() as connection:
            rows = (
                await connection.execute(
                    select(self.outbox).order_by(self.outbox.c.position).limit(ROWS_PER_SEND)
                )
            ).all()
            if not rows:
                return 0
            acknowledgements = [
                await producer.send(
                    row.topic,
                    row.payload,
                    key=row.key,
                    partition=row.partition,
                    headers=[(name, value.encode()) for name, value in row.headers.items()],
                )
                for row in rows
            ]
            await asyncio.gather(*acknowledgements)
            sent = [row.position for row in rows]
            gone = bindparam("sent", sent, type_=ARRAY(BigInteger))
            await connection.execute(
                delete(self.outbox).where(self.outbox.c.position == any_(gone))
            )
            return len(sent)
