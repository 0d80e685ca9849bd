"""The transport on a broker that lives in this process."""

import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tallyroll import DeliveryError, Meter, Spool
from tallyroll.kafka import KafkaTransport
from tallyroll.kafka.placing import partition_of

from .conftest import PARTITIONS, Broker, Written

SOURCE = str(Path(__file__).parents[2] / "src")
NOWHERE = "127.0.0.1:1"
POLL_SECONDS = 0.01
FORK = """
import os, sys
sys.path.insert(0, {source!r})
from tallyroll import Meter
from tallyroll.kafka import KafkaTransport, producing, transport as module
class Watched(producing.confluent_kafka.Producer):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.process = os.getpid()
    def __del__(self):
        if self.process != os.getpid():
            os.write(1, b"a child waits for its parent's threads")
producing.confluent_kafka.Producer = Watched
{broken}
transport = KafkaTransport({bootstrap!r}, vendor_id="v", mode="test", tenant="a", topic={topic!r})
meter = Meter(transport=transport, spool=False)
def record(agent, count):
    for _ in range(count):
        meter.record(agent=agent, model="m", provider="p", tokens={{"output_text": 1}})
record("before", 50)
assert meter.flush()
for child in range(4):
    if os.fork() == 0:
        record(f"child-{{child}}", 100)
        assert meter.close()
        transport.close()
        sys.exit(0)
    record("parent", 100)
assert meter.flush()
codes = {{os.waitstatus_to_exitcode(os.wait()[1]) for _ in range(4)}}
assert meter.close()
transport.close()
sys.exit(0 if codes == {{0}} else 1)
"""
WITHOUT_THE_EXTRA = """
sys.modules["confluent_kafka"] = None
from tallyroll.kafka import KafkaTransport
try:
    KafkaTransport("kafka:9092", vendor_id="v", mode="test")
except ImportError as error:
    print(error)
"""
NAIVE = "module._writers.add = lambda writer: None"
"""Leaves the parent's producer to its destructor."""


@pytest.fixture(name="transport")
def _transport(broker: Broker, topic: str) -> Any:
    transport = KafkaTransport(
        broker.bootstrap, vendor_id="v", mode="test", tenant="acme", producer="gw", topic=topic
    )
    yield transport
    transport.close()


def _record(meter: Meter, count: int) -> list[str]:
    return [
        meter.record(agent="a", model="m", provider="p", tokens={"output_text": 1})
        for _ in range(count)
    ]


def test_events_go_where_the_worker_looks_for_them(
    transport: KafkaTransport, read: Callable[[], list[Written]]
) -> None:
    """Each event once, in the partition of its id, under the header of JSON records."""
    with Meter(transport=transport) as meter:
        ids = _record(meter, 500)
    records = read()

    assert sorted(ids) == sorted(i for record in records for i in record.ids)
    assert all({"content-type": b"application/json"} == record.headers for record in records)
    assert all(
        partition_of(PARTITIONS, "v", "acme", i) == r.partition for r in records for i in r.ids
    )
    assert 500 == meter.stats().accepted


def test_a_meter_rejects_what_has_no_tenant(
    broker: Broker, topic: str, read: Callable[[], list[Written]]
) -> None:
    """Under a vendor an event names its tenant; the others of the batch go."""
    transport = KafkaTransport(broker.bootstrap, vendor_id="v", mode="test", topic=topic)
    with Meter(transport=transport) as meter:
        (bad,) = _record(meter, 1)
        with meter.context(tenant="acme"):
            good = _record(meter, 9)
    transport.close()

    assert [(bad, "missing_field", "tenant")] == [
        (r.event_id, r.code, r.field) for r in meter.rejected
    ]
    assert sorted(good) == sorted(i for record in read() for i in record.ids)


def test_a_topic_that_is_not_there_holds_the_events(broker: Broker) -> None:
    """Nothing is rejected or lost, the reason has a name, and all go once it is there."""
    transport = KafkaTransport(
        broker.bootstrap, vendor_id="v", mode="test", tenant="acme", topic="later"
    )

    def create(_seconds: float) -> None:
        broker.create("later")

    with Meter(transport=transport, pause=create) as meter:
        ids = _record(meter, 10)
        assert meter.flush()
    transport.close()

    assert "kafka_unknown_topic_or_part" == meter.stats().last_failure
    assert (10, 0, 0) == (meter.stats().accepted, meter.stats().rejected, meter.stats().lost)
    assert sorted(ids) == sorted(i for record in broker.read("later") for i in record.ids)


