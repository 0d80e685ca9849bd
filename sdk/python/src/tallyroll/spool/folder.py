"""One writer's folder: its lock, its acknowledged position, its end.

    <spool>/v1/<destination>/<writer>/lock            held for as long as the writer lives
                                     /ack             the position before the first unanswered event
                                     /00000001.seg …  the events
                                     /about           what its writer says about itself, to people

A folder belongs to whoever holds the lock, which the kernel releases with the process, however it
ends. Neither process numbers nor clocks decide anything.
"""

import contextlib
import fcntl
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from zlib import crc32

from tallyroll.spool.segments import SUFFIX, Descriptor, Position, Segment, segment_path

FOLDER_MODE = 0o700
DAMAGED = "damaged"
"""The folder beside those of the writers that keeps what could not be read."""
_ACK = struct.Struct("<QQQ")
_CRC = struct.Struct("<I")
_BEGINNING = Position(1, 0, 0)
ABOUT = "about"
ABOUT_BYTES = 2048
"""Its size, always: so that what is read is never half of it."""


class Folder:
    """A writer's folder that this process has locked."""

    def __init__(self, path: Path, lock: Descriptor) -> None:
        self.path = path
        self._lock = lock
        self._ack: Descriptor | None = None
        self._about: Descriptor | None = None

    @classmethod
    def create(cls, destination: Path) -> "Folder":
        """Make and lock a new one. OSError if that cannot be."""
        destination.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        while True:
            path = destination / f"{os.getpid()}-{os.urandom(8).hex()}"
            path.mkdir(mode=FOLDER_MODE)
            try:
                folder = cls.adopt(path)
            except OSError:  # no locks here: leave no empty folder with each attempt
                _remove_files(path)
                raise
            # Whoever looks for what the dead left may be quicker: then this one is theirs.
            if folder is not None:
                folder.acknowledge(_BEGINNING)
                return folder

    @classmethod
    def adopt(cls, path: Path) -> "Folder | None":
        """Lock a folder; None if another process has it or has just removed it."""
        try:
            lock = Descriptor(path / "lock", os.O_CREAT | os.O_RDWR)
            fcntl.flock(lock.number, fcntl.LOCK_EX | fcntl.LOCK_NB)
            same = os.path.samestat(os.fstat(lock.number), (path / "lock").stat())
        except (BlockingIOError, FileNotFoundError, NotADirectoryError):
            return None
        return cls(path, lock) if same else None

    def segments(self) -> list[Segment]:
        """Return the segments that are there, in order. OSError if that cannot be known."""
        found = []
        with os.scandir(self.path) as entries:
            for entry in entries:
                stem, suffix = os.path.splitext(entry.name)  # noqa: PTH122  no Path is needed
                if suffix == SUFFIX and stem.isdigit():
                    found.append(Segment(int(stem), entry.stat().st_size, None))
        return sorted(found, key=lambda segment: segment.number)

    def acknowledged(self) -> Position:
        """Return where the unanswered events begin; the very beginning if that is not known.

        Too early is harmless, since the server counts an event once.
        """
        try:
            data = (self.path / "ack").read_bytes()
        except OSError:
            return _BEGINNING
        position = data[: _ACK.size]
        if len(data) != _ACK.size + _CRC.size or _CRC.pack(crc32(position)) != data[_ACK.size :]:
            return _BEGINNING
        return Position(*_ACK.unpack(position))

    def acknowledge(self, position: Position) -> None:
        """Keep where the unanswered events begin. A failure only makes events travel again."""
        data = _ACK.pack(*position)
        with contextlib.suppress(OSError):
            if self._ack is None:
                self._ack = Descriptor(self.path / "ack", os.O_CREAT | os.O_WRONLY)
            os.pwrite(self._ack.number, data + _CRC.pack(crc32(data)), 0)

    def tell(self, about: bytes) -> None:
        """Keep what the writer says about itself (JSON); nothing of the delivery depends on it.

        Needs no lock: should the folder be given up meanwhile, the file is open until the end.
        """
        if len(about) > ABOUT_BYTES:
            return
        with contextlib.suppress(OSError):
            file = self._about
            if file is None:
                file = self._about = Descriptor(self.path / ABOUT, os.O_CREAT | os.O_WRONLY)
            os.pwrite(file.number, about.ljust(ABOUT_BYTES), 0)

    def remove_segments(self, first: int, last: int) -> None:
        """Delete segments, both ends inclusive."""
        for number in range(first, last + 1):
            with contextlib.suppress(OSError):
                segment_path(self.path, number).unlink(missing_ok=True)

    def set_aside(self, position: Position, data: bytes) -> None:
        """Keep bytes that are no whole frame, for a person to look at. Never raises."""
        folder = self.path.parent / DAMAGED
        name = f"{self.path.name}-{position.segment}-{position.offset}.bin"
        with contextlib.suppress(OSError):
            folder.mkdir(mode=FOLDER_MODE, exist_ok=True)
            (folder / name).write_bytes(data)

    def remove(self) -> None:
        """Delete the folder, whose events all have their answer, and give up the lock."""
        with contextlib.suppress(OSError):
            for segment in self.segments():
                self.remove_segments(segment.number, segment.number)
        _remove_files(self.path)
        self.release()

    def release(self) -> None:
        """Give up the lock and leave the rest to whoever takes it.

        Closed, not unlocked: a forked child shares the lock of its parent and must not end it.
        """
        self._lock.close()
        if self._ack is not None:
            self._ack.close()
        self._about = None  # not closed: the sender's thread may be writing it


def _remove_files(path: Path) -> None:
    for name in ("ack", ABOUT, "lock"):  # the lock last: without it the folder is anyone's
        with contextlib.suppress(OSError):
            (path / name).unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        path.rmdir()


def folders_in(destination: Path) -> Iterator[Path]:
    """Return the folders of all writers, living or dead."""
    with contextlib.suppress(OSError), os.scandir(destination) as entries:
        for entry in entries:
            if entry.name != DAMAGED and entry.is_dir(follow_symlinks=False):
                yield Path(entry.path)
