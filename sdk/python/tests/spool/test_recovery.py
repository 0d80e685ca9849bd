"""What dead processes left is sent by exactly one living one; what is damaged is counted."""

import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tallyroll import Meter, Response
from tallyroll.spool import disk
from tallyroll.spool.folder import Folder, folders_in
from tallyroll.spool.frames import encode_frame
from tallyroll.spool.segments import Position
from tallyroll.testing import RecordingServer, answer

from .conftest import Run

DIE = """
meter = meter_with(segment_bytes=2_000)
ids = [meter.record(agent="a", model="m", event_id=f"{sys.argv[3]}-{i}") for i in range(100)]
os.kill(os.getpid(), signal.SIGKILL)
"""
DELIVER = """
meter = meter_with()
deadline = time.monotonic() + 60
while os.path.exists(sys.argv[3]) and time.monotonic() < deadline:
    meter.flush()
"""


def _die(run: Run, server: RecordingServer, name: str) -> None:
    """Leave 100 events behind, none of which reached the server."""
    server.script = [answer(503)] * 10_000
    assert -signal.SIGKILL == run(DIE, name).returncode
    server.script = []
    assert {} == dict(server.commits)


def _ids(name: str) -> set[str]:
    return {f"{name}-{index}" for index in range(100)}


def _until_gone(meter: Meter, folders: Callable[[], list[Path]]) -> None:
    """Work until only the meter's own folder, if any, is left."""
    while len(folders()) > bool(meter.stats().recorded):
        meter.flush(1.0)


def test_the_next_process_sends_what_a_killed_one_recorded(
    server: RecordingServer,
    run: Run,
    spooling: Callable[..., Meter],
    folders: Callable[[], list[Path]],
) -> None:
    """Without a call by the user, under the same ids, and then the folder is gone."""
    _die(run, server, "dead")
    meter = spooling()
    _until_gone(meter, folders)

    assert dict.fromkeys(_ids("dead"), 1) == server.commits
    stats = meter.stats()
    assert (0, 100, 100, 0) == (stats.recorded, stats.recovered, stats.accepted, stats.lost)


@pytest.mark.slow
def test_several_processes_take_over_at_once(
    server: RecordingServer, run: Run, tmp_path: Path
) -> None:
    """Six processes look at the same time; each event of the dead is sent by one of them, once."""
    for name in ("one", "two", "three"):
        _die(run, server, name)
    race = """
ready, go = os.pipe()
children = []
for _ in range(6):
    child = os.fork()
    if child == 0:
        os.close(go)
        os.read(ready, 1)
        meter = meter_with()
        while len(os.listdir(sys.argv[3])) > 0:
            meter.flush()
        os._exit(0)
    children.append(child)
os.close(go)
sys.exit(any(os.waitpid(child, 0)[1] for child in children))
"""
    (destination,) = tmp_path.glob("v1/*")

    assert 0 == run(race, str(destination)).returncode
    assert dict.fromkeys(_ids("one") | _ids("two") | _ids("three"), 1) == server.commits


def test_a_living_process_keeps_its_folder(spooling: Callable[..., Meter], tmp_path: Path) -> None:
    """Nobody locks the folder of a living writer, not even another meter of its process."""
    meter = spooling()
    meter.record(agent="a", model="m")
    (path,) = [path for destination in tmp_path.glob("v1/*") for path in folders_in(destination)]

    assert Folder.adopt(path) is None
    assert [] == disk.Adoption(path.parent).look()


