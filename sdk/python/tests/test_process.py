"""Forks and the end of the interpreter, each in a fresh interpreter of its own."""

import signal
import subprocess
import sys
import threading
from pathlib import Path

import msgspec
import pytest

from tallyroll.testing import RecordingServer, answer
from tallyroll.transport import Response

SOURCE = str(Path(__file__).parents[1] / "src")
BEGIN = """
import os, sys, threading
sys.path.insert(0, {source!r})
import tallyroll
meter = tallyroll.Meter({endpoint!r}, "tr_test_key", batch_age=60.0, exit_timeout={exit_timeout})
def record(agent, count):
    for _ in range(count):
        meter.record(agent=agent, model="m")
"""
FORK = """
record("before", 50)
child = os.fork()
record("child" if child == 0 else "parent", 300)
if child == 0:
    done = meter.flush() and meter.stats().accepted == 300 == meter.stats().recorded
    os._exit(0 if done else 1)
_, status = os.waitpid(child, 0)
assert meter.flush() and meter.stats().accepted == 350
sys.exit(os.waitstatus_to_exitcode(status))
"""
FORK_AMID_A_REQUEST = """
record("before", 1)
threading.Thread(target=meter.flush, daemon=True).start()
while not meter.stats().in_flight:
    pass
""" + FORK.replace("350", "351")
HELD = """
import signal
from tallyroll.recording.recorder import recorder_of
from tallyroll import default
recorder, default._meter = recorder_of(meter), meter
held = [recorder._lock, recorder._log._lock, default._lock]
taken, done = threading.Event(), threading.Event()
def hold():
    with held[0], held[1], held[2]:
        taken.set()
        done.wait()
threading.Thread(target=hold).start()
taken.wait()
child = os.fork()
if child == 0:
    signal.alarm(10)  # ends a child that waits for ever
    recorder.unmetered("a")
    default.default_meter()
    os._exit(0 if recorder.unmetered_calls == {"a": 1} else 1)
_, status = os.waitpid(child, 0)
done.set()
sys.exit(os.waitstatus_to_exitcode(status))
"""
HELD_FOR_EVER = HELD.replace(
    "child = ", "from tallyroll import locks; locks._locks.clear()\nchild = "
).replace("alarm(10)", "alarm(1)")
NAIVE_FORK = """
from tallyroll import process
process._followed.clear()  # a meter that does not notice forks
meter._begin_in_child = lambda: None
""" + FORK.replace("flush()", "flush(1.0)")


def _run(server: RecordingServer, program: str, exit_timeout: float = 10.0) -> int:
    begin = BEGIN.format(source=SOURCE, endpoint=server.endpoint, exit_timeout=exit_timeout)
    command = [sys.executable, "-c", begin + program]
    return subprocess.run(command, check=False, timeout=60, capture_output=True).returncode


def _arrived(server: RecordingServer) -> dict[str, set[str]]:
    by_agent: dict[str, set[str]] = {}
    for body in server.bodies:
        for event in msgspec.json.decode(body)["events"]:
            by_agent.setdefault(event["agent"], set()).add(event["event_id"])
    return by_agent


def _answer_the_first_after_the_second(server: RecordingServer) -> None:
    """Keep the parent's first request in flight until the child, made meanwhile, sends its own."""
    second_came = threading.Event()

    def hold(server: RecordingServer, body: bytes) -> Response:
        assert second_came.wait(30)
        return server.commit(body)

    def release(server: RecordingServer, body: bytes) -> Response:
        second_came.set()
        return server.commit(body)

    server.script = [hold, release]


@pytest.mark.parametrize("program", [FORK, FORK_AMID_A_REQUEST])
def test_parent_and_child_each_deliver_their_own(server: RecordingServer, program: str) -> None:
    """After a fork all events of both arrive, once, and no id is minted twice."""
    if program is FORK_AMID_A_REQUEST:
        _answer_the_first_after_the_second(server)

    assert 0 == _run(server, program)

    arrived = _arrived(server)
    assert (300, 300) == (len(arrived["parent"]), len(arrived["child"]))
    assert 650 + (program is FORK_AMID_A_REQUEST) == len(server.commits)
    assert {1} == set(server.commits.values())


def test_a_meter_that_ignores_forks_is_caught(server: RecordingServer) -> None:
    """The check above fails when the child inherits the parent's queue and dead thread."""
    assert _run(server, NAIVE_FORK) != 0


def test_a_child_finds_the_locks_of_its_parent_open(server: RecordingServer) -> None:
    """What another thread of the parent held is held by nobody in the child."""
    assert 0 == _run(server, HELD)


def test_a_lock_that_ignores_forks_is_caught(server: RecordingServer) -> None:
    """The check above fails where the child waits for a thread that it does not have."""
    assert 256 - signal.SIGALRM == _run(server, HELD_FOR_EVER)


def test_the_end_of_the_program_delivers(server: RecordingServer) -> None:
    """Events still queued when the interpreter ends are sent without a call to `flush()`."""
    assert 0 == _run(server, "record('a', 700)")

    assert 700 == len(server.commits)


def test_the_end_of_the_program_is_bounded(server: RecordingServer) -> None:
    """A server that answers only failures does not keep the program alive."""
    server.script = [answer(503, retry_after="3600")] * 1_000

    assert 0 == _run(server, "record('a', 5)", exit_timeout=0.2)
    assert 0 == len(server.commits)


def test_sending_imports_nothing(server: RecordingServer) -> None:
    """A fork amid an import leaves half a module, so the sender's thread never imports."""
    program = """
before = set(sys.modules)
record("a", 1)
assert meter.flush()
sys.exit(len(set(sys.modules) - before))
"""

    assert 0 == _run(server, program)
