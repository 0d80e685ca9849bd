"""The meter as user code sees it."""

import asyncio
import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, cast

import msgspec
import pytest

from tallyroll import InvalidEventError, Meter, Response, Stats, Transport
from tallyroll.testing import CapturingTransport, accept_all

THREADS, EVENTS_PER_THREAD = 8, 2_000


class Gate:
    """A transport that answers only when opened."""

    def __init__(self) -> None:
        self.opened = threading.Event()
        self.reached = threading.Event()

    def send(self, body: bytes) -> Response:
        self.reached.set()
        self.opened.wait(30)
        return accept_all(body)


@pytest.fixture(name="transport")
def _transport() -> CapturingTransport:
    return CapturingTransport()


@pytest.fixture(name="capturing")
def _capturing(transport: CapturingTransport, meter_on: Callable[[Transport], Meter]) -> Meter:
    return meter_on(transport)


def _badly(meter: Meter, **fields: Any) -> str:
    return meter.record(**fields)


def test_record_returns_the_id_that_travels(
    capturing: Meter, transport: CapturingTransport
) -> None:
    """The id of `record()` is the event's on the wire; a caller's own is kept."""
    minted = capturing.record(agent="a", model="m")
    own = capturing.record(agent="b", model="m", event_id="order-7")

    assert capturing.flush()
    assert minted == transport.assert_one(agent="a")["event_id"]
    assert "order-7" == own == transport.assert_one(agent="b")["event_id"]


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({}, "missing_field"),
        ({"agent": "a", "model": "m", "tokens": {"output_text": 1.5}}, "invalid_count"),
        ({"agent": "a", "model": "m", "occurred_at": datetime(2026, 1, 1)}, "naive_datetime"),  # noqa: DTZ001
        ({"agent": "a", "model": "m", "event_id": ""}, "invalid_event_id"),
        ({"agent": "a", "model": "m", "no_such": 1}, "unknown_field"),
        (
            {
                "agent": "a",
                "model": "m",
                "tokens": cast("Any", type("Odd", (dict,), {"items": lambda _self: 1 // 0})()),
            },
            "capture_failed",
        ),
    ],
)
def test_a_malformed_event_never_raises(
    capturing: Meter, transport: CapturingTransport, fields: dict[str, Any], code: str
) -> None:
    """User code gets an id back; the event is counted as rejected, with the reason."""
    event_id = _badly(capturing, **fields)

    assert capturing.flush()
    assert [(event_id, code)] == [(r.event_id, r.code) for r in capturing.rejected]
    assert Stats(recorded=1, rejected=1) == capturing.stats()
    assert [] == transport.bodies


def test_a_strict_meter_raises() -> None:
    """In development a malformed event is a ValueError that names every fault."""
    with (
        Meter(transport=CapturingTransport(), strict=True) as meter,
        pytest.raises(InvalidEventError, match="model: is required") as caught,
    ):
        _badly(meter, agent=1)

    assert isinstance(caught.value, ValueError)
    assert 2 == len(caught.value.faults)


def test_trouble_is_logged_once_per_kind(
    capturing: Meter, caplog: pytest.LogCaptureFixture
) -> None:
    """A thousand equal mistakes make one line, and no line holds what was in the event."""
    with caplog.at_level(logging.WARNING, logger="tallyroll"):
        for _ in range(1_000):
            _badly(capturing, agent="secret-name", model=5)

    assert 1 == len(caplog.records)
    assert "secret-name" not in caplog.text


def test_later_changes_of_the_callers_values_change_nothing(
    capturing: Meter, transport: CapturingTransport
) -> None:
    """An event is what it was at `record()`."""
    tokens = {"output_text": 1}
    capturing.record(agent="a", model="m", tokens=tokens)
    tokens["output_text"] = 99

    assert capturing.flush()
    assert {"output_text": 1} == transport.assert_one(agent="a")["tokens"]


def test_the_clock_is_injected(transport: CapturingTransport) -> None:
    """Without `occurred_at` the event happened when the meter's clock says."""
    moment = datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC)
    with Meter(transport=transport, now=lambda: moment) as meter:
        meter.record(agent="a", model="m")

    assert "2026-01-02T03:04:05.000006Z" == transport.assert_one(agent="a")["occurred_at"]


def test_flush_waits_for_final_answers(meter_on: Callable[[Transport], Meter]) -> None:
    """False while an event recorded before the call is unanswered, True once it is answered."""
    gate = Gate()
    meter = meter_on(gate)
    meter.record(agent="a", model="m")

    assert not meter.flush(timeout=0.01)
    gate.opened.set()
    assert meter.flush()
    assert Stats(recorded=1, accepted=1, sent=1, requests=1) == meter.stats()


