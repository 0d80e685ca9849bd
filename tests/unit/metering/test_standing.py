"""Where a worker stands: what is read ahead is not yet counted."""

from dataclasses import replace

from services.metering.worker.standing import Standing

READ_AHEAD = Standing(stored=5, next_read=9, waiting_from=5, progressed_at=0.0)


def _is_read_to(standing: Standing, end: int) -> bool:
    return end <= standing.next_read


def test_what_is_read_ahead_is_not_counted() -> None:
    """A partition is counted to the end of its log only after the flush of what was read."""
    counted = replace(READ_AHEAD)
    counted.count(9, now=1.0)

    assert (False, True) == (READ_AHEAD.is_counted_to(9), counted.is_counted_to(9))


def test_asking_how_far_was_read_would_be_noticed() -> None:
    """Judged by what is read, the watermark would pass events that nobody can see yet."""
    assert _is_read_to(READ_AHEAD, 9)
