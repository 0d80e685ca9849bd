"""Looking at spools without touching them: nothing here writes, or keeps a lock.

A writer goes on while it is looked at. What vanishes meanwhile has been answered.
"""

import contextlib
import fcntl
import os
import pwd
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import msgspec

from tallyroll.buffer import BatchLimits
from tallyroll.spool.about import About
from tallyroll.spool.deadletters import FILE_NAME
from tallyroll.spool.folder import ABOUT, DAMAGED, Folder, folders_in
from tallyroll.spool.log import Damage, Log
from tallyroll.spool.place import FORMAT
from tallyroll.spool.segments import Descriptor, Position

READ_EVENTS = 1_000
_LIMITS = BatchLimits(READ_EVENTS, 2 * 1024 * 1024, 0)

State = Literal["alive", "taken_over", "left_behind"]
"""`alive`: its process runs; `taken_over`: another one delivers it; `left_behind`: nobody does."""


class Frame(msgspec.Struct, frozen=True):
    """A waiting event as it lies on the disk."""

    at: Position
    payload: bytes


Found = Frame | Damage


class WriterFolder(msgspec.Struct, frozen=True):
    """One writer's folder at one moment."""

    path: Path
    pid: int | None
    """Of the process that made it; None if its name says none."""
    user: str
    state: State
    about: About | None
    """None if it was never told, or cannot be read."""
    bytes: int
    """Unanswered, on the disk."""

    def found(self) -> Iterator[Found]:
        """Yield what waits, in order, damage included."""
        return waiting_in(self.path, is_written=self.state == "alive")


class Destination(msgspec.Struct, frozen=True):
    """The folder of all writers of one endpoint and account."""

    path: Path
    writers: list[WriterFolder]
    dead_letters: Path
    damaged: list[Path]
    """Files of bytes that were set aside."""


def destinations_in(directory: Path) -> list[Destination]:
    """Return every destination below a spool's directory, by name; none if it is not there."""
    found = []
    for path in sorted((directory / FORMAT).glob("*")):
        if path.is_dir():
            writers = [w for folder in sorted(folders_in(path)) if (w := look_at(folder))]
            set_aside = sorted((path / DAMAGED).glob("*.bin"))
            found.append(Destination(path, writers, path / FILE_NAME, set_aside))
    return found


def look_at(path: Path) -> WriterFolder | None:
    """Return a writer's folder as it is now; None if it is gone, or is none."""
    try:
        folder, is_locked = _open(path)
        log = Log(folder)
        size = log.unread_bytes(folder.segments())
        user = _user_of(path)
    except OSError:
        return None
    stem = path.name.partition("-")[0]
    pid = int(stem) if stem.isdecimal() else None
    state: State = "left_behind"
    if is_locked:
        state = "alive" if pid is not None and _is_running(pid) else "taken_over"
    return WriterFolder(path, pid, user, state, _about(path), size)


def waiting_in(path: Path, *, is_written: bool) -> Iterator[Found]:
    """Yield the events of a folder that have no answer yet, and damage between them.

    `is_written`: its process may be in the middle of the last frame, which is no damage then.
    """
    with contextlib.suppress(OSError):
        folder, _ = _open(path)
        log = Log(folder)
        segments = folder.segments()
        while (found := log.read(segments, _LIMITS)) is not None:
            if isinstance(found, Damage):
                at_end = found.after.offset == segments[-1].size
                in_last = found.at.segment == segments[-1].number
                if found.data and not (is_written and at_end and in_last):
                    yield found
                continue
            at = found.at
            for count, payload in enumerate(found.payloads, start=1):
                yield Frame(at, payload)
                at = found.after(count)


def acknowledged_in(path: Path) -> Position:
    """Return where the unanswered events of a folder begin. OSError if it is gone."""
    return _open(path)[0].acknowledged()


def _open(path: Path) -> tuple[Folder, bool]:
    """Open for reading; the second is whether a living process holds it."""
    lock = Descriptor(path / "lock", os.O_RDONLY)
    try:
        # Shared, so that those who only look do not see each other; let go at once.
        fcntl.flock(lock.number, fcntl.LOCK_SH | fcntl.LOCK_NB)
        fcntl.flock(lock.number, fcntl.LOCK_UN)
    except BlockingIOError:
        return Folder(path, lock), True
    return Folder(path, lock), False


def _about(path: Path) -> About | None:
    try:
        return msgspec.json.decode((path / ABOUT).read_bytes(), type=About)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


def _user_of(path: Path) -> str:
    number = path.stat().st_uid
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)
