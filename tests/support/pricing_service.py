"""A running pricing service in the test's own process, with its own database and group."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, TypeVar
from uuid import uuid4

import httpx
from aiokafka import AIOKafkaConsumer, TopicPartition
from fastapi import FastAPI
from pydantic import SecretStr

from services.pricing.app import create_app
from services.pricing.settings import PricingSettings
from shared.accounts.bootstrap import bootstrap_vendor
from shared.accounts.repository import Account
from shared.broker import create_producer
from shared.clock import FrozenClock
from shared.database import Database
from shared.events.message import Message
from shared.events.usage_aggregated import DaySealed, TenantDay, UsageAggregated, UsageRow
from shared.ids import partition_of
from shared.outbox import Outgoing
from shared.topics import USAGE_AGGREGATED, Topic
from tests.support.database import TestDatabase
from tests.support.stack import StackAddress

SECRET = "pepper-of-thirty-two-bytes-or-so"
Answer = TypeVar("Answer")

PATIENCE_SECONDS = 90.0
NOW = datetime(2023, 12, 2, tzinfo=UTC)


def pricing_settings(
    stack: StackAddress, database: TestDatabase, *, group: str, **values: Any
) -> PricingSettings:
    """Return settings for one test's service."""
    return PricingSettings(
        kafka_bootstrap=stack.kafka_bootstrap,
        secret_key=SecretStr(SECRET),
        pricing_database_url=SecretStr(database.urls["pricing"]),
        pricing_consumer_group=group,
        **values,
    )


@asynccontextmanager
async def running(settings: PricingSettings) -> AsyncIterator[httpx.AsyncClient]:
    """Start the service with its consumers and relay; yield a client of its API."""
    app = create_app(settings, FrozenClock(NOW))
    async with app.router.lifespan_context(app), client_of(app) as client:
        yield client


@asynccontextmanager
async def client_of(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://pricing") as client:
        yield client


async def vendor_key(database: TestDatabase, vendor_id: str) -> dict[str, str]:
    """Create a vendor and return the headers that its first key is sent in."""
    opened = Database(database.urls["accounts"], connections=1)
    key = await bootstrap_vendor(
        opened,
        Account(vendor_id, "test"),
        name=vendor_id,
        pepper=SECRET.encode(),
        clock=FrozenClock(NOW),
    )
    await opened.close()
    return {"Authorization": f"Bearer {key}"}


async def start_at_the_end(bootstrap: str, group: str, topic: Topic = USAGE_AGGREGATED) -> None:
    """Let a new consumer group begin behind what other tests have sent."""
    partitions = [TopicPartition(topic.name, p) for p in range(topic.partitions)]
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap, group_id=group, enable_auto_commit=False
    )
    await consumer.start()
    consumer.assign(partitions)
    await consumer.commit(await consumer.end_offsets(partitions))
    await consumer.stop()


def fresh_vendor() -> str:
    return f"v-{uuid4().hex[:12]}"


async def eventually(
    read: Callable[[], Awaitable[Answer]], good: Callable[[Answer], bool]
) -> Answer:
    """Read until the answer is good; fail with the last one when patience ends."""
    answer = await read()
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not good(answer):
                await asyncio.sleep(0.05)
                answer = await read()
    except TimeoutError as error:
        raise AssertionError(f"still {answer!r}") from error
    return answer


@dataclass
class Metering:
    """What metering's publisher would send for one vendor; every message as often as told."""

    bootstrap: str
    vendor_id: str
    copies: int = 1
    version: int = 0
    first_day: date | None = None

    def usage(self, tenant_id: str, rows: list[UsageRow]) -> UsageAggregated:
        self.version += 1
        return UsageAggregated(
            vendor_id=self.vendor_id,
            mode="test",
            tenant_id=tenant_id,
            version=self.version,
            watermark=NOW,
            rows=rows,
            user_rows=[],
        )

    def seals(
        self, day: date, tenants: list[TenantDay], recount: str = "off"
    ) -> list[tuple[int, DaySealed]]:
        """Return a day's seal for every partition, in parts of one tenant each."""
        self.version += 1
        self.first_day = self.first_day or day
        made = []
        for partition in range(USAGE_AGGREGATED.partitions):
            own = [t for t in tenants if self.partition(t.tenant_id) == partition]
            parts = [[tenant] for tenant in own] or [[]]
            for number, part in enumerate(parts, start=1):
                sealed = DaySealed.model_validate(
                    {
                        "vendor_id": self.vendor_id,
                        "mode": "test",
                        "day": day,
                        "first_day": self.first_day,
                        "version": self.version,
                        "part": number,
                        "parts": len(parts),
                        "recount": recount,
                        "offsets": {0: 1},
                        "tenants": part,
                    }
                )
                made.append((partition, sealed))
        return made

    def partition(self, tenant_id: str) -> int:
        return partition_of(USAGE_AGGREGATED.partitions, self.vendor_id, tenant_id)

    async def send(self, messages: Sequence[tuple[int, Message]]) -> None:
        async with create_producer(self.bootstrap) as producer:
            for partition, message in messages:
                row = Outgoing(message, partition).row()
                headers: Any = row["headers"]
                for _ in range(self.copies):
                    await producer.send(
                        row["topic"],
                        row["payload"],
                        key=row["key"],
                        partition=partition,
                        headers=[(name, value.encode()) for name, value in headers.items()],
                    )