def test_a_broker_that_is_away_leaves_events_in_the_spool(tmp_path: Path, broker: Broker) -> None:
    """The next process of the same vendor, mode and tenant sends them, once."""
    spool = Spool(directory=tmp_path)
    named: dict[str, Any] = {"vendor_id": "v", "mode": "test", "tenant": "acme"}
    away = KafkaTransport(NOWHERE, **named, topic=broker.create("spooled"), timeout=0.2)
    meter = Meter(transport=away, spool=spool)
    ids = _record(meter, 20)
    assert not meter.close(0.5)
    away.close()
    back = KafkaTransport(broker.bootstrap, **named, topic="spooled")
    with Meter(transport=back, spool=spool) as meter:
        while not meter.stats().recovered:  # taken over by a thread
            time.sleep(POLL_SECONDS)
        ids += _record(meter, 1)
        assert meter.flush()
    back.close()

    assert (20, 21) == (meter.stats().recovered, meter.stats().accepted)
    assert set(ids) == set(Counter(i for record in broker.read("spooled") for i in record.ids))


def test_accounts_do_not_share_a_spool() -> None:
    """Test usage never goes out as live, nor one tenant's as another's, whatever is named."""
    named = [("v", "test", "a"), ("v", "live", "a"), ("v", "live", "b"), ("w", "live", "b")]
    transports = [KafkaTransport(NOWHERE, vendor_id=v, mode=m, tenant=t) for v, m, t in named]  # type: ignore[arg-type]

    assert 4 == len({transport.account for transport in transports})
    assert {"kafka://usage.recorded"} == {transport.destination for transport in transports}


def test_no_answer_is_no_acceptance(transport: KafkaTransport) -> None:
    """A record whose acknowledgement is not known raises, so that the sender sends it again."""
    body = msgspec.json.encode({"events": [{"event_id": "e-1"}]})
    assert 202 == transport.send(body).status
    away = KafkaTransport(NOWHERE, vendor_id="v", mode="test", tenant="acme", timeout=0.1)

    with pytest.raises(DeliveryError, match="kafka_"):
        away.send(body)
    away.close()


@pytest.mark.parametrize(
    "changes",
    [
        {"bootstrap": ""},
        {"bootstrap": "http://kafka:9092"},
        {"bootstrap": "kafka:9092, other:9092"},
        {"vendor_id": ""},
        {"vendor_id": "no spaces"},
        {"mode": "production"},
        {"tenant": "a\n"},
        {"producer": "é"},
        {"timeout": 0},
        {"options": {"acks": 1}},
        {"options": {"request.required.acks": 1}},
        {"options": {"enable.idempotence": False}},
        {"options": {"transactional.id": "t"}},
        {"options": {"max.in.flight": 100}},
        {"options": {"nonsense": 1}},
        {"options": {"security.protocol": "plain"}},
        {"options": {"security.protocol": "SASL_SSL", "sasl.mechanism": "PLAIN"}},
    ],
)
def test_what_cannot_work_is_refused_at_construction(changes: dict[str, Any]) -> None:
    """Nobody finds out by events that wait for ever."""
    given = {"bootstrap": NOWHERE, "vendor_id": "v", "mode": "test"} | changes

    with pytest.raises(ValueError):  # noqa: PT011  the texts are librdkafka's
        KafkaTransport(given.pop("bootstrap"), **given)


def _run_forks(broker: Broker, topic: str, broken: str = "") -> tuple[int, bytes]:
    program = FORK.format(source=SOURCE, bootstrap=broker.bootstrap, topic=topic, broken=broken)
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, check=False, timeout=60, capture_output=True)
    return done.returncode, done.stdout


def test_forked_children_have_producers_of_their_own(
    broker: Broker, topic: str, read: Callable[[], list[Written]]
) -> None:
    """All events of parent and children arrive once; nobody waits for the parent's threads."""
    done = _run_forks(broker, topic)
    records = read()
    found = Counter(event["agent"] for record in records for event in record.value["events"])
    ids = [event_id for record in records for event_id in record.ids]

    assert (0, b"") == done
    assert {"before": 50, "parent": 400, **{f"child-{i}": 100 for i in range(4)}} == found
    assert len(set(ids)) == len(ids)


def test_a_child_that_ends_its_parents_producer_is_caught(broker: Broker, topic: str) -> None:
    """The check above fails for a transport that leaves the parent's producer to its destructor."""
    _, told = _run_forks(broker, topic, NAIVE)

    assert told.startswith(b"a child waits for its parent's threads")


@pytest.mark.parametrize(
    ("program", "expected"),
    [
        ("import tallyroll\nprint('tallyroll.kafka' in sys.modules)", "False"),
        (
            WITHOUT_THE_EXTRA,
            "KafkaTransport needs tallyroll[kafka]",
        ),
    ],
)
def test_the_extra_is_for_those_who_ask_for_it(program: str, expected: str) -> None:
    """Importing the SDK imports no Kafka; without the extra the transport says what is missing."""
    command = [sys.executable, "-c", f"import sys\nsys.path.insert(0, {SOURCE!r})\n{program}"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)

    assert expected == done.stdout.strip()
