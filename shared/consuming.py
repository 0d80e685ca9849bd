"""Records in: one message into one transaction of one handler, and nothing blocks a partition.

For subscribers with `AckPolicy.NACK_ON_ERROR`: a handler that fails raises, and its message comes
again; what can never be read or stored is handed to `leave`, and acknowledged.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import structlog
from faststream.kafka.annotations import KafkaMessage
from pydantic import ValidationError
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.database import Database
from shared.events.message import Message

logger = structlog.get_logger()

RETRY_SECONDS = 1.0
"""Pause before a message is delivered again, so that an outage is no busy loop."""

DATA_EXCEPTION = "22"
"""Class of the SQLSTATEs that say: this value cannot be stored, however often it is tried."""

Received = TypeVar("Received", bound=Message)
Handle = Callable[[AsyncConnection, Received], Awaitable[None]]
Leave = Callable[[KafkaMessage, str], Awaitable[None]]
"""Takes a message that cannot be handled, and the code that says why."""


@dataclass(frozen=True)
class Origin:
    """Where a record lies."""

    topic: str
    partition: int
    offset: int


def origin_of(message: KafkaMessage) -> Origin:
    """Return where the record of a message lies."""
    record = message.raw_message
    assert not isinstance(record, tuple), "records are consumed one by one"
    return Origin(record.topic, record.partition, record.offset)


async def bytes_of(message: Any) -> Any:
    """Return a message's body as it came: the decoder of every subscriber.

    The delivery decodes itself: what FastStream could not decode would come for ever.
    """
    return message.body


class Delivery:
    """Takes one message into one transaction of one handler."""

    def __init__(self, database: Database, leave: Leave) -> None:
        self._database = database
        self._leave = leave

    async def __call__(
        self, message: KafkaMessage, model: type[Received], handle: Handle[Received]
    ) -> None:
        """Handle a message; raises what its handler raises, after a pause."""
        leave = partial(self._leave, message)
        await deliver_body(self._database, message.body or b"", model, handle, leave)


async def deliver_body(
    database: Database,
    body: bytes,
    model: type[Received],
    handle: Handle[Received],
    leave: Callable[[str], Awaitable[None]],
) -> None:
    """Do what a `Delivery` does with the body of a record; `leave` gets the code if it is left."""
    try:
        received = model.model_validate_json(body)
    except ValidationError:
        await leave("invalid_message")
        return
    try:
        async with database.transaction() as connection:
            await handle(connection, received)
    except Exception as error:
        if _cannot_be_stored(error):
            await leave("unstorable_value")
            return
        logger.exception("message_failed", type=model.__name__)
        await asyncio.sleep(RETRY_SECONDS)
        raise


def _cannot_be_stored(error: Exception) -> bool:
    state = getattr(error.orig, "sqlstate", None) if isinstance(error, DBAPIError) else None
    return str(state or "").startswith(DATA_EXCEPTION)
