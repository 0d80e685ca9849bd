"""Delivery over real HTTP to a server that fails, delays, and drops answers."""

from collections.abc import Callable, Iterable
from typing import Any

import msgspec
import pytest

from tallyroll import HTTPTransport, Meter, Response, Transport
from tallyroll.event import new_event_id
from tallyroll.sender import BACKOFF_SECONDS_MAX, backoff
from tallyroll.testing import RecordingServer, answer, commit_then_drop, drop


def _record(meter: Meter, count: int, agent: str = "coder-1") -> list[str]:
    return [
        meter.record(agent=agent, model="gpt-5", tokens={"output_text": index})
        for index in range(count)
    ]


def _assert_counted_once(server: RecordingServer, recorded: Iterable[str]) -> None:
    """The guarantee: after deduplication by id, the server has what was recorded, no more."""
    assert set(recorded) == set(server.commits)


def _poisoned(server: RecordingServer, *, status: int | None) -> Callable[[bytes], Response]:
    """Refuse bodies with an event of agent `poison`: as a whole, or (None) by its result."""

    def judge(body: bytes) -> Response:
        events: list[dict[str, Any]] = msgspec.json.decode(body)["events"]
        bad = [e["agent"] == "poison" for e in events]
        reason = {"code": "bad_agent", "field": "agent", "message": "Poison."}
        if status is not None and any(bad):
            return Response(status, {}, msgspec.json.encode(reason))
        good = [e for e, is_bad in zip(events, bad, strict=True) if not is_bad]
        server.commit(msgspec.json.encode({"events": good}))
        results = [
            {"index": i, "event_id": e["event_id"], "status": "accepted"}
            if not is_bad
            else {"index": i, "event_id": e["event_id"], "status": "rejected", **reason}
            for i, (e, is_bad) in enumerate(zip(events, bad, strict=True))
        ]
        return Response(202, {}, msgspec.json.encode({"results": results}))

    return judge


def test_the_request(server: RecordingServer, meter: Meter) -> None:
    """A batch is one POST with the key as bearer, the SDK's name and a JSON document."""
    (event_id,) = _record(meter, 1)

    assert meter.flush()
    assert "Bearer tr_test_key" == server.headers[0]["authorization"]
    assert "tallyroll-python/0.1.0" == server.headers[0]["user-agent"]
    assert [event_id] == [e["event_id"] for e in msgspec.json.decode(server.bodies[0])["events"]]


@pytest.mark.parametrize(
    "step",
    [
        commit_then_drop,
        drop,
        *(answer(status) for status in (401, 402, 403, 404, 408, 429, 500, 502, 503)),
        answer(202, b'{"results":[]}'),
    ],
)
def test_an_unknown_outcome_repeats_the_same_bytes(
    server: RecordingServer, meter: Meter, step: Callable[[RecordingServer, bytes], Response | None]
) -> None:
    """After any failure the same body comes again, so that each event counts once."""
    server.script = [step, step]
    recorded = _record(meter, 20)

    assert meter.flush()
    _assert_counted_once(server, recorded)
    assert [server.bodies[0]] * 3 == server.bodies
    assert (20, 60, 40) == (meter.stats().accepted, meter.stats().sent, meter.stats().retried)


def test_an_answer_lost_after_the_commit_makes_a_duplicate_delivery(
    server: RecordingServer, meter: Meter
) -> None:
    """The events are delivered twice under the ids of their capture: deduplication can work."""
    server.script = [commit_then_drop]
    recorded = _record(meter, 5)

    assert meter.flush()
    assert dict.fromkeys(recorded, 2) == server.commits


def test_a_sender_that_mints_new_ids_is_caught(
    server: RecordingServer, meter_on: Callable[[Transport], Meter]
) -> None:
    """The check above fails for the classic fault: an id made per request, not per event."""

    class Reminting:
        def __init__(self) -> None:
            self.inner = HTTPTransport(server.endpoint, "tr_test_key")

        def send(self, body: bytes) -> Response:
            events = msgspec.json.decode(body)["events"]
            fresh = [{**event, "event_id": new_event_id()} for event in events]
            return self.inner.send(msgspec.json.encode({"events": fresh}))

    server.script = [commit_then_drop]
    transport = Reminting()
    meter = meter_on(transport)
    recorded = _record(meter, 5)

    assert meter.flush()
    transport.inner.close()
    with pytest.raises(AssertionError):
        _assert_counted_once(server, recorded)


