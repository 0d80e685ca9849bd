"""The batch that is with the server."""

from tallyroll.spool.frames import OVERHEAD
from tallyroll.spool.log import Log, Stretch
from tallyroll.spool.segments import Position


class UnderWay:
    """Events that were taken from a log, or from memory (`log` is None), and await their answer."""

    def __init__(self, log: Log | None, stretch: Stretch, *, is_own: bool) -> None:
        self.log, self.is_own = log, is_own
        self._stretch = stretch
        self._answered = 0
        self.position: Position | None = None
        """Behind the last event that has its final answer."""

    @property
    def on_own_disk(self) -> bool:
        """Whether its events are in the log of this process."""
        return self.is_own and self.log is not None

    def answer(self, events: int) -> int:
        """Move over the next events, which have their final answer; return their bytes on disk."""
        before, self._answered = self._answered, self._answered + events
        if self.log is None or events == 0:
            return 0
        self.position = self._stretch.after(self._answered)
        self.log.folder.acknowledge(self.position)
        payloads = self._stretch.payloads[before : self._answered]
        return sum(map(len, payloads)) + OVERHEAD * len(payloads)

    def unanswered(self) -> list[bytes]:
        """Return the events that have no answer yet."""
        return list(self._stretch.payloads[self._answered :])
