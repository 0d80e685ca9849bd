"""The plain version: what one writes first, with the same guarantees per event.

FastAPI with pydantic models takes events and publishes each with FastStream; one FastStream
subscriber reads them one by one, and SQLAlchemy inserts the id and upserts the sums in one
transaction. Run as `python -m tests.bench.plain api PORT` or `worker`.
"""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from decimal import Decimal
from http import HTTPStatus
from typing import Annotated, Any
from uuid import uuid4

import uvicorn
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from fastapi import FastAPI
from faststream import FastStream
from faststream.kafka import KafkaBroker
from pydantic import AwareDatetime, BaseModel, Field
from sqlalchemy import BigInteger, Column, MetaData, Numeric, Table, Text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from deploy.local.ports import free_ports
from shared.database import asyncpg_url
from tests.bench.rig import Rig

TOPIC_VARIABLE = "TALLYROLL_BENCH_TOPIC"
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.:/@+-]{1,128}$")]
Count = Annotated[int, Field(ge=0, le=10**15)]

metadata = MetaData(schema="metering")
plain_event = Table("plain_event", metadata, Column("event_id", Text, primary_key=True))
plain_sum = Table(
    "plain_sum",
    metadata,
    *(Column(n, Text, primary_key=True) for n in ("tenant", "agent", "model", "kind", "hour")),
    Column("quantity", Numeric, nullable=False),
    Column("events", BigInteger, nullable=False),
)


class Event(BaseModel):
    """One token event."""

    event_id: Name
    tenant: Name
    agent: Name
    model: Name
    provider: Name
    occurred_at: AwareDatetime
    tokens: dict[str, Count]
    context_input_tokens: Count | None = None
    user: Name | None = None
    run_id: Name | None = None
    response_id: Name | None = None


class Batch(BaseModel):
    """The body of a request."""

    events: list[Event]


def create_app(bootstrap: str) -> FastAPI:
    """Return the plain API: it answers when every event is acknowledged."""
    broker, topic = KafkaBroker(bootstrap, acks="all", logger=None), os.environ[TOPIC_VARIABLE]

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with broker:
            await broker.start()
            yield

    app = FastAPI(lifespan=lifespan)

    @app.post("/v1/events", status_code=HTTPStatus.ACCEPTED)
    async def post_events(batch: Batch) -> dict[str, Any]:
        await asyncio.gather(
            *(broker.publish(e, topic, key=e.event_id.encode()) for e in batch.events)
        )
        return {"results": [{"event_id": e.event_id, "status": "accepted"} for e in batch.events]}

    return app


async def count_event(engine: AsyncEngine, event: Event) -> None:
    """Count one event once."""
    async with engine.begin() as connection:
        claimed = await connection.execute(
            insert(plain_event).values(event_id=event.event_id).on_conflict_do_nothing()
        )
        if not claimed.rowcount:
            return
        for kind, quantity in event.tokens.items():
            statement = insert(plain_sum).values(
                tenant=event.tenant,
                agent=event.agent,
                model=event.model,
                kind=kind,
                hour=_hour(event.occurred_at),
                quantity=Decimal(quantity),
                events=1,
            )
            await connection.execute(
                statement.on_conflict_do_update(
                    index_elements=list(plain_sum.primary_key.columns),
                    set_={
                        "quantity": plain_sum.c.quantity + statement.excluded.quantity,
                        "events": plain_sum.c.events + statement.excluded.events,
                    },
                )
            )


def _hour(instant: datetime) -> str:
    return instant.strftime("%Y-%m-%dT%H")


async def run_worker(bootstrap: str, database_url: str) -> None:
    """Count the topic, one record after the other."""
    engine = create_async_engine(asyncpg_url(database_url))
    broker, topic = KafkaBroker(bootstrap, logger=None), os.environ[TOPIC_VARIABLE]

    @broker.subscriber(topic, group_id=topic, auto_offset_reset="earliest")
    async def on_event(event: Event) -> None:
        await count_event(engine, event)

    await FastStream(broker).run()


async def create_topic(bootstrap: str) -> str:
    """Create a topic for one run; return its name."""
    topic = f"bench.plain.{uuid4().hex[:8]}"
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(name=topic, num_partitions=4, replication_factor=1)])
    await admin.close()
    return topic


@asynccontextmanager
async def api(rig: Rig) -> AsyncIterator[int]:
    """Run the plain API; yields its port."""
    (port,) = free_ports(1)
    arguments = ("tests.bench.plain", "api", str(port))
    async with rig.running(*arguments, ready=b"Uvicorn running"):
        yield port


@asynccontextmanager
async def worker(rig: Rig) -> AsyncIterator[None]:
    """Run the plain worker."""
    arguments = ("tests.bench.plain", "worker")
    async with rig.running(*arguments, ready=b"FastStream app started"):
        yield


def main(process: str, *arguments: str) -> None:
    """Run one of the two processes."""
    bootstrap = os.environ["TALLYROLL_KAFKA_BOOTSTRAP"]
    if process == "api":
        uvicorn.run(create_app(bootstrap), port=int(arguments[0]), access_log=False)
    else:
        asyncio.run(run_worker(bootstrap, os.environ["TALLYROLL_METERING_DATABASE_URL"]))


if __name__ == "__main__":
    main(*sys.argv[1:])
