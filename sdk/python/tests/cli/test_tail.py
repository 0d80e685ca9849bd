"""`tallyroll tail`: every event that is recorded, once, in order."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from typer.testing import Result

from tallyroll import Meter, Spool
from tallyroll.spool.following import Follower
from tallyroll.testing import RecordingServer

Run = Callable[..., Result]
Leave = Callable[..., Path]


def test_from_start_shows_what_waits(run: Run, leave: Leave) -> None:
    """The events that have no answer come first, decoded."""
    leave(3)

    result = run("tail", "--from-start", "--events", "3")

    assert 0 == result.exit_code
    assert ["output_text=0", "output_text=1", "output_text=2"] == [
        line.split()[-1] for line in result.stdout.splitlines()
    ]


def _numbers(follower: Follower) -> list[int]:
    from msgspec import json  # noqa: PLC0415

    return [json.decode(payload)["tokens"]["output_text"] for payload in follower.read()]


def test_each_event_once_over_segments_and_answers(spool: Path, server: RecordingServer) -> None:
    """Segments that roll, are answered and deleted between two looks lose and repeat nothing."""
    settings = Spool(directory=spool, segment_bytes=500)
    with Meter(server.endpoint, "tr_test_key", spool=settings) as meter:
        record = _recorder(meter)
        record(0)
        follower = Follower(spool, from_start=False)
        record(1)
        seen = _numbers(follower)
        for number in range(2, 30):
            record(number)
            seen += _numbers(follower)
            if number % 5 == 0:
                assert meter.flush()
        seen += _numbers(follower)

    assert list(range(1, 30)) == seen
    assert [] == _numbers(follower)


def test_a_torn_frame_is_waited_for(spool: Path, leave: Leave) -> None:
    """Half a frame shows nothing; whole, it is shown."""
    segment = leave(2) / "00000001.seg"
    whole = segment.read_bytes()
    segment.write_bytes(whole[:-10])
    follower = Follower(spool, from_start=True)

    assert [0] == _numbers(follower)
    segment.write_bytes(whole)
    assert [1] == _numbers(follower)


def _recorder(meter: Meter) -> Callable[[int], Any]:
    return lambda number: meter.record(agent="coder", model="gpt-5", tokens={"output_text": number})
