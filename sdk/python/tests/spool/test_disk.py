"""A disk that cannot be written, in every way: the user's program never notices."""

import errno
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tallyroll import Meter, Response
from tallyroll.spool.segments import Descriptor
from tallyroll.testing import RecordingServer

from .conftest import Run

FULL = """
import resource
meter = meter_with(pause=lambda seconds: time.sleep(0.01))
unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, unlimited[1]))
ids = [meter.record(agent="a", model="m") for _ in range(1_000)]
full = meter.stats()
assert full.lost == 0 and full.unspooled > 500 and full.spooled > 50, full
assert full.spool_failure in ("ENOSPC", "EFBIG"), full
resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
"""
DELIVER = """
assert meter.flush() and meter.stats().accepted == 1_000, meter.stats()
print(*ids)
"""
ROOM_AGAIN = """
while meter.stats().spooled < 1_000:
    time.sleep(0.01)
print(*ids, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""

SMALL_DISK = """
import resource
unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
if sys.argv[3] == "mounted":  # a disk of 512 KiB, which a file of somebody else's fills but for 5
    filler = os.open(folder + "/filler", os.O_CREAT | os.O_WRONLY)
    try:
        while True:
            os.write(filler, bytes(4096))
    except OSError:
        os.ftruncate(filler, os.fstat(filler).st_size - 5 * 4096)
