"""Forks in every way that servers and pools fork, and how their processes end."""

import signal
from pathlib import Path

import msgspec
import pytest

from tallyroll.testing import RecordingServer

from .conftest import Run

pytestmark = pytest.mark.slow
CHILDREN, EVENTS = 6, 200
RECORD = """
def record(agent, count=200):
    for _ in range(count):
        meter.record(agent=agent, model="m")
"""
DRAIN = """
def drain(mine):
    deadline = time.monotonic() + 60
    while len(segments()) > mine and time.monotonic() < deadline:
        meter.flush(0.1)
        meter._delivery._spool._adoption.due_at = 0.0
"""
PREFORK = """
# gunicorn, celery: the meter is made and used before the fork
meter = meter_with()
record("parent")
children = []
for number in range(6):
    child = os.fork()
    if child == 0:
        record(f"child-{number}")
        ENDING
    children.append(child)
record("parent")
for child in children:
    os.waitpid(child, 0)
drain(1)
assert meter.flush() and meter.stats().lost == 0
"""
ENDINGS = {
    "gunicorn: exits": ("sys.exit(0)", False),
    "celery: leaves at once": ("os._exit(0)", True),
    "killed": ("os.kill(os.getpid(), signal.SIGKILL)", True),
    "lambda: flushes, then is frozen for ever": (
        "meter.flush() and os.kill(os.getpid(), 9)",
        False,
    ),
}
"""How a child ends, and whether that may cut off a request, so that its batch comes twice."""
POOL = """
import multiprocessing
def work(number):
    global meter
    if meter is None:  # it is made in the child, or with the main module, which spawn imports again
        meter = meter_with()
    record(f"child-{number}")
meter = meter_with() if sys.argv[4] == "at import" else None
if __name__ == "__main__":
    if meter is not None:
        record("parent")
    context = multiprocessing.get_context(sys.argv[3])
    workers = [context.Process(target=work, args=(number,)) for number in range(6)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if meter is None:
        meter = meter_with()
        record("parent")
    left = len(segments())
    assert left == 1, left  # each child has sent its own before it left
    record("parent")
    assert meter.flush()
"""
STORM = """
meter = meter_with()
stop = threading.Event()
def keep_recording(number):
    while not stop.is_set():
        meter.record(agent="parent", model="m", event_id=f"t{number}-{counts[number]}")
        counts[number] += 1
        time.sleep(0)
counts = [0] * 4
threads = [threading.Thread(target=keep_recording, args=(number,)) for number in range(4)]
for thread in threads:
    thread.start()
for number in range(40):
    child = os.fork()
    if child == 0:
        record(f"child-{number}", 20)
        os._exit(0 if meter.flush() else 1)
    assert os.waitpid(child, 0)[1] == 0
stop.set()
for thread in threads:
    thread.join()
assert meter.flush() and meter.stats().accepted == sum(counts), (meter.stats(), counts)
print(sum(counts))
"""


def _arrived(server: RecordingServer) -> dict[str, list[str]]:
    """Return the ids of each agent as they came, repetitions included."""
    by_agent: dict[str, list[str]] = {}
    for body in server.bodies:
        for event in msgspec.json.decode(body)["events"]:
            by_agent.setdefault(event["agent"], []).append(event["event_id"])
    return by_agent


def _assert_all_once(server: RecordingServer) -> None:
    arrived = _arrived(server)
    assert {f"child-{number}" for number in range(CHILDREN)} | {"parent"} == set(arrived)
    for agent, ids in arrived.items():
        assert EVENTS * (2 if agent == "parent" else 1) == len(ids) == len(set(ids)), agent


@pytest.mark.parametrize(("ending", "cuts_off"), ENDINGS.values(), ids=ENDINGS.keys())
def test_prefork(server: RecordingServer, run: Run, ending: str, *, cuts_off: bool) -> None:
    """Whatever way the children end, the events of all arrive, each once in effect."""
    result = run(RECORD + DRAIN + PREFORK.replace("ENDING", ending))

    assert 0 == result.returncode, result.stderr
    assert CHILDREN + 1 == len(_arrived(server))
    for agent, ids in _arrived(server).items():
        expected = EVENTS * (2 if agent == "parent" else 1)
        assert expected == len(set(ids)), agent
        assert cuts_off or expected == len(ids), agent


@pytest.mark.parametrize("made", ["at import", "in the child"])
@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_multiprocessing_delivers_before_its_children_leave(
    server: RecordingServer, run_file: Run, method: str, made: str
) -> None:
    """A child of multiprocessing ends by `os._exit()`; its meter delivers before that."""
    result = run_file(RECORD + POOL, method, made)

    assert 0 == result.returncode, result.stderr
    _assert_all_once(server)


def test_spawned_processes_share_one_spool(server: RecordingServer, run: Run) -> None:
    """Six processes that know nothing of each other, one directory, no event lost or doubled."""
    program = """
import subprocess
if len(sys.argv) > 4:
    meter = meter_with()
    record(sys.argv[4])
else:
    spawn = [sys.executable, "-c", sys.argv[3], endpoint, folder, "-"]
    children = [subprocess.Popen([*spawn, f"child-{number}"]) for number in range(6)]
    meter = meter_with()
    record("parent", 400)
    assert not any([child.wait() for child in children]) and meter.flush()
"""
    from .conftest import BEGIN  # noqa: PLC0415

    result = run(RECORD + program, BEGIN + RECORD + program)

    assert 0 == result.returncode, result.stderr
    _assert_all_once(server)


def test_fork_storm_amid_a_storm_of_threads(server: RecordingServer, run: Run) -> None:
    """Forty forks while four threads record: nobody waits for ever, nothing is lost or doubled."""
    result = run(RECORD + STORM)

    assert 0 == result.returncode, result.stderr
    arrived = _arrived(server)
    assert int(result.stdout) == len(arrived.pop("parent"))
    assert 40 == len(arrived)
    assert {20} == {len(ids) for ids in arrived.values()}
    assert {1} == set(server.commits.values())


def test_a_child_does_not_hold_the_lock_of_its_parent(
    server: RecordingServer, run: Run, tmp_path: Path
) -> None:
    """The parent is killed, its child lives on: the child takes over what the parent left."""
    program = """
meter = meter_with(pause=lambda seconds: time.sleep(30))
parent = os.getpid()
record("parent")
reading, writing = os.pipe()
if os.fork() == 0:
    os.close(writing)
    os.read(reading, 1)  # ends with the parent
    meter = tallyroll.Meter(endpoint, "tr_test_key", spool=tallyroll.Spool(directory=folder))
    drain(0)
    os._exit(0)
os.kill(parent, signal.SIGKILL)
"""
    result = run(RECORD + DRAIN + program)

    assert -signal.SIGKILL == result.returncode
    assert EVENTS == len(set(_arrived(server)["parent"]))
    assert [] == list(tmp_path.glob("v1/*/*/*.seg"))