def test_flush_does_not_wait_for_later_events(meter_on: Callable[[Transport], Meter]) -> None:
    """What is recorded during a flush is not part of it."""
    gate = Gate()
    meter = meter_on(gate)
    meter.record(agent="a", model="m")
    flushed: list[bool] = []
    flusher = threading.Thread(target=lambda: flushed.append(meter.flush()))
    flusher.start()
    gate.reached.wait(10)

    meter.record(agent="later", model="m")
    gate.opened.set()
    flusher.join(10)
    assert [True] == flushed


async def test_aflush_leaves_the_loop_free(meter_on: Callable[[Transport], Meter]) -> None:
    """Other tasks run while `aflush()` waits: here the one that lets it finish."""
    gate = Gate()
    meter = meter_on(gate)
    meter.record(agent="a", model="m")

    assert not await meter.aflush(timeout=0.01)
    flushing = asyncio.create_task(meter.aflush())
    asyncio.get_running_loop().call_soon(gate.opened.set)
    assert await flushing


def test_a_full_queue_is_counted(pauses: list[float]) -> None:
    """Beyond the bound events are lost, visibly, and `record()` still returns at once."""
    gate = Gate()
    meter = Meter(transport=gate, queue_events=10, batch_events=1, pause=pauses.append)
    meter.record(agent="first", model="m")
    gate.reached.wait(10)
    for _ in range(15):
        meter.record(agent="a", model="m")

    assert Stats(recorded=16, queued=10, in_flight=1, lost=5, sent=1, requests=1) == meter.stats()
    gate.opened.set()
    assert meter.close()
    assert (11, 5) == (meter.stats().accepted, meter.stats().lost)


def test_close_is_bounded_and_says_what_is_unsent(caplog: pytest.LogCaptureFixture) -> None:
    """What has no answer when the time is up is lost, counted and logged."""
    gate = Gate()
    meter = Meter(transport=gate)
    meter.record(agent="a", model="m")

    assert not meter.close(timeout=0.01)
    assert (1, 0) == (meter.stats().lost, meter.stats().accepted)
    assert "1 events were unsent" in caplog.text
    gate.opened.set()


def test_a_closed_meter_loses_what_comes_after(transport: CapturingTransport) -> None:
    """Recording into a closed meter never raises; it is counted as lost."""
    with Meter(transport=transport) as meter:
        meter.record(agent="a", model="m")
    meter.record(agent="late", model="m")
    meter.close()

    assert (1, 1) == (meter.stats().accepted, meter.stats().lost)
    assert ["a"] == [event["agent"] for event in transport.events]


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Endpoint and key need not be in the code; without either, construction fails."""
    with pytest.raises(ValueError, match="TALLYROLL_ENDPOINT"):
        Meter()
    monkeypatch.setenv("TALLYROLL_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(ValueError, match="TALLYROLL_API_KEY"):
        Meter()
    monkeypatch.setenv("TALLYROLL_API_KEY", "tr_test_key")

    meter = Meter()
    assert "Meter(HTTPTransport('127.0.0.1'))" == repr(meter)
    assert meter.close()


@pytest.mark.parametrize(
    "setting",
    [{"queue_events": 0}, {"batch_events": 0}, {"batch_events": 1001}, {"when_full": "?"}],
)
def test_settings_that_cannot_work(setting: dict[str, Any]) -> None:
    """A bound outside its range is an error at construction that names it."""
    with pytest.raises(ValueError, match=next(iter(setting))):
        Meter(transport=CapturingTransport(), **setting)


def test_a_storm_of_threads_loses_nothing(capturing: Meter, transport: CapturingTransport) -> None:
    """Eight threads record at once: every id arrives, exactly once."""
    recorded: list[list[str]] = [[] for _ in range(THREADS)]

    def storm(mine: list[str]) -> None:
        for number in range(EVENTS_PER_THREAD):
            mine += [capturing.record(agent="a", model="m", tokens={"output_text": number})]

    threads = [threading.Thread(target=storm, args=(mine,)) for mine in recorded]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert capturing.flush()
    arrived = [e["event_id"] for b in transport.bodies for e in msgspec.json.decode(b)["events"]]
    assert THREADS * EVENTS_PER_THREAD == len(arrived) == capturing.stats().accepted
    assert {event_id for mine in recorded for event_id in mine} == set(arrived)
