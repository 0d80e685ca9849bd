"""Reading a log forward, a batch at a time, past whatever is damaged."""

import os
from collections.abc import Sequence

import msgspec

from tallyroll.buffer import BatchLimits
from tallyroll.spool.folder import Folder
from tallyroll.spool.frames import find_frame, read_frames, whole_frames_in
from tallyroll.spool.segments import Descriptor, Position, Segment, segment_path

READ_BYTES = 2 * 1024 * 1024


class Stretch(msgspec.Struct, frozen=True):
    """The next events of a log, in order."""

    payloads: Sequence[bytes]
    at: Position
    ends: Sequence[int]
    """How far from `at` each ends, in bytes."""

    def after(self, events: int) -> Position:
        """Return the position behind so many of them, at least one."""
        end = self.at.offset + self.ends[events - 1]
        return Position(self.at.segment, end, self.at.frame + events)


class Damage(msgspec.Struct, frozen=True):
    """Bytes that are no whole frame. Nothing before them is unread."""

    at: Position
    data: bytes
    missing: int
    """Events that were there: exact, but in the last segment of another process a lower bound."""
    after: Position


class Log:
    """One folder's events from its acknowledged position on. Read by one thread."""

    def __init__(self, folder: Folder) -> None:
        self.folder = folder
        self.position = folder.acknowledged()
        """Before the next event to read."""
        self.deleted_before = self.position.segment
        """Segments below this number are answered and deleted."""
        self._file: tuple[int, Descriptor] | None = None

    def read(self, segments: Sequence[Segment], limits: BatchLimits) -> Stretch | Damage | None:
        """Read on; None at the end. `segments` are those that exist now, in order.

        OSError if a file cannot be read though it is there.
        """
        for segment in segments:
            if segment.number < self.position.segment:
                continue
            if segment.number > self.position.segment:
                self.position = Position(segment.number, 0, 0)
            if segment.size > self.position.offset:
                found = self._read_segment(segment, limits)
                if isinstance(found, Stretch):
                    self.position = found.after(len(found.payloads))
                else:
                    self.position = found.after
                return found
        return None

    def unread_bytes(self, segments: Sequence[Segment]) -> int:
        """Return how much lies behind the position."""
        at = self.position
        return sum(
            max(0, s.size - (at.offset if s.number == at.segment else 0))
            for s in segments
            if s.number >= at.segment
        )

    def _read_segment(self, segment: Segment, limits: BatchLimits) -> Stretch | Damage:
        at = self.position
        try:
            file = self._open(segment.number)
        except FileNotFoundError:
            return self._damage(segment, b"")
        data = os.pread(file.number, min(READ_BYTES, segment.size - at.offset), at.offset)
        payloads, ends = self._frames(data, limits)
        if not payloads:  # damaged, or longer than what was read
            data = os.pread(file.number, segment.size - at.offset, at.offset)
            payloads, ends = self._frames(data, limits)
        if not payloads:
            return self._damage(segment, data)
        return Stretch(payloads, at, ends)

    def _frames(self, data: bytes, limits: BatchLimits) -> tuple[list[bytes], list[int]]:
        return read_frames(
            data,
            self.position.frame,
            events_max=limits.events,
            payload_bytes_max=limits.payload_bytes,
        )

    def _damage(self, segment: Segment, data: bytes) -> Damage:
        at = self.position
        found = find_frame(data, at.frame)
        if found is not None:
            after = Position(at.segment, at.offset + found.offset, found.number)
            return Damage(at, data[: found.offset], found.number - at.frame, after)
        known = segment.frames
        missing = whole_frames_in(data) if known is None else known - at.frame
        return Damage(at, data, missing, Position(at.segment, segment.size, at.frame + missing))

    def _open(self, number: int) -> Descriptor:
        if self._file is None or self._file[0] != number:
            self._file = number, self.reopened(number)
        return self._file[1]

    def reopened(self, number: int) -> Descriptor:
        """Open a segment once more. OSError (FileNotFoundError) if that cannot be."""
        return Descriptor(segment_path(self.folder.path, number), os.O_RDONLY)
