"""The topics: names, partitions, retention. `tallyrollctl migrate` creates them.

No topic is compacted. `usage.recorded` is kept for 14 days (the archive keeps events for ever), the
others for 30.
"""

from dataclasses import dataclass

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import TopicAlreadyExistsError, for_code

DAY_MILLISECONDS = 86_400_000
RECORD_BYTES_MAX = 16 * 1024 * 1024
"""Largest record: below the broker's and the fetch limits, as a larger one is skipped."""


@dataclass(frozen=True)
class Topic:
    """A topic; records are ordered within a partition only."""

    name: str
    partitions: int
    retention_days: int
    description: str


USAGE_RECORDED = Topic("usage.recorded", 4, 14, "envelopes of token events")
USAGE_REJECTED = Topic("usage.rejected", 4, 30, "events that were refused after acceptance")
USAGE_AGGREGATED = Topic("usage.aggregated", 4, 30, "cumulative daily usage, and seals behind it")
RUNS_AGGREGATED = Topic("runs.aggregated", 4, 30, "what runs used, and what came of them")
STATEMENT_RATED = Topic("statement.rated", 4, 30, "rated statements with exact amounts")
INVOICE_CHANGED = Topic("invoice.changed", 4, 30, "what became of an invoice")
SPEND_CROSSED = Topic("spend.crossed", 4, 30, "bounds that a tenant's spend or credit crossed")
METER_WANTED = Topic("meter.wanted", 4, 30, "values of meters that pricing asks for")

TOPICS = (
    *(USAGE_RECORDED, USAGE_REJECTED, USAGE_AGGREGATED, RUNS_AGGREGATED),
    *(METER_WANTED, STATEMENT_RATED, SPEND_CROSSED, INVOICE_CHANGED),
)


async def create_topics(kafka_bootstrap: str, *, replication: int = 1) -> None:
    """Create the topics that are missing; those that exist are left as they are."""
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_bootstrap)
    await admin.start()
    try:
        response = await admin.create_topics([_new_topic(topic, replication) for topic in TOPICS])
        for name, code, *_ in response.topic_errors:
            error = for_code(code)
            if code and error is not TopicAlreadyExistsError:
                raise error(name)
    finally:
        await admin.close()


def _new_topic(topic: Topic, replication: int) -> NewTopic:
    return NewTopic(
        name=topic.name,
        num_partitions=topic.partitions,
        replication_factor=replication,
        topic_configs={
            "cleanup.policy": "delete",
            "retention.ms": str(topic.retention_days * DAY_MILLISECONDS),
            "max.message.bytes": str(RECORD_BYTES_MAX),
        },
    )
