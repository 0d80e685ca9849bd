"""How metering subscribes."""

from faststream import AckPolicy
from faststream.kafka import KafkaBroker
from faststream.kafka.subscriber.usecase import LogicSubscriber
from pydantic import SecretStr

from services.metering.consumers import add_consumers
from services.metering.settings import MeteringSettings
from shared.clock import SystemClock
from shared.database import Database

SETTINGS = MeteringSettings(
    kafka_bootstrap="127.0.0.1:1",
    secret_key=SecretStr("pepper-of-thirty-two-bytes-or-so"),
    metering_database_url=SecretStr("postgresql://nobody:x@127.0.0.1:1/none"),
    metering_consumer_group="a-group",
)


def test_no_subscriber_can_lose_a_message() -> None:
    """Each subscriber acknowledges after its handler, from the first message on, in our group."""
    broker = KafkaBroker()
    database = Database(SETTINGS.metering_database_url.get_secret_value())
    add_consumers(broker, database, SystemClock(), SETTINGS)
    (subscriber,) = broker.subscribers

    assert isinstance(subscriber, LogicSubscriber)
    assert AckPolicy.NACK_ON_ERROR is subscriber.ack_policy
    assert "earliest" == subscriber._connection_args.get("auto_offset_reset")
    assert False is subscriber._connection_args.get("enable_auto_commit")
    assert "a-group" == subscriber.group_id
