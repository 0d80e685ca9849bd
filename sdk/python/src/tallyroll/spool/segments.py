"""The files of a log: appending to the last one, and where one stands in them."""

import contextlib
import errno
import os
from pathlib import Path
from typing import NamedTuple

import msgspec

from tallyroll.spool.frames import encode_frame

SUFFIX = ".seg"
FILE_MODE = 0o600


class Position(NamedTuple):
    """A place in a log: before the `frame`th frame of a segment, `offset` bytes into it."""

    segment: int
    offset: int
    frame: int


class Segment(msgspec.Struct, frozen=True):
    """What is known of one file."""

    number: int
    size: int
    """Bytes that hold frames."""
    frames: int | None
    """How many; None in a segment that another process wrote."""


class Descriptor:
    """An open file that is closed with its last reference, at the latest.

    So one thread can still sync or read a segment that another has moved on from.
    """

    def __init__(self, path: Path, flags: int) -> None:
        self.number = -1
        self.number = os.open(path, flags | os.O_CLOEXEC, FILE_MODE)

    def sync(self) -> None:
        """Have what was written on the disk; OSError if that failed."""
        os.fsync(self.number)

    def close(self) -> None:
        """Close it now; a second call does nothing."""
        number, self.number = self.number, -1
        if number >= 0:
            with contextlib.suppress(OSError):
                os.close(number)

    def __del__(self) -> None:
        self.close()


def segment_path(folder: Path, number: int) -> Path:
    """Return the file of a segment."""
    return folder / f"{number:08d}{SUFFIX}"


class SegmentWriter:
    """Appends frames to a folder that only this process writes. Not thread-safe.

    Each frame is written at its own offset: what a failed or interrupted write left behind is
    overwritten by the next frame.
    """

    def __init__(self, folder: Path, *, segment_bytes: int) -> None:
        self._folder, self._segment_bytes = folder, segment_bytes
        self._number = self._size = self._frames = 0
        self.file: Descriptor | None = None
        """The segment that is written now."""
        self._earlier: list[Segment] = []
        self.written = 0
        """Frames written since the beginning."""

    def append(self, payload: bytes) -> int:
        """Write one frame and return its bytes. OSError if it could not be written whole."""
        if self.file is None or self._size >= self._segment_bytes:
            self._open_next()
        assert self.file is not None
        frame = encode_frame(payload, self._frames)
        size = len(frame)
        if os.pwrite(self.file.number, frame, self._size) != size:
            self._cut_off()
            raise OSError(errno.ENOSPC, "the frame was written in part")
        # No call from here on: a signal handler that raises comes before all three or after.
        self._size += size
        self._frames += 1
        self.written += 1
        return size

    def _open_next(self) -> None:
        if self.file is not None:
            self._earlier.append(Segment(self._number, self._size, self._frames))
            self.file = None
        # First the number: one that could not be opened is not tried again.
        self._number += 1
        self._size = self._frames = 0
        path = segment_path(self._folder, self._number)
        self.file = Descriptor(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY)

    def _cut_off(self) -> None:
        """Take the torn frame away, so that nobody finds it should this process die now."""
        assert self.file is not None
        with contextlib.suppress(OSError):
            os.ftruncate(self.file.number, self._size)

    def segments(self) -> list[Segment]:
        """Return every segment that was written and not forgotten, the current one last."""
        current = Segment(self._number, self._size, self._frames)
        return [*self._earlier, current] if self._number else []

    def forget_before(self, number: int) -> None:
        """Drop what is known of the segments before this one."""
        if self._earlier and self._earlier[0].number < number:
            self._earlier = [s for s in self._earlier if s.number >= number]
