"""Kafka clients with the settings that billing needs; nobody else constructs one."""

import logging
from typing import TYPE_CHECKING, Any

from aiokafka import AIOKafkaProducer

from shared.topics import RECORD_BYTES_MAX

if TYPE_CHECKING:
    from faststream.kafka import KafkaBroker

LINGER_MILLISECONDS = 5


def create_producer(kafka_bootstrap: str, **overrides: Any) -> AIOKafkaProducer:
    """Return a producer that acknowledges only what every in-sync replica has.

    The library's defaults (acks=1, no idempotence, 1 MiB) would lose or refuse usage.
    """
    settings: dict[str, Any] = {
        "bootstrap_servers": kafka_bootstrap,
        "acks": "all",
        "enable_idempotence": True,
        "compression_type": "zstd",
        "linger_ms": LINGER_MILLISECONDS,
        "max_request_size": RECORD_BYTES_MAX,
        "max_batch_size": 1024 * 1024,
    }
    return AIOKafkaProducer(**(settings | overrides))


def create_broker(kafka_bootstrap: str, **options: Any) -> "KafkaBroker":
    """Return the FastStream broker of a service.

    That a message was received and handled is logged for debugging only; failures are as always.

    Its `ack_policy` does not reach subscribers that are declared on a `KafkaRouter`: each
    subscriber states its own.
    """
    # Who only produces does without it, and without the memory that it takes.
    from faststream.kafka import KafkaBroker  # noqa: PLC0415

    settings: dict[str, Any] = {"log_level": logging.DEBUG}
    return KafkaBroker(kafka_bootstrap, **(settings | options))
