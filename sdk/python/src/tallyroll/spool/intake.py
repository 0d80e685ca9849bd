"""Where a captured event goes: to the disk, or to memory while the disk cannot be written."""

import errno
from collections import deque
from collections.abc import Callable
from pathlib import Path

from tallyroll.spool.disk import OwnLog
from tallyroll.spool.frames import OVERHEAD
from tallyroll.spool.settings import Spool


class Intake:
    """Keeps the events of this process. Its methods are called under the buffer's lock.

    Events in memory, if there are any, are always the latest: nothing is written to the disk past
    them. What was kept is never counted beside, but taken from what is there: an exception that a
    signal handler raises amid `keep` cannot part the two.
    """

    def __init__(
        self,
        destination: Path,
        settings: Spool,
        *,
        memory_events: int,
        ask_keeper: Callable[[], None],
    ) -> None:
        self._destination, self._settings = destination, settings
        self._memory_events, self._ask_keeper = memory_events, ask_keeper
        self.own: OwnLog | None = None
        self.memory: deque[bytes] = deque()
        self.busy = self._down = self.dirty = False
        self.appended = self.unspooled = 0
        """Events that came, and how many of them went to memory."""
        self.bytes = 0
        """Unanswered on the disk, those of dead processes included."""
        self.failure: str | None = None
        self._written_before = self._left_memory = 0

    @property
    def kept(self) -> int:
        """The events kept so far, whatever became of them later."""
        written = self.own.writer.written if self.own is not None else 0
        return self._written_before + written + self._left_memory + len(self.memory)

    def is_full(self, size: int) -> bool:
        """Tell whether an event of this size finds no room; an empty spool takes any."""
        return self.bytes > 0 and self.bytes + size + OVERHEAD > self._settings.bytes_max

    def keep(self, frame: bytes, *, sealed: bool) -> bool:
        """Take an event; False if it is lost."""
        try:
            self.busy = True
            self.appended += 1
            if sealed or self.is_full(len(frame)):
                return False
            # Never past what waits in memory.
            if not self.memory and not self._down and self._write(frame):
                return True
            return self._remember(frame)
        finally:
            self.busy = False

    def _remember(self, frame: bytes) -> bool:
        if len(self.memory) >= self._memory_events:
            return False
        self.memory.append(frame)
        self.unspooled += 1
        self._ask_keeper()
        return True

    def _write(self, frame: bytes) -> bool:
        try:
            if self.own is None:
                size = self._settings.segment_bytes
                self.own = OwnLog(self._destination, segment_bytes=size)
            self.bytes += self.own.writer.append(frame)
        except OSError as error:
            self._down = True
            self.note(error)
            return False
        if not self.dirty:
            self.dirty = True
            if self._settings.fsync == "interval":
                self._ask_keeper()
        return True

    def note(self, error: OSError) -> None:
        """Remember why the disk failed."""
        self.failure = errno.errorcode.get(error.errno or 0, type(error).__name__)

    def respool(self, events: int) -> bool:
        """Move so many from memory to the disk; False once that fails or nothing is left."""
        self._down = False
        for _ in range(min(events, len(self.memory))):
            if not self._write(self.memory[0]):
                return False
            self.memory.popleft()
        return bool(self.memory)

    def replace_vanished(self, unsettled: int) -> None:
        """Begin a new folder if somebody deleted ours, once nothing of it is unanswered."""
        own = self.own
        if own is None or not self._down or own.folder.path.exists():
            return
        if unsettled == len(self.memory):
            own.folder.release()
            self._written_before += own.writer.written
            self.own = None

    def from_memory(self, events_max: int, bytes_max: int) -> list[bytes]:
        """Take out the next events, for sending."""
        payloads: list[bytes] = []
        while self.memory and len(payloads) < events_max:
            bytes_max -= len(self.memory[0]) + 1
            if payloads and bytes_max < 0:
                break
            payloads.append(self.memory.popleft())
            self._left_memory += 1
        return payloads

    def back_to_memory(self, payloads: list[bytes]) -> None:
        """Undo `from_memory`."""
        self._left_memory -= len(payloads)
        self.memory.extendleft(reversed(payloads))

    def drop_memory(self) -> int:
        """Let go of what is in memory; return how many."""
        dropped = len(self.memory)
        self._left_memory += dropped
        self.memory.clear()
        return dropped
