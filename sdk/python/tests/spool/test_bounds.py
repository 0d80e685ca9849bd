"""The spool's bound in bytes, and what each policy does at it."""

import threading
from collections.abc import Callable, Iterator

import pytest

from tallyroll import Meter, QueueFullError, Response, Spool
from tallyroll.spool.folder import Folder
from tallyroll.testing import RecordingServer
from tallyroll.transport import LOSS_HEADER


@pytest.fixture(name="gate")
def _gate(server: RecordingServer) -> Iterator[threading.Event]:
    """The server answers once this is set."""
    gate = threading.Event()

    def judge(body: bytes) -> Response:
        gate.wait(30)
        return server.commit(body)

    server.judge = judge
    yield gate
    gate.set()


def _record(meter: Meter, count: int) -> None:
    for _ in range(count):
        meter.record(agent="a", model="m")


def test_a_full_spool_loses_the_new_event_and_tells_the_server(
    server: RecordingServer, spooling: Callable[..., Meter], gate: threading.Event
) -> None:
    """`drop_new`: counted, and the next request says how many so far, once."""
    meter = spooling(bytes_max=5_000, batch_events=10)
    _record(meter, 100)
    stats = meter.stats()
    gate.set()

    assert meter.flush()
    assert 100 == stats.recorded == stats.lost + stats.spooled
    assert 0 < stats.lost == meter.stats().lost
    assert 100 - stats.lost == meter.stats().accepted == len(server.commits)
    said = [h[LOSS_HEADER.lower()] for h in server.headers if LOSS_HEADER.lower() in h]
    told = [int(text.partition(";")[0]) for text in said]
    assert told == sorted(set(told)), "each request says it once, and more than the one before"
    assert stats.lost == told[-1]
    assert len(server.headers) > 1  # said once, until there is more to say


def test_room_comes_back_with_the_answers(
    spooling: Callable[..., Meter], gate: threading.Event
) -> None:
    """What is answered no longer counts against the bound."""
    meter = spooling(bytes_max=5_000)
    gate.set()
    for _ in range(10):
        _record(meter, 20)
        assert meter.flush()

    assert (200, 0) == (meter.stats().accepted, meter.stats().lost)


def test_what_was_taken_over_counts_against_the_bound(
    spooling: Callable[..., Meter], gate: threading.Event
) -> None:
    """A program that crashes again and again on a dead server does not fill the disk."""
    first = spooling(batch_age=60.0)
    _record(first, 100)
    assert not first.close(0)
    second = spooling(bytes_max=5_000, batch_age=60.0)
    while not second.stats().recovered:
        second.flush(0.01)
    _record(second, 1)
    assert 1 == second.stats().lost

    gate.set()
    while second.stats().accepted < 100:
        second.flush(0.1)
    _record(second, 1)
    assert second.flush()
    assert (101, 1) == (second.stats().accepted, second.stats().lost)


def test_a_full_spool_that_blocks(spooling: Callable[..., Meter], gate: threading.Event) -> None:
    """`block`: `record()` returns only when an answer has made room, and nothing is lost."""
    meter = spooling(bytes_max=5_000, when_full="block", batch_events=5)
    writer = threading.Thread(target=_record, args=(meter, 100))
    writer.start()
    while not meter.stats().in_flight:
        pass
    assert meter.stats().recorded < 100
    gate.set()
    writer.join(30)

    assert meter.flush()
    assert (100, 0) == (meter.stats().accepted, meter.stats().lost)


def test_a_full_spool_that_raises(spooling: Callable[..., Meter], gate: threading.Event) -> None:
    """`raise`: the caller is told, and the event counts as lost."""
    meter = spooling(bytes_max=1_000, when_full="raise")
    with pytest.raises(QueueFullError):
        _record(meter, 100)
    gate.set()

    assert meter.flush()
    assert 1 == meter.stats().lost


def test_a_full_queue_that_raises(gate: threading.Event, server: RecordingServer) -> None:
    """The buffer in memory knows the same policy."""
    meter = Meter(server.endpoint, "tr_test_key", queue_events=5, when_full="raise")
    with pytest.raises(QueueFullError):
        _record(meter, 2_000)
    gate.set()
    assert meter.close()


def test_an_event_larger_than_the_spool(
    server: RecordingServer, spooling: Callable[..., Meter]
) -> None:
    """An empty spool takes an event of any size, also above what is read at a time."""
    meter = spooling(bytes_max=1_000)
    meter.record(agent="a", model="m", tags={"text": "x" * 3_000_000})

    assert meter.flush()
    assert 1 == len(server.commits)


@pytest.mark.parametrize(
    "setting",
    [{"bytes_max": 0}, {"segment_bytes": 0}, {"fsync": "sometimes"}, {"fsync_seconds": 0}],
)
def test_settings_that_cannot_work(setting: dict[str, object]) -> None:
    """A wrong setting is an error at construction that names it."""
    with pytest.raises(ValueError, match=next(iter(setting))):
        Spool(**setting)  # type: ignore[arg-type]


def test_nobody_waits_for_what_is_written_for_people(
    spooling: Callable[..., Meter], monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the file `about` is written, however slowly, other threads record."""
    told: list[bool] = []

    def tell(_folder: Folder, _about: bytes) -> None:
        other = threading.Thread(target=_record, args=(meter, 1))
        other.start()
        other.join(30)
        told.append(not other.is_alive())

    monkeypatch.setattr(Folder, "tell", tell)
    meter = spooling()
    _record(meter, 1)

    assert meter.flush()
    assert told
    assert all(told)
