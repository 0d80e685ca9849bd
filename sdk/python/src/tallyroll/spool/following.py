"""Reading what living processes append, without a lock and without a write."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from tallyroll.spool.folder import folders_in
from tallyroll.spool.frames import find_frame, read_frames
from tallyroll.spool.place import FORMAT
from tallyroll.spool.segments import SUFFIX, Descriptor
from tallyroll.spool.survey import READ_EVENTS, acknowledged_in

READ_BYTES = 2 * 1024 * 1024


class _Place:
    """How far a segment is read; the open file outlives its name, so that nothing is missed."""

    def __init__(self, path: Path, offset: int = 0) -> None:
        self._file = Descriptor(path, os.O_RDONLY)
        self._offset, self._frame = offset, 0

    def read(self) -> Iterator[bytes]:
        """Yield the whole frames that were appended since; a torn one is waited for."""
        while data := os.pread(self._file.number, READ_BYTES, self._offset):
            at = find_frame(data, self._frame)
            if at is None:
                return
            payloads, ends = read_frames(
                data[at.offset :],
                at.number,
                events_max=READ_EVENTS,
                payload_bytes_max=READ_BYTES,
            )
            self._offset += at.offset + ends[-1]
            self._frame = at.number + len(payloads)
            yield from payloads


class Follower:
    """All segments below a spool's directory, those that come later included.

    `from_start`: begin with what has no answer yet; else with what is recorded from now on.
    """

    def __init__(self, directory: Path, *, from_start: bool) -> None:
        self._root = directory / FORMAT
        self._places: dict[Path, _Place] = {}
        for path in sorted(self._segments()):
            if from_start:
                self._open(path, _unanswered_from(path))
            else:
                self._open(path, None)

    def read(self) -> Iterator[bytes]:
        """Yield every event that was recorded since the last call."""
        present = set(self._segments())
        for path in sorted(present - self._places.keys()):
            self._open(path, 0)
        for path, place in list(self._places.items()):
            yield from place.read()
            if path not in present:
                del self._places[path]

    def _segments(self) -> Iterator[Path]:
        for destination in self._root.glob("*"):
            for folder in folders_in(destination):
                yield from (path for path in folder.glob(f"*{SUFFIX}") if path.stem.isdecimal())

    def _open(self, path: Path, offset: int | None) -> None:
        """Begin to read at an offset, None for the end as it is now."""
        with contextlib.suppress(OSError):  # answered and gone meanwhile
            self._places[path] = _Place(path, path.stat().st_size if offset is None else offset)


def _unanswered_from(path: Path) -> int | None:
    try:
        position = acknowledged_in(path.parent)
    except OSError:
        return None
    number = int(path.stem)
    if number == position.segment:
        return position.offset
    return None if number < position.segment else 0