if os.fork() == 0:
    if sys.argv[3] != "mounted":
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, unlimited[1]))
    meter = meter_with(pause=lambda seconds: time.sleep(0.01))
    ids = [meter.record(agent="a", model="m") for _ in range(1_000)]
    full = meter.stats()
    assert full.lost == 0 and full.unspooled > 500 and full.spooled > 20, full
    assert full.spool_failure == ("ENOSPC" if sys.argv[3] == "mounted" else "EFBIG"), full
    if sys.argv[3] == "mounted":
        os.ftruncate(filler, 0)
    resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
    while meter.stats().spooled < 1_000:
        time.sleep(0.01)
    print(*ids, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
assert os.wait()[1] == signal.SIGKILL
os.mkdir(folder + ".server-is-back")
meter = meter_with()
while meter.stats().accepted < 1_000:
    meter.flush(0.1)
assert meter.stats().damaged == 0, meter.stats()
"""
WITH_A_DISK = ("unshare", "-rm", "sh", "-ec")
MOUNT = 'mount -t tmpfs -o size=512k none "$4"; exec "$0" "$@"'
"""Only its own program sees the disk. `$4` is the folder, as `run` has it."""


def _may_mount(folder: Path) -> bool:
    try:
        command = [*WITH_A_DISK, MOUNT, "true", "-c", "", "", str(folder)]
        return subprocess.run(command, check=False, capture_output=True).returncode == 0
    except FileNotFoundError:
        return False


def test_a_disk_that_is_really_full(server: RecordingServer, run: Run, tmp_path: Path) -> None:
    """Full while events come, then room, then a kill: all are there, once.

    On a disk of its own where one may be mounted, else under a limit for the size of files.
    """
    back = tmp_path / "disk.server-is-back"
    server.judge = lambda body: server.commit(body) if back.exists() else Response(503, {}, b"")
    folder = tmp_path / "disk"
    folder.mkdir()
    if _may_mount(folder):
        result = run(SMALL_DISK, "mounted", folder=folder, within=(*WITH_A_DISK, MOUNT))
        assert [] == list(folder.iterdir())
    else:
        result = run(SMALL_DISK, "limited", folder=folder)

    assert 0 == result.returncode, result.stderr
    assert 1_000 == len(result.stdout.split())
    assert dict.fromkeys(result.stdout.split(), 1) == server.commits


def test_a_full_disk_falls_back_to_memory(server: RecordingServer, run: Run) -> None:
    """No exception, no loss: what finds no room is kept in memory, counted, and delivered."""
    result = run(FULL + DELIVER)

    assert 0 == result.returncode, result.stderr
    assert dict.fromkeys(result.stdout.split(), 1) == server.commits


def test_memory_moves_to_the_disk_when_there_is_room_again(
    server: RecordingServer, run: Run, spooling: Callable[..., Meter]
) -> None:
    """After that a kill loses nothing of it."""
    server.judge = lambda _body: Response(503, {}, b"")
    result = run(FULL + ROOM_AGAIN)
    assert -9 == result.returncode, result.stderr
    assert {} == dict(server.commits)

    server.judge = server.commit
    meter = spooling()
    while meter.stats().accepted < 1_000:
        meter.flush(1.0)
    assert set(result.stdout.split()) == set(server.commits)


def test_a_full_disk_and_then_a_kill(
    server: RecordingServer,
    run: Run,
    spooling: Callable[..., Meter],
    folders: Callable[[], list[Path]],
) -> None:
    """What found room is sent by the next process; a frame written in part left no trace."""
    server.judge = lambda _body: Response(503, {}, b"")
    result = run(FULL + "print(full.spooled, flush=True)\nos.kill(os.getpid(), signal.SIGKILL)\n")
    server.judge = server.commit
    meter = spooling()
    while folders():
        meter.flush(1.0)

    stats = meter.stats()
    assert (int(result.stdout), 0, 0) == (stats.recovered, stats.damaged, stats.lost)


def test_what_is_only_in_memory_at_the_end_is_counted_as_lost(
    server: RecordingServer, spooling: Callable[..., Meter], tmp_path: Path
) -> None:
    """No disk and no server: the accounts say so, whether an event was on the wire or not."""
    (tmp_path / "file").write_text("")
    server.judge = lambda _body: Response(503, {}, b"")
    meter = spooling(directory=tmp_path / "file", batch_events=10)
    for _ in range(25):
        meter.record(agent="a", model="m")
    assert not meter.close(0.2)

    stats = meter.stats()
    assert (25, 25, 0, 0) == (stats.recorded, stats.lost, stats.queued, stats.in_flight)


def test_a_directory_that_cannot_be(
    server: RecordingServer, spooling: Callable[..., Meter], tmp_path: Path
) -> None:
    """A spool whose folder is a file, or read-only, is a buffer in memory with a bound."""
    (tmp_path / "file").write_text("")
    meter = spooling(directory=tmp_path / "file", queue_events=50, batch_age=60.0)
    for _ in range(60):
        meter.record(agent="a", model="m")

    stats = meter.stats()
    assert (0, 50, 10, "ENOTDIR") == (
        stats.spooled,
        stats.unspooled,
        stats.lost,
        stats.spool_failure,
    )
    assert meter.flush()
    assert 50 == len(server.commits)


def test_a_file_system_without_locks(
    server: RecordingServer,
    spooling: Callable[..., Meter],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without locks there is no spool: memory is used, and no folder is left by the attempts."""

    def flock(_file: int, _how: int) -> None:
        raise OSError(errno.ENOLCK, "no locks")

    monkeypatch.setattr("fcntl.flock", flock)
    meter = spooling()
    for _ in range(10):
        meter.record(agent="a", model="m")

    assert meter.flush()
    assert "ENOLCK" == meter.stats().spool_failure
    assert 10 == len(server.commits) == meter.stats().unspooled
    assert [] == list(tmp_path.glob("v1/*/*"))


def test_a_spool_that_is_deleted_under_a_living_process(
    server: RecordingServer, spooling: Callable[..., Meter], tmp_path: Path
) -> None:
    """What was in it is counted as lost, and what comes later is delivered."""
    meter = spooling(segment_bytes=1_000, batch_age=60.0, batch_events=1_000)
    for _ in range(20):
        meter.record(agent="a", model="m")
    shutil.rmtree(tmp_path / "v1")
    for _ in range(20):
        meter.record(agent="b", model="m")

    assert meter.flush()
    stats = meter.stats()
    assert 40 == stats.accepted + stats.lost
    meter.record(agent="late", model="m", event_id="late")
    assert meter.flush()
    assert "late" in server.commits
    assert 0 == meter.stats().queued == meter._delivery._spool._intake.bytes  # type: ignore[union-attr]


def test_files_are_for_their_owner_only(spooling: Callable[..., Meter], tmp_path: Path) -> None:
    """Nobody else on the machine reads the events."""
    meter = spooling(batch_age=60.0)
    meter.record(agent="a", model="m")

    (destination,) = tmp_path.glob("v1/*")
    found = [destination, *destination.rglob("*")]
    assert {0o700, 0o600} == {path.stat().st_mode & 0o777 for path in found}


class _Disk:
    """Knows which bytes have been synced: what a power loss leaves."""

    def __init__(self) -> None:
        self.synced: dict[int, int] = {}

    def sync(self, file: Descriptor) -> None:
        found = os.fstat(file.number)
        self.synced[found.st_ino] = found.st_size

    def unsynced(self, tmp_path: Path) -> int:
        """Return the bytes of events that a power loss would take now."""
        found = [path.stat() for path in tmp_path.glob("v1/*/*/*.seg")]
        return sum(stat.st_size - self.synced.get(stat.st_ino, 0) for stat in found)


@pytest.fixture(name="disk")
def _disk(monkeypatch: pytest.MonkeyPatch) -> _Disk:
    disk = _Disk()
    # A function, since a bound method would not get the descriptor as an argument.
    monkeypatch.setattr(Descriptor, "sync", lambda file: disk.sync(file))  # noqa: PLW0108
    return disk


def test_fsync_always(spooling: Callable[..., Meter], disk: _Disk, tmp_path: Path) -> None:
    """When `record()` has returned, its event is on the disk, and so are the folders' names."""
    meter = spooling(fsync="always", segment_bytes=1_000, batch_age=60.0)
    for _ in range(30):
        meter.record(agent="a", model="m")
        assert 0 == disk.unsynced(tmp_path)

    (writer,) = {path.parent for path in tmp_path.glob("v1/*/*/*.seg")}
    names = {path.stat().st_ino for path in (writer, *writer.parents[:3])}
    assert tmp_path == writer.parents[2]
    assert names <= set(disk.synced)


def test_fsync_interval(spooling: Callable[..., Meter], disk: _Disk, tmp_path: Path) -> None:
    """Within the interval everything is on the disk, whatever the server does."""
    meter = spooling(fsync_seconds=0.05, segment_bytes=1_000, batch_age=60.0)
    for _ in range(30):
        meter.record(agent="a", model="m")
    assert disk.unsynced(tmp_path) > 0
    while disk.unsynced(tmp_path):
        pass


def test_fsync_never(spooling: Callable[..., Meter], disk: _Disk) -> None:
    """The kernel decides; the program never waits for the disk."""
    meter = spooling(fsync="never")
    for _ in range(30):
        meter.record(agent="a", model="m")
    assert meter.close()

    assert {} == disk.synced
