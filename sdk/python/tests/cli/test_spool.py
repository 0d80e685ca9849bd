"""`spool ls | inspect | flush`, `stats`: what waits, and its delivery."""

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from tallyroll import Meter, Response, Spool
from tallyroll.testing import RecordingServer

Run = Callable[..., Result]
Leave = Callable[..., Path]
WAIT_SECONDS = 20.0
Documents = Callable[[Result], list[dict[str, Any]]]


def _snapshot(spool: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in spool.rglob("*") if path.is_file()}


def test_looking_changes_nothing(run: Run, leave: Leave, spool: Path) -> None:
    """Not a byte differs after ls, inspect, stats and tail."""
    leave()
    before = _snapshot(spool)

    for command in (["spool", "ls"], ["spool", "inspect"], ["stats"], ["tail", "--seconds", "0"]):
        assert 0 == run(*command).exit_code

    assert before == _snapshot(spool)


def test_ls_tells_whose_they_are(
    run: Run, leave: Leave, server: RecordingServer, documents: Documents
) -> None:
    """Endpoint, account, process, state, events, bytes and age; never the key."""
    folder = leave(3, account="acme")

    result = run("spool", "ls", "--json")
    ((row,),) = [found["folders"] for found in documents(result)]

    assert (folder.name, server.endpoint, "acme") == (
        row["folder"],
        row["endpoint"],
        row["account"],
    )
    assert ("left_behind", 3, os.getpid()) == (row["state"], row["events"], row["pid"])
    assert row["bytes"] == (folder / "00000001.seg").stat().st_size
    assert row["oldest"].startswith("20")
    assert "tr_test_key" not in (folder / "about").read_text() + result.stdout
    assert "left behind" in run("spool", "ls").stdout


def test_a_living_process_is_alive(
    run: Run, spool: Path, server: RecordingServer, documents: Documents
) -> None:
    """The lock decides, and a live writer is neither disturbed nor flushed."""
    server.judge = lambda _body: Response(503, {}, b"")
    with Meter(server.endpoint, "tr_test_key", spool=Spool(directory=spool)) as meter:
        meter.record(agent="coder", model="gpt-5")
        (found,) = documents(run("spool", "ls", "--json"))
        flushed = documents(run("spool", "flush", "--json"))
        server.judge = server.commit

    assert ["alive"] == [row["state"] for row in found["folders"]]
    assert 0 == flushed[0]["accepted"]
    assert [1] == list(server.commits.values())