def test_a_spool_without_locks_is_caught(
    spooling: Callable[..., Meter], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The test above fails when the lock does nothing."""
    monkeypatch.setattr("fcntl.flock", lambda _file, _how: None)

    with pytest.raises(AssertionError):
        test_a_living_process_keeps_its_folder(spooling, tmp_path)


def test_an_acknowledged_event_is_not_sent_again(
    server: RecordingServer,
    run: Run,
    spooling: Callable[..., Meter],
    folders: Callable[[], list[Path]],
) -> None:
    """The offset moved with the answers of the dead process; only the rest travels."""
    program = DIE.replace(
        "os.kill(", "assert meter.flush()\nmeter.record(agent='late', model='m')\nos.kill("
    )
    assert (
        -signal.SIGKILL == run(program.replace("batch_age=0.01", "batch_age=60"), "dead").returncode
    )
    meter = spooling()
    _until_gone(meter, folders)

    assert 101 == len(server.commits)
    assert all(1 == server.commits[event_id] for event_id in _ids("dead"))


def _folder_with(tmp_path: Path, meter: Meter, data: bytes) -> Path:
    """Put a dead writer's folder beside the meter's own, with one segment of these bytes."""
    meter.record(agent="own", model="m")
    (destination,) = tmp_path.glob("v1/*")
    path = destination / "dead-writer"
    path.mkdir()
    (path / "00000001.seg").write_bytes(data)
    return path


def _event(number: int) -> bytes:
    return encode_frame(b'{"event_id":"e-%d","agent":"a"}' % number, number)


@pytest.mark.parametrize(
    ("data", "arrived", "lost", "damaged"),
    [
        (_event(0) + _event(1) + _event(2)[:-9], [0, 1], 0, 1),
        (_event(0) + b"?" * 50 + _event(2), [0, 2], 1, 1),
        (_event(0) + _event(1).replace(b"agent", b"tnega") + _event(2), [0, 2], 1, 1),
        (_event(0) + _event(3), [0, 3], 2, 1),
        (b"\0" * 4_096, [], 0, 1),
        (b"", [], 0, 0),
    ],
    ids=["torn tail", "overwritten", "flipped", "gap", "zeros", "empty"],
)
def test_damage_is_skipped_counted_and_kept(
    data: bytes,
    arrived: list[int],
    lost: int,
    damaged: int,
    *,
    server: RecordingServer,
    spooling: Callable[..., Meter],
    tmp_path: Path,
) -> None:
    """Whole frames are sent; the rest is counted, and its bytes lie in `damaged/`."""
    first = spooling()
    path = _folder_with(tmp_path, first, data)
    assert first.close()
    meter = spooling()
    while path.exists():
        meter.flush(1.0)

    events = {event_id for event_id in server.commits if event_id.startswith("e-")}
    stats = meter.stats()
    assert {f"e-{number}" for number in arrived} == events
    assert (lost, damaged) == (stats.lost, stats.damaged)
    assert stats.recovered == stats.accepted + stats.lost
    kept = b"".join(p.read_bytes() for p in tmp_path.glob("v1/*/damaged/*"))
    assert len(data) == len(kept) + sum(len(_event(number)) for number in arrived)


def test_damage_in_the_own_spool_never_stops_a_flush(
    server: RecordingServer, spooling: Callable[..., Meter], tmp_path: Path
) -> None:
    """A bit that flips while the process lives takes one event, which is counted."""
    meter = spooling(batch_age=60.0)
    for index in range(10):
        meter.record(agent="a", model="m", event_id=f"e-{index}")
    (path,) = tmp_path.glob("v1/*/*/*.seg")
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        byte = file.read(1)
        file.seek(-1, 1)
        file.write(bytes([byte[0] ^ 4]))

    assert meter.flush()
    stats = meter.stats()
    assert (10, 9, 1, 0) == (stats.recorded, stats.accepted, stats.lost, stats.spooled)
    assert 9 == len(server.commits)


def test_a_damaged_acknowledgement_only_sends_again(tmp_path: Path) -> None:
    """Whatever is in the file of the offset, reading begins there or earlier, never later."""
    folder = Folder.create(tmp_path)
    folder.acknowledge(Position(7, 1_000, 12))
    assert Position(7, 1_000, 12) == folder.acknowledged()
    ack = folder.path / "ack"
    whole = ack.read_bytes()
    for at in range(len(whole)):
        ack.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        assert Position(1, 0, 0) == folder.acknowledged()
    folder.remove()
    assert not folder.path.exists()


def test_other_keys_and_endpoints_are_other_spools(
    server: RecordingServer,
    run: Run,
    spooling: Callable[..., Meter],
    folders: Callable[[], list[Path]],
) -> None:
    """Usage never goes out under a key it was not recorded for, unless both name the account."""
    _die(run, server, "dead")
    with spooling(account="other") as other:
        other.record(agent="a", model="m")

    assert 1 == len(server.commits)
    assert 1 == len(folders())


def test_a_replaced_key_sends_what_the_old_one_left(
    server: RecordingServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With an account named, events recorded under a key that never worked are not stranded."""
    monkeypatch.setenv("TALLYROLL_SPOOL", "on")
    monkeypatch.setenv("TALLYROLL_SPOOL_DIR", str(tmp_path))
    monkeypatch.setenv("TALLYROLL_SPOOL_ACCOUNT", "acme")
    server.judge = lambda _body: Response(401, {}, b"")
    wrong = Meter(server.endpoint, "tr_test_wrong")
    event_id = wrong.record(agent="a", model="m")
    assert not wrong.close(0.2)
    assert (0, 1) == (wrong.stats().lost, wrong.stats().spooled)

    server.judge = server.commit
    with Meter(server.endpoint, "tr_test_right") as right:
        while not right.stats().recovered:
            right.flush(0.1)
        right.record(agent="b", model="m")
    assert event_id in server.commits
