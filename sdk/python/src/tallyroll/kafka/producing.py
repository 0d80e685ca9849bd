"""One process's producer: librdkafka, idempotent, every record acknowledged by all replicas."""

import ctypes
import threading
from collections.abc import Mapping, Sequence
from logging import getLogger
from typing import Any

import confluent_kafka

from tallyroll.kafka.placing import RECORD_BYTES_MAX, Record
from tallyroll.transport import DeliveryError

HEADERS: list[tuple[str, str | bytes | None]] = [("content-type", b"application/json")]
RECONNECT_MILLISECONDS_MAX = 2_000
END_SECONDS_MAX = 5.0
"""How long after its time-out librdkafka may take to say that a record is not acknowledged."""
OVERHEAD_BYTES = 64 * 1024
OWN_SETTINGS: Mapping[str, Any] = {
    "acks": "all",
    "enable.idempotence": True,
    "allow.auto.create.topics": False,
    "message.max.bytes": RECORD_BYTES_MAX + OVERHEAD_BYTES,  # the broker's own limit decides
    "batch.num.messages": 1,  # one record, one answer: a refused one takes no others with it
    "linger.ms": 0,
}
"""What the guarantees stand on; no option of the user's replaces one."""
DEFAULT_SETTINGS: Mapping[str, Any] = {
    "client.id": "tallyroll",
    "compression.type": "zstd",
    "reconnect.backoff.max.ms": RECONNECT_MILLISECONDS_MAX,
    "log_level": 0,  # a broker that is away is told by the meter, once, not every 100 ms
}

Settings = Mapping[str, Any]


def open_producer(settings: Settings) -> confluent_kafka.Producer:
    """Return a producer, which connects later. ValueError for settings that cannot work."""
    try:
        return confluent_kafka.Producer(dict(settings), logger=getLogger("tallyroll.kafka"))
    except (confluent_kafka.KafkaException, TypeError) as error:
        reason = error.args[0]
        text = reason.str() if isinstance(reason, confluent_kafka.KafkaError) else str(reason)
        raise ValueError(f"Kafka options that cannot work: {text}") from None


class Writer:
    """Writes records and waits for them; after any failure it asks for the partitions anew.

    Not for two threads at once, and not beyond a fork: see `abandon()`.
    """

    def __init__(self, settings: Settings, topic: str, timeout: float) -> None:
        self._topic, self._timeout = topic, timeout
        self._producer = open_producer(settings)
        self._partitions = 0
        self._in_use = threading.Lock()
        self.is_broken = False
        """Nothing more can come of it: a writer of its settings has to take its place."""

    def partitions(self) -> int:
        """Return how many the topic has. DeliveryError if that cannot be known now."""
        if not self._partitions:
            with self._in_use:
                self._partitions = self._count_partitions()
        return self._partitions

    def _count_partitions(self) -> int:
        try:
            found = self._producer.list_topics(self._topic, timeout=self._timeout)
        except confluent_kafka.KafkaException as error:
            raise _failure(error.args[0]) from error
        topic = found.topics[self._topic]
        if topic.error is not None:
            raise _failure(topic.error)
        return len(topic.partitions)

    def write(self, records: Sequence[Record]) -> bool:
        """Write all; True when every one is acknowledged, False if the broker finds one too large.

        DeliveryError if any is not known to be acknowledged; the others may be.
        """
        errors: list[confluent_kafka.KafkaError] = []

        def note(error: confluent_kafka.KafkaError | None, _message: object) -> None:
            if error is not None:
                errors.append(error)

        try:
            with self._in_use:
                for partition, value in records:
                    self._producer.produce(
                        self._topic, value, partition=partition, headers=HEADERS, on_delivery=note
                    )
                unknown = self._producer.flush(self._timeout + END_SECONDS_MAX)
        except confluent_kafka.KafkaException as error:
            self._fail(broken=True)  # what was produced before is still on its way
            raise _failure(error.args[0]) from error
        if unknown:
            self._fail(broken=True)
            raise DeliveryError("kafka_no_answer")
        return self._judge(errors)

    def _judge(self, errors: Sequence[confluent_kafka.KafkaError]) -> bool:
        too_large = confluent_kafka.KafkaError.MSG_SIZE_TOO_LARGE
        for error in errors:
            if error.code() != too_large:
                self._fail(broken=error.fatal() or error.code() == error._FATAL)  # noqa: SLF001
                raise _failure(error)
        return not errors

    def _fail(self, *, broken: bool) -> None:
        self._partitions = 0
        self.is_broken = self.is_broken or broken

    def close(self) -> None:
        """End; what is not acknowledged by now is given up, and its sender told so.

        A sender that is amid a question to the broker is waited for, `timeout` at most.
        """
        self._producer.purge()  # closing would wait for it, minutes if the broker is away
        # Ended while another thread is inside, the producer would take the process with it.
        if self._in_use.acquire(timeout=self._timeout + END_SECONDS_MAX):
            self._producer.close()

    def abandon(self) -> None:
        """Let go, in a forked child, of what belongs to the parent.

        The producer's threads are the parent's. Its destructor would wait for them, so it never
        runs here.
        """
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(self._producer))


def _failure(error: confluent_kafka.KafkaError) -> DeliveryError:
    return DeliveryError(f"kafka_{error.name().strip('_').lower()}")
