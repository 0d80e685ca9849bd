"""How pricing subscribes."""

from collections.abc import Iterator

from faststream import AckPolicy
from faststream.kafka import KafkaBroker
from faststream.kafka.subscriber.usecase import LogicSubscriber
from pydantic import SecretStr

from services.pricing.consumers import add_consumers
from services.pricing.settings import PricingSettings
from shared.database import Database

SETTINGS = PricingSettings(
    kafka_bootstrap="127.0.0.1:1",
    secret_key=SecretStr("pepper-of-thirty-two-bytes-or-so"),
    pricing_database_url=SecretStr("postgresql://nobody:x@127.0.0.1:1/none"),
    pricing_consumer_group="a-group",
)


def faults_of(broker: KafkaBroker) -> Iterator[str]:
    """Yield what would lose or skip messages in any of a broker's subscribers."""
    for subscriber in broker.subscribers:
        assert isinstance(subscriber, LogicSubscriber)
        if subscriber.ack_policy is not AckPolicy.NACK_ON_ERROR:
            yield "acknowledges before, or in spite of, a failure"
        connection = subscriber._connection_args
        if connection.get("auto_offset_reset") != "earliest":
            yield "begins at the end of a topic"
        if connection.get("enable_auto_commit") is not False:
            yield "commits by the clock"
        if subscriber.group_id != "a-group":
            yield "has another group than the settings say"


def test_no_subscriber_can_lose_a_message() -> None:
    """Each subscriber acknowledges after its handler, from the first message on, in our group."""
    broker = KafkaBroker()
    add_consumers(broker, Database(SETTINGS.pricing_database_url.get_secret_value()), SETTINGS)

    assert 3 == len(broker.subscribers)
    assert [] == list(faults_of(broker))


def test_a_subscriber_with_the_librarys_defaults_is_found() -> None:
    """A subscriber without a stated policy acknowledges first: the check finds it."""
    broker = KafkaBroker()
    broker.subscriber("usage.aggregated")

    assert 4 == len(list(faults_of(broker)))