def test_inspect_shows_damage(run: Run, leave: Leave, documents: Documents) -> None:
    """A flipped byte is one damaged stretch between two events; code 1."""
    segment = leave(3) / "00000001.seg"
    data = bytearray(segment.read_bytes())
    data[len(data) // 2] ^= 0xFF
    segment.write_bytes(data)

    result = run("spool", "inspect", "--json")
    rows = documents(result)

    assert 1 == result.exit_code
    assert [True, False, True] == ["event" in row for row in rows]
    assert 1 == rows[1]["damaged"]["events_missing"]
    assert [0, 2] == [row["event"]["tokens"]["output_text"] for row in rows if "event" in row]
    assert "damaged" in run("spool", "inspect", rows[0]["folder"]).stdout


def test_a_frame_that_is_being_written_is_no_damage(
    run: Run, spool: Path, server: RecordingServer, documents: Documents
) -> None:
    """Half a frame at the end belongs to a living process; of a dead one it is damage."""
    server.judge = lambda _body: Response(503, {}, b"")
    with Meter(server.endpoint, "tr_test_key", spool=Spool(directory=spool)) as meter:
        meter.record(agent="coder", model="gpt-5")
        (segment,) = spool.glob("v1/*/*/*.seg")
        whole = segment.read_bytes()
        segment.write_bytes(whole + whole[:20])
        alive = run("spool", "inspect", "--json")
        meter.close(0)
    dead = run("spool", "inspect", "--json")

    assert (0, 1) == (alive.exit_code, dead.exit_code)
    assert (1, 2) == (len(documents(alive)), len(documents(dead)))


def test_inspect_of_a_folder_that_is_not_there(run: Run) -> None:
    """A wrong name is wrong usage."""
    assert 2 == run("spool", "inspect", "1-ab").exit_code


def test_flush_delivers_each_event_once(
    run: Run, leave: Leave, server: RecordingServer, spool: Path, documents: Documents
) -> None:
    """All folders of this destination are delivered and gone; a second run finds nothing."""
    leave(3)
    leave(700)
    server.commits.clear()

    result = run("spool", "flush", "--json")

    assert (0, 703) == (result.exit_code, documents(result)[0]["accepted"])
    assert {1} == set(server.commits.values())
    assert [] == list(spool.glob("v1/*/*/*"))
    assert "nothing" in run("spool", "flush").stdout


def test_flush_leaves_what_is_for_others(
    run: Run, leave: Leave, server: RecordingServer, documents: Documents
) -> None:
    """Events of another key never go out under this one."""
    leave(2, key="tr_test_other")

    (told,) = documents(run("spool", "flush", "--json"))

    assert not server.commits
    assert (0, 1) == (told["accepted"], len(told["other_destinations"]))


def test_flush_gives_up_on_a_refused_key(
    run: Run, leave: Leave, server: RecordingServer, documents: Documents
) -> None:
    """401 ends at once with code 3; the events wait, and a run with a good key takes them."""
    leave(3)
    server.judge = lambda _body: Response(401, {}, b"")

    refused = run("spool", "flush", "--json")
    server.judge = server.commit

    assert (3, 3) == (refused.exit_code, documents(refused)[0]["waiting"])
    assert "http_401" in refused.stderr
    assert 3 == documents(run("spool", "flush", "--json"))[0]["accepted"]


def test_flush_gives_up_without_progress(
    run: Run, leave: Leave, server: RecordingServer, documents: Documents
) -> None:
    """A server that is away ends with code 3 after the time."""
    leave(3)
    server.judge = lambda _body: Response(503, {}, b"")

    result = run("spool", "flush", "--timeout", "0.3", "--json")

    assert (3, 3) == (result.exit_code, documents(result)[0]["waiting"])


def test_flush_can_be_interrupted_and_run_again(
    run: Run, leave: Leave, server: RecordingServer, documents: Documents
) -> None:
    """After Ctrl-C in the middle the answered ones stay answered, and the rest follows once."""
    leave(1200)
    reached = threading.Event()

    def commit_first(body: bytes) -> Response:
        if server.commits and not reached.is_set():
            reached.set()
            os.kill(os.getpid(), signal.SIGINT)
        return Response(503, {}, b"") if reached.is_set() else server.commit(body)

    server.judge = commit_first
    first = run("spool", "flush", "--json")
    server.judge = server.commit
    second = run("spool", "flush", "--json")

    accepted = [documents(result)[0]["accepted"] for result in (first, second)]
    assert (130, 0) == (first.exit_code, second.exit_code)
    assert 0 < accepted[0] < 1200
    assert (1200, {1}) == (sum(accepted), set(server.commits.values()))


def test_flush_tells_rejections(
    run: Run, leave: Leave, server: RecordingServer, documents: Documents
) -> None:
    """A refused event ends with code 1 and stands in the dead letters that stats counts."""
    leave(1)
    server.judge = lambda _body: Response(422, {}, b'{"code": "unknown_tenant"}')

    result = run("spool", "flush", "--json")
    (told,) = documents(run("stats", "--json"))

    assert (1, 1) == (result.exit_code, documents(result)[0]["rejected"])
    assert {"unknown_tenant": 1} == told["destinations"][0]["dead_letters"]


def test_stats_of_a_living_process(
    run: Run, spool: Path, server: RecordingServer, documents: Documents
) -> None:
    """The counters are those of the process; what is spooled is read from the disk."""
    with Meter(server.endpoint, "tr_test_key", spool=Spool(directory=spool)) as meter:
        meter.record(agent="coder", model="gpt-5")
        assert meter.flush()
        server.judge = lambda _body: Response(503, {}, b"")
        meter.record(agent="coder", model="gpt-5")
        end = time.monotonic() + WAIT_SECONDS
        row: dict[str, Any] = {"failures": []}
        while not row["failures"] and time.monotonic() < end:
            meter.flush(0.1)  # the answer may still be on its way
            (told,) = documents(run("stats", "--json"))
            (row,) = told["destinations"]
        server.judge = server.commit

    assert (1, 1, 1) == (row["processes"], row["spooled"], row["accepted"])
    assert 1 == row["queued"]
    assert row["sent"] >= 2
    assert ["http_503"] == row["failures"]


def test_an_endpoint_is_told_without_its_password(spool: Path, server: RecordingServer) -> None:
    """What a URL says of user and password is not written down."""
    endpoint = server.endpoint.replace("http://", "http://me:secret@")
    server.judge = lambda _body: Response(503, {}, b"")
    with Meter(endpoint, "tr_test_key", spool=Spool(directory=spool)) as meter:
        meter.record(agent="coder", model="gpt-5")
        meter.flush(0.1)
        (about,) = spool.glob("v1/*/*/about")
        told = str(about.relative_to(spool)) + about.read_text()
        server.judge = server.commit

    assert "127.0.0.1" in told
    assert "secret" not in told


@pytest.mark.parametrize("command", [["spool", "ls"], ["spool", "inspect"], ["stats"]])
def test_nothing_there(run: Run, command: list[str], spool: Path) -> None:
    """Without a spool each command says so, and makes none."""
    result = run(*command)

    assert 0 == result.exit_code
    assert "othing" in result.stdout
    assert not spool.exists()
