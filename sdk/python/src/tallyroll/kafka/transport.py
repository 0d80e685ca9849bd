"""Batches as records of `usage.recorded`, each event answered when Kafka has it."""

import os
import re
import threading
import weakref
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from tallyroll.kafka.placing import IDENTIFIER, Envelope, place
from tallyroll.transport import Response

if TYPE_CHECKING:
    from tallyroll.kafka.producing import Writer

TOPIC = "usage.recorded"
ALIASES = {
    *("request.required.acks", "metadata.broker.list", "delivery.timeout.ms"),
    *("queue.buffering.max.ms", "transactional.id"),
}
"""Other names of what the transport sets, and what would keep its records from being read."""
_SERVER = re.compile(r"[^\s,/@]+(:[0-9]{1,5})?\Z")
_TOO_LARGE = msgspec.json.encode(
    {"code": "event_too_large", "message": "The broker takes no record of this size."}
)
_NO_EVENTS = msgspec.json.encode({"code": "invalid_json", "message": "It is no list of events."})
_writers: "weakref.WeakSet[Writer]" = weakref.WeakSet()


class KafkaTransport:
    """Writes `usage.recorded` without the HTTP API: for producers that are trusted with the broker.

        transport = KafkaTransport("kafka:9092", vendor_id="globex", mode="live")
        meter = Meter(transport=transport, spool=True)

    bootstrap   brokers to begin with, `host:port`, several with commas
    vendor_id   whose events they are; nobody checks it but you
    mode        "test" or "live", as keys of the HTTP API have it
    tenant      of events that name none; without it such an event is rejected
    producer    who writes, for the audit of corrections
    options     settings of librdkafka: `security.protocol`, `sasl.username`, `ssl.ca.location` …
    timeout     seconds that a batch may take; after it the events are held and sent again

    An event is accepted when all in-sync replicas have its record; the worker judges it later, and
    what it refuses goes to `usage.rejected`. A broker that is away, a topic that does not exist or
    a right that is missing hold the events. An event that the broker finds too large is rejected.

    ValueError for what cannot work, ImportError without `tallyroll[kafka]`. A forked child gets a
    producer of its own. `close()` it after the meter.
    """

    def __init__(
        self,
        bootstrap: str,
        *,
        vendor_id: str,
        mode: Literal["test", "live"],
        tenant: str | None = None,
        producer: str = "",
        topic: str = TOPIC,
        options: Mapping[str, Any] | None = None,
        timeout: float = 10.0,
    ) -> None:
        try:
            from tallyroll.kafka import producing  # noqa: PLC0415  only with the extra
        except ImportError as error:
            raise ImportError("KafkaTransport needs tallyroll[kafka]") from error
        _check(bootstrap, vendor_id=vendor_id, mode=mode, tenant=tenant, producer=producer)
        if timeout <= 0:
            raise ValueError("timeout must be above 0")
        self._producing, self._bootstrap = producing, bootstrap
        self._envelope = Envelope(vendor_id, mode, tenant, producer)
        self._topic, self._timeout = topic, timeout
        self._settings = _settings(bootstrap, options or {}, timeout)
        producing.open_producer(self._settings)  # raises now for what cannot work
        self._lock = threading.Lock()
        self._writer: Writer | None = None
        self._process = os.getpid()

    def __repr__(self) -> str:
        return f"KafkaTransport({self._bootstrap!r})"

    @property
    def destination(self) -> str:
        """Where the events go, for the spool."""
        return f"kafka://{self._topic}"

    @property
    def account(self) -> str:
        """Whose the events are, for the spool."""
        whose = self._envelope
        return "/".join([whose.vendor_id, whose.mode, whose.tenant or ""])

    def send(self, body: bytes) -> Response:
        """Write a batch; raise DeliveryError unless every record is acknowledged or refused."""
        writer = self._own_writer()
        try:
            placed = place(body, self._envelope, partitions=writer.partitions())
        except (msgspec.DecodeError, UnicodeDecodeError):
            return Response(400, {}, _NO_EVENTS)
        if not writer.write(placed.records):
            return Response(413, {}, _TOO_LARGE)
        return Response(202, {}, msgspec.json.encode({"results": placed.results}))

    def close(self) -> None:
        """End the producer; a later send opens a new one."""
        with self._lock:
            writer, self._writer = self._writer, None
        if writer is not None and self._process == os.getpid():
            writer.close()

    def _own_writer(self) -> "Writer":
        # Opened here and not at construction: a server that forks its workers has made the meter
        # before, and its own process need not connect.
        if self._process != os.getpid():
            self._lock, self._writer, self._process = threading.Lock(), None, os.getpid()
        with self._lock:
            broken = self._writer if self._writer is not None and self._writer.is_broken else None
            if self._writer is None or broken is not None:
                self._writer = self._producing.Writer(self._settings, self._topic, self._timeout)
                _writers.add(self._writer)
            writer = self._writer
        if broken is not None:
            broken.close()
        return writer


def _check(bootstrap: str, *, vendor_id: str, mode: str, tenant: str | None, producer: str) -> None:
    if not bootstrap or not all(_SERVER.match(server) for server in bootstrap.split(",")):
        raise ValueError("bootstrap must be host:port, several with commas and without spaces")
    if mode not in ("test", "live"):
        raise ValueError("mode must be 'test' or 'live'")
    named = {"vendor_id": vendor_id, "tenant": tenant, "producer": producer or None}
    for name, value in named.items():
        if value is not None and not IDENTIFIER.match(value):
            raise ValueError(f"{name} must be 1 to 128 of the characters A-Z a-z 0-9 _.:/@+-")


def _settings(bootstrap: str, options: Mapping[str, Any], timeout: float) -> Mapping[str, Any]:
    from tallyroll.kafka.producing import DEFAULT_SETTINGS, OWN_SETTINGS  # noqa: PLC0415  as above

    own = {
        "bootstrap.servers": bootstrap,
        "message.timeout.ms": max(1, round(timeout * 1000)),
        **OWN_SETTINGS,
    }
    replaced = (own.keys() | ALIASES) & options.keys()
    if replaced:
        raise ValueError(f"the transport sets these itself: {', '.join(sorted(replaced))}")
    return {**DEFAULT_SETTINGS, **options, **own}


def _leave_to_parent() -> None:
    for writer in list(_writers):
        writer.abandon()


if hasattr(os, "register_at_fork"):  # not on Windows, where nothing forks
    os.register_at_fork(after_in_child=_leave_to_parent)
