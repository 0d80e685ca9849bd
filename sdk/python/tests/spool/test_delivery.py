"""What the spool adds to delivery: dead letters, holding over restarts, clocks, packing."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tallyroll import HTTPTransport, Meter, Response, Spool
from tallyroll import compression as packing
from tallyroll.spool import deadletters
from tallyroll.testing import CapturingTransport, RecordingServer, accept_all, answer


def _record(meter: Meter, count: int, agent: str = "a") -> list[str]:
    return [
        meter.record(agent=agent, model="m", tokens={"output_text": index})
        for index in range(count)
    ]


def _letters(tmp_path: Path) -> list[dict[str, Any]]:
    (path,) = tmp_path.glob(f"v1/*/{deadletters.FILE_NAME}")
    return [msgspec.json.decode(line) for line in path.read_bytes().splitlines()]


@pytest.mark.parametrize("status", [None, 400, 413, 422])
def test_the_guilty_event_is_kept_with_the_reason(
    status: int | None,
    *,
    server: RecordingServer,
    spooling: Callable[..., Meter],
    tmp_path: Path,
) -> None:
    """99 are accepted; the one that never will be is in the file, as it was sent."""
    reason = {"code": "bad_agent", "field": "agent", "message": "Poison."}

    def judge(body: bytes) -> Response:
        events = msgspec.json.decode(body)["events"]
        poisoned = [event["agent"] == "poison" for event in events]
        if status is not None and any(poisoned):
            return Response(status, {}, msgspec.json.encode(reason))
        good = [event for event, bad in zip(events, poisoned, strict=True) if not bad]
        server.commit(msgspec.json.encode({"events": good}))
        results = [
            {"index": index, "status": "rejected", **reason}
            if bad
            else {"index": index, "status": "accepted"}
            for index, bad in enumerate(poisoned)
        ]
        return Response(202, {}, msgspec.json.encode({"results": results}))

    server.judge = judge
    meter = spooling()
    good = _record(meter, 60)
    (bad,) = _record(meter, 1, "poison")
    good += _record(meter, 39)

    assert meter.flush()
    assert set(good) == set(server.commits)
    (letter,) = _letters(tmp_path)
    assert {"event_id": bad, **reason} == {k: letter[k] for k in ("event_id", *reason)}
    assert "poison" == letter["event"]["agent"]
    stats = meter.stats()
    assert (99, 1, 0, 0) == (stats.accepted, stats.rejected, stats.lost, stats.spooled)


def test_dead_letters_are_bounded(
    server: RecordingServer,
    spooling: Callable[..., Meter],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A full file takes no more; the events are still counted and listed as rejected."""
    monkeypatch.setattr(deadletters, "FILE_BYTES_MAX", 1_000)
    server.judge = lambda _body: Response(400, {}, b"{}")
    meter = spooling()
    _record(meter, 20)

    assert meter.flush()
    assert 20 == meter.stats().rejected == len(meter.rejected)
    assert 0 < len(_letters(tmp_path)) < 20


def test_a_wrong_key_then_a_right_one(
    server: RecordingServer, spooling: Callable[..., Meter]
) -> None:
    """401 for as long as it takes, over the end of a process: then everything arrives."""
    server.script = [answer(401)] * 10_000
    first = spooling()
    recorded = _record(first, 100)
    assert not first.close(0.1)
    assert (0, 100, 100) == (first.stats().lost, first.stats().spooled, first.stats().queued)

    server.script = [answer(401), answer(403)]
    second = spooling()
    recorded += _record(second, 100)
    while second.stats().accepted < 200:
        second.flush(1.0)
    assert dict.fromkeys(recorded, 1) == server.commits


