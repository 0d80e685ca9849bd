"""Sending a file's events, a chunk at a time, each chunk answered before the next is read."""

import time
from collections.abc import Callable, Iterator
from itertools import islice

import msgspec

from tallyroll.event import Fault, InvalidEventError
from tallyroll.meter import Meter
from tallyroll.pastusage.events import Mapped, PastEvent, event_of
from tallyroll.pastusage.rows import Row
from tallyroll.stats import Stats

CHUNK_ROWS = 500
"""Below what `Meter.rejected` keeps, so that no reason is missed."""
LOOK_SECONDS = 0.2


class Summary(msgspec.Struct):
    """What became of the rows so far."""

    rows: int = 0
    accepted: int = 0
    """By the server, those that it had before included: it counts an id once. In a dry run: what
    would be sent."""
    refused: int = 0
    """Rows with a fault, found here or by the server."""
    answered_through: int = 0
    """The last line of which it is known what became of it, and of all before it."""
    is_complete: bool = False


class Import:
    """One run over a file.

    `on_fault(line, fault)` gets every fault; `on_progress(offset, summary, stats)` is called
    after each chunk, and while one waits: False gives up. Without a meter nothing is sent.
    """

    def __init__(
        self,
        meter: Meter | None,
        mapped: Mapped,
        *,
        on_fault: Callable[[int, Fault], None],
        on_progress: Callable[[int, Summary, Stats, float], bool],
    ) -> None:
        self._meter, self._mapped = meter, mapped
        self._on_fault, self._on_progress = on_fault, on_progress
        self.summary = Summary()

    def run(self, rows: Iterator[Row]) -> None:
        """Send all rows; `summary.is_complete` tells whether it came to the end."""
        while chunk := list(islice(rows, CHUNK_ROWS)):
            if not self._send(chunk):
                return
        self.summary.is_complete = True

    def _send(self, chunk: list[Row]) -> bool:
        events: dict[str, int] = {}
        faults: list[tuple[int, Fault]] = []
        for row in chunk:
            try:
                event = event_of(row, self._mapped)
            except InvalidEventError as error:
                faults += [(row.line, fault) for fault in error.faults]
                continue
            events[event.event_id] = row.line
            self._record(event)
        if not self._wait_for_answers(chunk[-1].end):
            return False
        faults += self._rejections(events)
        for line, fault in sorted(faults, key=lambda found: found[0]):
            self._on_fault(line, fault)
        bad = len({line for line, _ in faults})
        self.summary.rows += len(chunk)
        self.summary.refused += bad
        self.summary.accepted += len(chunk) - bad
        self.summary.answered_through = chunk[-1].line
        return self._on_progress(chunk[-1].end, self.summary, Stats(), 0.0)

    def _record(self, event: PastEvent) -> None:
        if self._meter is not None:
            self._meter.record(event_id=event.event_id, **event.fields)

    def _wait_for_answers(self, offset: int) -> bool:
        began = time.monotonic()
        while self._meter is not None and not self._meter.flush(LOOK_SECONDS):
            waited = time.monotonic() - began
            if not self._on_progress(offset, self.summary, self._meter.stats(), waited):
                return False
        return True

    def _rejections(self, events: dict[str, int]) -> list[tuple[int, Fault]]:
        rejected = self._meter.rejected if self._meter is not None else []
        return [
            (events[r.event_id], Fault(r.code, r.field or "event", r.message or "was rejected"))
            for r in rejected
            if r.event_id in events
        ]
