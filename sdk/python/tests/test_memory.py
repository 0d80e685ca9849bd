"""The buffer: bounds, batches and accounts."""

import threading

from tallyroll.buffer import Batch, BatchLimits
from tallyroll.memory import MemoryBuffer, WhenFull


def _buffer(
    limit: int = 100, when_full: WhenFull = "drop_new", *, events: int = 10, size: int = 10_000
) -> MemoryBuffer:
    batch = BatchLimits(events, size, age_seconds=60.0)
    return MemoryBuffer(limit=limit, when_full=when_full, batch=batch)


def _fill(buffer: MemoryBuffer, count: int, frame: bytes | None = None) -> list[bool]:
    return [buffer.append(frame or b'{"event_id":"%d"}' % index) for index in range(count)]


def _taken(buffer: MemoryBuffer) -> list[str]:
    batch = buffer.take()
    assert batch is not None
    return [batch.event_id(index) for index in range(len(batch))]


def test_a_full_queue_loses_the_new_event_and_counts_it() -> None:
    """`drop_new`: the bound is inclusive, and what is beyond it is counted as lost."""
    buffer = _buffer(limit=3)

    assert [True, True, True, False, False] == _fill(buffer, 5)
    assert (5, 3, 2) == (buffer.stats().recorded, buffer.stats().queued, buffer.stats().lost)


def test_a_blocking_queue_waits_for_room() -> None:
    """`block`: append returns only when a batch has left, and nothing is lost."""
    buffer = _buffer(limit=10, when_full="block")
    _fill(buffer, 10)
    writer = threading.Thread(target=_fill, args=(buffer, 1))
    writer.start()

    assert 10 == len(_taken(buffer))
    writer.join(10)
    assert (1, 0) == (buffer.stats().queued, buffer.stats().lost)


def test_a_sealed_blocking_queue_lets_writers_go() -> None:
    """Closing a meter never leaves a thread waiting in `record()`."""
    buffer = _buffer(limit=1, when_full="block")
    _fill(buffer, 1)
    writer = threading.Thread(target=_fill, args=(buffer, 1))
    writer.start()

    buffer.seal()
    writer.join(10)
    assert 1 == buffer.stats().lost


def test_batches_are_bounded_by_count_and_keep_order() -> None:
    """A batch has at most the named number of events, oldest first."""
    buffer = _buffer(events=3)
    _fill(buffer, 7)
    buffer.mark()

    assert [["0", "1", "2"], ["3", "4", "5"], ["6"]] == [_taken(buffer) for _ in range(3)]


def test_batches_are_bounded_by_bytes_on_the_wire() -> None:
    """The whole body counts, commas included; an event above the bound travels alone."""
    frame = b'"' + b"x" * 28 + b'"'
    buffer = _buffer(size=len(Batch([frame] * 3).body) + 1)
    _fill(buffer, 4, frame)
    _fill(buffer, 1, b"y" * 500)
    buffer.mark()

    assert [3, 1, 1] == [len(_taken(buffer)) for _ in range(3)]


def test_age_alone_makes_a_batch() -> None:
    """A lone event does not wait for company longer than the age."""
    batch = BatchLimits(events=10, wire_bytes=10_000, age_seconds=0.01)
    buffer = MemoryBuffer(limit=10, when_full="drop_new", batch=batch)
    _fill(buffer, 1)

    assert ["0"] == _taken(buffer)


def test_the_accounts_add_up_at_every_step() -> None:
    """Recorded = queued + in flight + accepted + rejected + lost, whatever happened."""
    buffer = _buffer(limit=12)

    def balance() -> int:
        s = buffer.stats()
        return s.recorded - (s.queued + s.in_flight + s.accepted + s.rejected + s.lost)

    steps = (
        lambda: _fill(buffer, 15),
        buffer.refuse,
        buffer.take,
        lambda: buffer.attempted(10, again=0),
        lambda: buffer.hold(10, "http_503"),
        lambda: buffer.settle(accepted=4, rejected=1),
        buffer.end,
        lambda: buffer.settle(accepted=5, rejected=0),
    )
    for step in steps:
        step()
        assert 0 == balance()
    assert (4, 2, 10) == (buffer.stats().accepted, buffer.stats().rejected, buffer.stats().lost)
