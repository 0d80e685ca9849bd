"""A broker in this process (librdkafka's own), and what was written to it."""

from collections.abc import Callable
from typing import Any, NamedTuple
from uuid import uuid4

import confluent_kafka
import msgspec
import pytest

PARTITIONS = 4
SECONDS_MAX = 20.0


class Written(NamedTuple):
    """One record of the topic."""

    partition: int
    headers: dict[str, str | bytes | None]
    value: dict[str, Any]

    @property
    def ids(self) -> list[str]:
        return [event["event_id"] for event in self.value["events"]]


class Broker:
    """A broker on loopback. Topics come into being when a test asks for them."""

    def __init__(self) -> None:
        self._cluster = confluent_kafka.Producer(
            {"bootstrap.servers": "none", "test.mock.num.brokers": 1, "log_level": 0}
        )
        (broker,) = self._cluster.list_topics(timeout=SECONDS_MAX).brokers.values()
        self.bootstrap = f"{broker.host}:{broker.port}"

    def create(self, topic: str) -> str:
        """Have a topic of four partitions."""
        creating = confluent_kafka.Producer({"bootstrap.servers": self.bootstrap})
        found = creating.list_topics(topic, timeout=SECONDS_MAX).topics[topic]
        while found.error is not None:
            found = creating.list_topics(topic, timeout=SECONDS_MAX).topics[topic]
        assert PARTITIONS == len(found.partitions)
        return topic

    def read(self, topic: str) -> list[Written]:
        """Return all records of the topic."""
        consumer = confluent_kafka.Consumer(
            {
                "bootstrap.servers": self.bootstrap,
                "group.id": uuid4().hex,
                "enable.auto.commit": False,
                "enable.partition.eof": True,
            }
        )
        consumer.assign([confluent_kafka.TopicPartition(topic, p, 0) for p in range(PARTITIONS)])
        records, ended = [], 0
        while ended < PARTITIONS:
            message = consumer.poll(SECONDS_MAX)
            assert message is not None
            error, value, partition = message.error(), message.value(), message.partition()
            if error is not None:
                assert confluent_kafka.KafkaError._PARTITION_EOF == error.code()
                ended += 1
                continue
            assert value is not None
            assert partition is not None
            headers = dict(message.headers() or ())
            records.append(Written(partition, headers, msgspec.json.decode(value)))
        consumer.close()
        return records


@pytest.fixture(scope="session", name="broker")
def _broker() -> Broker:
    return Broker()


@pytest.fixture(name="topic")
def _topic(broker: Broker) -> str:
    return broker.create(f"usage.{uuid4().hex[:8]}")


@pytest.fixture(name="read")
def _read(broker: Broker, topic: str) -> Callable[[], list[Written]]:
    """Return the records that are in the topic at the time of the call."""
    return lambda: broker.read(topic)
