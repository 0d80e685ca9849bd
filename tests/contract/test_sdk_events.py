"""What the SDK makes up by itself is what the server takes."""

from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from services.metering.domain import event as server
from services.metering.domain.judge import Rules, judge
from shared.ids import canonical_event_id, partition_of
from tallyroll import Meter
from tallyroll.context import baggage
from tallyroll.kafka import placing
from tallyroll.testing import CapturingTransport

NOW = datetime(2026, 1, 2, tzinfo=UTC)
RULES = Rules(
    now=NOW,
    bound_tenant=None,
    known_tenants=frozenset({"acme"}),
    backfill=False,
    corrections=True,
)


def test_an_outcome_without_usage_is_taken() -> None:
    """To the server it is an event that counts something, with a run and a parent."""
    transport = CapturingTransport()
    with (
        Meter(transport=transport, strict=True, now=lambda: NOW, spool=False) as meter,
        meter.context(tenant="acme", run="r-1", tags={"k": "v"}),
    ):
        meter.agent("planner")(lambda: meter.outcome("resolved", value="2.50", source="crm"))()

    (sent,) = transport.events
    judged = judge(msgspec.json.encode(sent), RULES)
    assert judged.fault is None
    assert judged.event is not None
    assert ("planner", "r-1") == (judged.event.agent, judged.event.parent_run_id)
    assert {"outcomes": "0"} == judged.event.units


@pytest.mark.parametrize("field", ["agent", "run_id", "user", "purpose"])
@pytest.mark.parametrize(
    "text", ["a" * 128, "a" * 129, "a b", "é", "A_.:/@+-9", "explore", "fun", "a\n"]
)
def test_baggage_is_read_as_the_server_would(field: str, text: str) -> None:
    """An entry that is read never makes an event a refused one, and none that is good is lost."""
    transport = CapturingTransport()
    with Meter(transport=transport, strict=True, now=lambda: NOW, spool=False) as meter:
        fields = {"agent": "a", "tenant": "acme", "provider": "p", "units": {"u": 1}}
        meter.record(**fields | {"model": "m", field: text})  # type: ignore[arg-type]

    (sent,) = transport.events
    header = {"": ""}
    assert baggage.put(header, {field: text, "run_id": text if field == "run_id" else "r"})
    taken = judge(msgspec.json.encode(sent), RULES).fault is None
    assert taken == (baggage.read(header["baggage"]).get(field) == text)


def test_baggage_has_the_servers_bounds() -> None:
    """Number and length of tags are the server's."""
    assert server.TAGS_MAX == baggage.TAGS_MAX
    assert server.TAG_VALUE_CHARACTERS_MAX == baggage.TAG_CHARACTERS_MAX


_names = st.from_regex(placing.IDENTIFIER, fullmatch=True) | st.uuids().map(str)


@given(st.integers(1, 64), _names, _names, _names | st.uuids().map(lambda u: str(u).upper()))
@example(4, "v", "acme", "018F3A6E-0000-7000-8000-0000000000AB")
@example(4, "v", "acme", "018F3A6E000070008000-0000000000AB")
def test_the_sdk_places_events_where_the_server_does(
    partitions: int, vendor_id: str, tenant: str, event_id: str
) -> None:
    """An event that comes over Kafka and over HTTP is in one partition, and so counts once."""
    expected = partition_of(partitions, vendor_id, tenant, canonical_event_id(event_id))

    assert expected == placing.partition_of(partitions, vendor_id, tenant, event_id)
