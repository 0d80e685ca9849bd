"""The disk half of the buffer: this process's log, and those that dead processes left."""

import contextlib
import os
import threading
import time
from collections import deque
from pathlib import Path

import msgspec

from tallyroll.spool.folder import Folder, folders_in
from tallyroll.spool.log import Log
from tallyroll.spool.segments import Descriptor, Segment, SegmentWriter

ADOPT_SECONDS = 10.0
"""How often one looks for what dead processes left; twice that at most, at random."""
ADOPTED_MAX = 16
"""Folders of dead processes held at a time: each takes open files."""


class OwnLog:
    """The log that this process writes and reads. Writing is not thread-safe."""

    def __init__(self, destination: Path, *, segment_bytes: int) -> None:
        self.folder = Folder.create(destination)
        self.log = Log(self.folder)
        self.writer = SegmentWriter(self.folder.path, segment_bytes=segment_bytes)
        self._sync_lock = threading.RLock()
        self._synced: tuple[int, int] = (0, 0)

    def segments(self) -> list[Segment]:
        """Return the segments with the bytes that are whole at this moment."""
        return self.writer.segments()

    def sync(self, segments: list[Segment], current: Descriptor | None) -> None:
        """Have everything in `segments` on the disk before returning; OSError if that failed.

        Threads that come together share one `fsync`.
        """
        if not segments:
            return
        target = (segments[-1].number, segments[-1].size)
        with self._sync_lock:
            if self._synced >= target:
                return
            known = self._synced[0]
            for segment in segments[:-1]:
                if segment.number >= known:
                    self._sync_earlier(segment)
            if current is not None:  # else it could not be opened, and nothing is in it
                current.sync()
            if target[0] > known:
                _sync_folders(self.folder.path)
            self._synced = target

    def _sync_earlier(self, segment: Segment) -> None:
        with contextlib.suppress(FileNotFoundError):  # acknowledged and deleted meanwhile
            self.log.reopened(segment.number).sync()


def _sync_folders(path: Path) -> None:
    """Have the names of the files on the disk too, up to the one in the spool's own folder."""
    for folder in (path, *path.parents[:3]):
        Descriptor(folder, os.O_RDONLY).sync()


class AdoptedLog(msgspec.Struct, frozen=True):
    """What a dead process left, locked by this one."""

    log: Log
    segments: list[Segment]

    @property
    def unread_bytes(self) -> int:
        """How much is unanswered in it."""
        return self.log.unread_bytes(self.segments)


class Adoption:
    """Finds and locks the folders of dead processes; each goes to exactly one living process."""

    def __init__(self, destination: Path) -> None:
        self._destination = destination
        self.due_at = 0.0
        """On the monotonic clock: a clock that is set back changes nothing."""
        self.held: deque[AdoptedLog] = deque()

    def candidates(self) -> bool:
        """Tell whether there is any folder to look into."""
        return any(True for _ in folders_in(self._destination))

    def look(self) -> list[AdoptedLog]:
        """Lock and return what is free; folders without an unanswered event are removed."""
        # At random, so that processes do not look in step.
        self.due_at = time.monotonic() + ADOPT_SECONDS * (1 + os.urandom(1)[0] / 256)
        found: list[AdoptedLog] = []
        for path in folders_in(self._destination):
            if len(self.held) + len(found) >= ADOPTED_MAX:
                break
            with contextlib.suppress(OSError):
                folder = Folder.adopt(path)
                if folder is not None and (adopted := _open(folder)) is not None:
                    found.append(adopted)
        return found


def _open(folder: Folder) -> AdoptedLog | None:
    log = Log(folder)
    segments = folder.segments()
    for segment in segments:
        if segment.number < log.position.segment:  # its process died before it could delete it
            folder.remove_segments(segment.number, segment.number)
    adopted = AdoptedLog(log, segments)
    if adopted.unread_bytes:
        return adopted
    folder.remove()
    return None