def test_a_clock_that_is_set_back(
    server: RecordingServer,
    spooling: Callable[..., Meter],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A day back amid the work, and over a restart: every event arrives, in order, once."""
    moment = datetime(2026, 5, 1, tzinfo=UTC)
    clock = [moment]
    server.script = [answer(503)] * 10_000
    first = spooling(now=lambda: clock[0], segment_bytes=1_000)
    recorded = _record(first, 50)
    clock[0] -= timedelta(days=1)
    monkeypatch.setattr(time, "time", lambda: clock[0].timestamp())  # noqa: PLW0108
    monkeypatch.setattr(time, "time_ns", lambda: int(clock[0].timestamp()) * 10**9)
    recorded += _record(first, 50)
    first.close(0.1)
    server.script = [answer(429, retry_after="Fri, 01 May 2026 00:00:00 GMT")]
    second = spooling(now=lambda: clock[0])
    recorded += _record(second, 50)
    while second.stats().accepted < 150:
        second.flush(1.0)

    assert dict.fromkeys(recorded, 1) == server.commits
    events = [e for body in server.bodies for e in msgspec.json.decode(body)["events"]]
    stamps = {event["occurred_at"][:10] for event in events}
    assert {"2026-05-01", "2026-04-30"} == stamps
    arrived = list(dict.fromkeys(event["event_id"] for event in events))
    assert recorded[:100] == [i for i in arrived if i in recorded[:100]], "in order of capture"
    assert 150 == len(set(recorded))


def test_ages_are_not_told_by_the_clock_on_the_wall(
    server: RecordingServer, spooling: Callable[..., Meter], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A clock that is set back a year holds nothing up: not a batch, a sync, nor a take-over."""
    left = spooling(batch_age=60.0)
    recorded = _record(left, 10)
    assert not left.close(0)
    meter = spooling(batch_age=0.05, fsync_seconds=0.05)
    recorded += _record(meter, 10)
    year = 365 * 86_400
    now, now_ns = time.time, time.time_ns
    monkeypatch.setattr(time, "time", lambda: now() - year)
    monkeypatch.setattr(time, "time_ns", lambda: now_ns() - year * 10**9)
    recorded += _record(meter, 10)
    intake = meter._delivery._spool._intake  # type: ignore[union-attr]
    until = time.monotonic() + 30
    while (len(server.commits) < 30 or intake.dirty) and time.monotonic() < until:
        pass

    assert dict.fromkeys(recorded, 1) == server.commits
    assert not intake.dirty


def test_the_order_of_capture_is_kept(
    server: RecordingServer, spooling: Callable[..., Meter]
) -> None:
    """Over segments and batches, events go out as they were recorded."""
    meter = spooling(segment_bytes=500, batch_events=7)
    recorded = _record(meter, 100)

    assert meter.flush()
    sent = [e["event_id"] for b in server.bodies for e in msgspec.json.decode(b)["events"]]
    assert recorded == sent


def test_a_transport_of_ones_own_spools_only_if_asked(tmp_path: Path) -> None:
    """Test doubles leave nothing on the disk; a real one spools, if it says for whom."""
    with Meter(transport=CapturingTransport()) as plain:
        plain.record(agent="a", model="m")
        assert 0 == plain.stats().spooled
    with pytest.raises(ValueError, match="account"):
        Meter(transport=CapturingTransport(), spool=Spool(directory=tmp_path))
    assert [] == list(tmp_path.iterdir())

    spool = Spool(directory=tmp_path, account="acme")
    with Meter(transport=CapturingTransport(), spool=spool, batch_age=60.0) as meter:
        meter.record(agent="a", model="m")
        assert 1 == meter.stats().spooled


def _without_zstd(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing, "_zstd", lambda: None)


def _encodings(server: RecordingServer) -> list[str | None]:
    return [headers.get("content-encoding") for headers in server.headers]


def _post(server: RecordingServer) -> list[str | None]:
    transport = HTTPTransport(server.endpoint, "tr_test_key")
    event = {"event_id": "e", "text": "x" * 5_000}
    body = msgspec.json.encode({"events": [event]})
    assert 202 == transport.send(body).status == transport.send(body).status
    assert [body, body] == server.bodies
    transport.close()
    return _encodings(server)


def test_bodies_are_packed(server: RecordingServer) -> None:
    """By zstd where there is a library for it."""
    assert ["zstd", "zstd"] == _post(server)


def test_bodies_are_packed_by_gzip_otherwise(
    server: RecordingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which needs no library."""
    _without_zstd(monkeypatch)

    assert ["gzip", "gzip"] == _post(server)


@pytest.mark.parametrize(("taken", "used"), [({"gzip"}, "gzip"), (set(), None)])
def test_a_server_that_does_not_unpack(
    server: RecordingServer, taken: set[str], used: str | None
) -> None:
    """415 is answered by the next packing, once; it is remembered."""
    server.packings = {name: p for name, p in server.packings.items() if name in taken}

    assert [used, used] == _post(server)


def test_small_bodies_are_plain(server: RecordingServer, spooling: Callable[..., Meter]) -> None:
    """A single event is not packed."""
    meter = spooling()
    _record(meter, 1)

    assert meter.flush()
    assert [None] == _encodings(server)
    assert accept_all(server.bodies[0]).status == 202