def test_a_wrong_key_loses_nothing(
    server: RecordingServer, meter: Meter, pauses: list[float]
) -> None:
    """However long the server says 401, the events are held and then all arrive."""
    server.script = [answer(401)] * 50
    recorded = _record(meter, 100)

    assert meter.flush()
    _assert_counted_once(server, recorded)
    assert (50, 0, 0) == (len(pauses), meter.stats().lost, meter.stats().rejected)


def test_retry_after_is_obeyed(server: RecordingServer, meter: Meter, pauses: list[float]) -> None:
    """The pause is never shorter than the server asked for, and not much longer."""
    server.script = [answer(429, retry_after="45"), answer(503, retry_after="2")]
    _record(meter, 1)

    assert meter.flush()
    assert 45 <= pauses[0] <= 45 * 1.1
    assert 2 <= pauses[1] <= 2.2


def test_back_off_grows_to_a_cap_and_is_jittered() -> None:
    """Pauses are anything up to 0.2 s, 0.4 s … 30 s, and no two clients wait alike."""
    for failures, longest in ((1, 0.2), (3, 0.8), (10**6, BACKOFF_SECONDS_MAX)):
        pauses = [backoff(failures, None) for _ in range(200)]
        assert 0 <= min(pauses) < longest / 4
        assert longest * 3 / 4 < max(pauses) <= longest


@pytest.mark.parametrize("status", [None, 400, 413, 422])
def test_one_poisoned_event_of_a_hundred(
    server: RecordingServer, meter: Meter, status: int | None
) -> None:
    """By its own result or by a refusal of the whole body, only the guilty event is rejected."""
    server.judge = _poisoned(server, status=status)
    good = _record(meter, 63)
    (bad,) = _record(meter, 1, agent="poison")
    good += _record(meter, 36)

    assert meter.flush()
    _assert_counted_once(server, good)
    assert (99, 1) == (meter.stats().accepted, meter.stats().rejected)
    assert [(bad, "bad_agent", "agent")] == [(r.event_id, r.code, r.field) for r in meter.rejected]


def test_a_failure_amid_the_halving_is_retried(server: RecordingServer, meter: Meter) -> None:
    """Halves of a refused batch are held and repeated like any other batch."""
    server.script = [answer(400), answer(503), commit_then_drop]
    recorded = _record(meter, 8)

    assert meter.flush()
    _assert_counted_once(server, recorded)
    assert (8, 0) == (meter.stats().accepted, meter.stats().rejected)


def test_a_server_that_is_not_there() -> None:
    """A refused connection holds the events; the end of the meter is bounded and counts them."""
    with RecordingServer() as gone:
        endpoint = gone.endpoint
    meter = Meter(endpoint, "tr_test_key")
    _record(meter, 3)

    assert not meter.flush(timeout=0.3)
    assert (3, "NewConnectionError") == (meter.stats().in_flight, meter.stats().last_failure)
    assert not meter.close(timeout=0.01)
    assert (0, 3) == (meter.stats().in_flight, meter.stats().lost)


@pytest.mark.parametrize("endpoint", ["", "127.0.0.1:8001", "ftp://host", "http://"])
def test_an_endpoint_that_cannot_work(endpoint: str) -> None:
    """A wrong endpoint is an error at construction, not a queue that never empties."""
    with pytest.raises(ValueError, match="endpoint"):
        HTTPTransport(endpoint, "tr_test_key")


def test_a_key_that_cannot_work_is_not_shown() -> None:
    """A key that is no header is refused at construction, without repeating it."""
    with pytest.raises(ValueError, match="printable") as caught:
        HTTPTransport("http://127.0.0.1:1", "tr_test_gehéim")

    assert "tr_test" not in str(caught.value)
    assert "tr_test" not in repr(HTTPTransport("http://127.0.0.1:1", "tr_test_key"))
