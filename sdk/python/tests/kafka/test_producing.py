"""What the answers of a broker mean for a batch."""

import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from confluent_kafka import KafkaError, KafkaException

from tallyroll import DeliveryError, Meter
from tallyroll.kafka import KafkaTransport, producing

BODY = msgspec.json.encode({"events": [{"event_id": f"e-{i}"} for i in range(40)]})
SIZE = KafkaError(KafkaError.MSG_SIZE_TOO_LARGE)
RIGHT = KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED)
FATAL = KafkaError(KafkaError._FATAL, fatal=True)


class _Producer:
    """Answers records in order with these errors, then all with success."""

    def __init__(self, *errors: KafkaError | None) -> None:
        self.errors = list(errors)
        self.topic_error: KafkaError | None = None
        self.raises: KafkaError | None = None
        self.unanswered = 0
        self.closed = False
        self.asked = 0
        self.hangs = False
        self.inside, self.purged = threading.Event(), threading.Event()
        self.is_inside = False
        self._due: list[Callable[[], None]] = []

    def list_topics(self, topic: str, timeout: float) -> Any:
        assert timeout > 0
        self.asked += 1
        found = SimpleNamespace(error=self.topic_error, partitions=dict.fromkeys(range(4)))
        return SimpleNamespace(topics={topic: found})

    def produce(self, _topic: str, _value: bytes, *, on_delivery: Any, **_more: Any) -> None:
        if self.raises is not None:
            raise KafkaException(self.raises)
        error = self.errors.pop(0) if self.errors else None
        self._due.append(lambda: on_delivery(error, None))

    def flush(self, _timeout: float) -> int:
        if self.hangs:
            self.is_inside = True
            self.inside.set()
            assert self.purged.wait(20)
            self.is_inside = False
        for answer in self._due[self.unanswered :]:
            answer()
        self._due.clear()
        return self.unanswered

    def purge(self) -> None:
        self.purged.set()
        self._due.clear()

    def close(self) -> None:
        assert not self.is_inside, "librdkafka would crash"
        self.closed = True


@pytest.fixture(name="producers")
def _producers(monkeypatch: pytest.MonkeyPatch) -> list[_Producer]:
    """The producers that the transport will open, the first of them to try its settings."""
    producers = [_Producer() for _ in range(3)]
    opened = iter(producers)
    monkeypatch.setattr(producing, "open_producer", lambda _settings: next(opened))
    return producers


@pytest.fixture(name="transport")
def _transport(producers: list[_Producer]) -> KafkaTransport:
    assert producers
    return KafkaTransport("kafka:9092", vendor_id="v", mode="test", tenant="acme")


def test_one_answer_says_all(producers: list[_Producer], transport: KafkaTransport) -> None:
    """Every event has its result, once every record is acknowledged; the topic is asked once."""
    answers = [transport.send(BODY) for _ in range(2)]

    assert [202, 202] == [answer.status for answer in answers]
    results = msgspec.json.decode(answers[0].body)["results"]
    assert [(i, "accepted") for i in range(40)] == [(r["index"], r["status"]) for r in results]
    assert 1 == producers[1].asked


def test_a_record_that_is_too_large_refuses_the_batch(
    producers: list[_Producer], transport: KafkaTransport
) -> None:
    """The sender halves it; the producer stays."""
    producers[1].errors = [None, SIZE]

    assert (413, 202) == (transport.send(BODY).status, transport.send(BODY).status)
    assert not producers[1].closed


@pytest.mark.parametrize("errors", [[RIGHT], [None, None, RIGHT], [SIZE, RIGHT]])
def test_what_may_pass_holds_the_batch(
    producers: list[_Producer], transport: KafkaTransport, errors: list[KafkaError | None]
) -> None:
    """One record that is not acknowledged holds all, also beside one that is too large."""
    producers[1].errors = errors

    with pytest.raises(DeliveryError, match="kafka_topic_authorization_failed"):
        transport.send(BODY)
    assert 202 == transport.send(BODY).status
    assert 2 == producers[1].asked


def test_a_right_that_is_missing_holds_the_batch(
    producers: list[_Producer], transport: KafkaTransport
) -> None:
    """Also if the topic may not even be looked at."""
    producers[1].topic_error = RIGHT

    with pytest.raises(DeliveryError, match="kafka_topic_authorization_failed"):
        transport.send(BODY)


@pytest.mark.parametrize(
    "break_it",
    [
        lambda producer: setattr(producer, "errors", [FATAL]),
        lambda producer: setattr(producer, "raises", FATAL),
        lambda producer: setattr(producer, "unanswered", 1),
    ],
)
def test_a_broken_producer_is_replaced(
    producers: list[_Producer],
    transport: KafkaTransport,
    break_it: Callable[[_Producer], None],
) -> None:
    """The batch is held, and goes through a new producer; the old one is ended."""
    break_it(producers[1])

    with pytest.raises(DeliveryError, match="kafka_"):
        transport.send(BODY)
    assert 202 == transport.send(BODY).status
    assert (True, False) == (producers[1].closed, producers[2].closed)


def test_held_events_say_why(producers: list[_Producer], transport: KafkaTransport) -> None:
    """The counters name the broker's reason, and nothing is lost by it."""
    producers[1].errors = [RIGHT] * 3
    with Meter(transport=transport, pause=lambda _seconds: None) as meter:
        meter.record(agent="a", model="m", tokens={"output_text": 1})
        assert meter.flush()

    assert "kafka_topic_authorization_failed" == meter.stats().last_failure
    assert (1, 0, 0) == (meter.stats().accepted, meter.stats().rejected, meter.stats().lost)


def test_no_producer_ends_under_a_sender(
    producers: list[_Producer], transport: KafkaTransport
) -> None:
    """Closed amid a batch, the transport gives the batch up first, and its sender is gone."""
    producers[1].hangs = True
    sending = threading.Thread(target=transport.send, args=(BODY,))
    sending.start()
    assert producers[1].inside.wait(20)
    transport.close()
    sending.join()

    assert producers[1].closed
