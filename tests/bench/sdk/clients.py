"""The SDKs, each with its defaults and an event of the same content.

Imports nothing by itself: what is loaded is what is measured.
"""

import os
from collections.abc import Callable
from datetime import UTC, datetime
from importlib import import_module
from typing import NamedTuple
from uuid import uuid4

KEY = "tr_test_bench"
FLUSH_SECONDS_MAX = 20.0


class Client(NamedTuple):
    """An SDK that is ready."""

    capture: Callable[[int], object]
    """Record the event of this number, by the SDK's own call."""
    flush: Callable[[], object]
    """Wait until everything is sent."""


class Sdk(NamedTuple):
    """How to get and to read one SDK."""

    name: str
    distribution: str
    imports: str
    """The statement that a user of it begins with."""
    construct: str
    """The expression that comes next."""
    make: Callable[[str], Client]
    """Construct it for an endpoint, in the same way."""
    path: str
    """Where it sends its events."""
    batch: str | None
    """The field of a body that holds the events; None if a body is an event."""
    identity: str
    """The field of an event that its server knows it again by."""
    events_per_call: int = 1
    remark: str = ""


def _event(number: int) -> dict[str, object]:
    return {
        "agent": f"coder-{number % 5}",
        "model": "gpt-5",
        "provider": "openai",
        "purpose": "production",
        "tenant": "acme",
        "input_uncached": 1_200 + number,
        "output_text": 12,
    }


def _user(number: int) -> str:
    return f"dev-{number % 40}"


def _tallyroll(endpoint: str) -> Client:
    meter = import_module("tallyroll").Meter(endpoint, KEY)

    def capture(number: int) -> object:
        return meter.record(
            agent=f"coder-{number % 5}",
            model="gpt-5",
            provider="openai",
            purpose="production",
            tenant="acme",
            user=_user(number),
            tokens={"input_uncached": 1_200 + number, "output_text": 12},
        )

    return Client(capture, lambda: meter.flush(FLUSH_SECONDS_MAX))


def _posthog(endpoint: str) -> Client:
    client = import_module("posthog").Posthog(KEY, host=endpoint)

    def capture(number: int) -> object:
        return client.capture("llm_usage", distinct_id=_user(number), properties=_event(number))

    return Client(capture, lambda: client.flush(FLUSH_SECONDS_MAX))


def _segment(endpoint: str) -> Client:
    client = import_module("segment.analytics").Client(KEY, host=endpoint)

    def capture(number: int) -> object:
        return client.track(_user(number), "llm_usage", _event(number))

    return Client(capture, client.flush)


def _lago(endpoint: str) -> Client:
    lago = import_module("lago_agent_sdk")
    client = lago.LagoSDK(KEY, api_url=f"{endpoint}/api/v1")

    def capture(number: int) -> object:
        event = _event(number)
        usage = lago.CanonicalUsage(
            input=event.pop("input_uncached"),
            output=event.pop("output_text"),
            model=event.pop("model"),
            provider=event.pop("provider"),
        )
        subscription = event.pop("tenant")
        return client.emit(usage, subscription, {**event, "user": _user(number)})

    return Client(capture, lambda: client.flush(FLUSH_SECONDS_MAX))


def _openmeter(endpoint: str) -> Client:
    client = import_module("openmeter").Client(endpoint, token=KEY)
    event_of = import_module("openmeter.models").Event

    def capture(number: int) -> object:
        return client.events.ingest_event(
            event_of(
                id=str(uuid4()),
                source="bench",
                specversion="1.0",
                type="llm_usage",
                subject=_user(number),
                time=datetime.now(UTC),
                data=_event(number),
            )
        )

    return Client(capture, lambda: None)


SDKS = (
    Sdk(
        "tallyroll",
        "tallyroll",
        "from tallyroll import Meter",
        'Meter("http://127.0.0.1:1", "tr_test_bench")',
        _tallyroll,
        "/v1/events",
        "events",
        "event_id",
        remark="on disk before the call returns; packed on the wire",
    ),
    Sdk(
        "posthog",
        "posthog",
        "from posthog import Posthog",
        'Posthog("key", host="http://127.0.0.1:1")',
        _posthog,
        "/batch/",
        "batch",
        "uuid",
        remark="queue of 10,000 in memory, full: drops the new",
    ),
    Sdk(
        "segment",
        "segment-analytics-python",
        "from segment.analytics import Client",
        'Client("key", host="http://127.0.0.1:1")',
        _segment,
        "/v1/batch",
        "batch",
        "messageId",
        remark="queue of 10,000 in memory, full: drops the new",
    ),
    Sdk(
        "openmeter",
        "openmeter",
        "from openmeter import Client",
        'Client("http://127.0.0.1:1", token="key")',
        _openmeter,
        "/api/v1/events",
        None,
        "id",
        remark="no queue: each call is one HTTP request, which the caller waits for",
    ),
    Sdk(
        "lago",
        "lago-agent-sdk",
        "from lago_agent_sdk import LagoSDK",
        'LagoSDK("key", api_url="http://127.0.0.1:1/api/v1")',
        _lago,
        "/api/v1/events/batch",
        "events",
        "transaction_id",
        events_per_call=2,
        remark="queue of 10,000 in memory, full: drops the oldest; an event for each token type,"
        " so two for each call",
    ),
)


def named(name: str) -> Sdk:
    """Return the SDK of this name."""
    return next(sdk for sdk in SDKS if sdk.name == name)


def settle_in(folder: str) -> dict[str, str]:
    """Return the environment in which an SDK keeps what it keeps in this folder."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TALLYROLL_")}
    return {**kept, "TALLYROLL_SPOOL_DIR": folder}
