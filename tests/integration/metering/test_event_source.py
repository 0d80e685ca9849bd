"""Raw events read back from Kafka: what counted, each once, below the offsets asked for."""

from collections.abc import AsyncIterator
from datetime import date, timedelta
from uuid import uuid4

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from services.metering.event_source import EventSelection, HistoricEvents
from services.metering.ingest.envelope import HEADERS
from shared.accounts.repository import Account
from shared.broker import create_producer
from shared.topics import Topic
from tests.integration.metering.conftest import NOON, Ledger, make_event
from tests.support.stack import StackAddress

PARTITIONS = 4


@pytest.fixture(name="topic")
async def _topic(stack: StackAddress) -> AsyncIterator[Topic]:
    topic = Topic(f"usage.recorded.{uuid4().hex[:8]}", PARTITIONS, 14, "of one test")
    admin = AIOKafkaAdminClient(bootstrap_servers=stack.kafka_bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(topic.name, PARTITIONS, 1)])
    yield topic
    await admin.delete_topics([topic.name])
    await admin.close()


async def _append(ledger: Ledger, topic: Topic, stack: StackAddress) -> None:
    """Write the log of a ledger to the topic, at the same offsets."""
    producer = create_producer(stack.kafka_bootstrap, linger_ms=0)
    await producer.start()
    for (partition, offset), value in sorted(ledger.log.items()):
        sent = await producer.send_and_wait(topic.name, value, partition=partition, headers=HEADERS)
        assert offset == sent.offset
    await producer.stop()


async def test_what_counted_is_read_back(ledger: Ledger, topic: Topic, stack: StackAddress) -> None:
    """Duplicates, replaced revisions, voids, conflicts, foreign records and later ones are out."""
    ledger.offsets = dict.fromkeys(range(PARTITIONS), 0)
    await ledger.query("update metering.consumer_offset set next_offset = 0")
    stranger = Ledger(ledger.database, offsets=ledger.offsets, log=ledger.log)
    await ledger.count(make_event("1"), make_event("2"), make_event("3", tenant_id="globex"))
    stranger.offsets = ledger.offsets
    await stranger.count(make_event("1", agent="stranger"))
    ledger.offsets = stranger.offsets
    await ledger.count(make_event("1"), make_event("4", occurred_at=NOON + timedelta(days=1)))
    await ledger.count(make_event("2", revision=1, agent="second"))
    await ledger.count(make_event("1", agent="conflicting"))
    before = dict(ledger.offsets)
    await ledger.count(make_event("5"))
    await _append(ledger, topic, stack)
    source = HistoricEvents(ledger.database, stack.kafka_bootstrap, topic=topic)
    account = Account(ledger.vendor_id, "live")

    everything = await source.events(EventSelection(account, None, None, None, before))
    january = await source.events(
        EventSelection(account, "acme", date(2026, 1, 31), date(2026, 2, 1), before)
    )

    assert {("1", "coder"), ("2", "second"), ("3", "coder"), ("4", "coder")} == set(
        everything.select("event_id", "agent").rows()
    )
    assert {"1", "2"} == set(january["event_id"])
