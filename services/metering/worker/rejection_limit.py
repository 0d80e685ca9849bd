"""When so much of the log is broken that the fault is ours: stop, before it is all rejected.

What counts is what only a broken producer, broker or release can cause: envelopes that cannot be
read, events that no ingest lets through, records in the wrong partition. What a tenant can cause
(conflicts, duplicates, an event that is too old) does not count: nobody may stop a deployment by
sending bad events.
"""

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from services.metering.worker.reading import Reading, Rejection

BROKEN_CODES = frozenset({"undecodable_envelope", "invalid_event", "wrong_partition"})
WINDOW_EVENTS = 10_000
WINDOW_EVENTS_MIN = 1_000
"""Below so many events a ratio says nothing."""


class RejectionLimitError(Exception):
    """Too much of the log would be rejected; a person must look, and may accept it."""


@dataclass
class RejectionLimit:
    """Watches the share of broken events in a window, and how many come in a row."""

    ratio_max: float
    run_max: int
    accepted_below: dict[int, int] = field(default_factory=dict)
    """Partition -> offset: what lies below was accepted by a person and is not counted."""
    _runs: dict[int, int] = field(default_factory=dict)
    _window: deque[tuple[int, int]] = field(default_factory=deque)

    def forget(self, partition: int) -> None:
        """Drop what is known of a partition that is given up."""
        self._runs.pop(partition, None)
        self.accepted_below.pop(partition, None)

    def exceeded(self, reading: Reading) -> dict[int, Rejection]:
        """Return the first broken event of each partition if a limit is passed, else nothing."""
        broken = [r for r in reading.rejections if self._is_broken(r)]
        judged = reading.events.height + len(reading.rejections)
        if judged:
            self._slide(judged, len(broken))
        longest = self._follow(reading, broken)
        if not broken or (longest <= self.run_max and self._ratio() <= self.ratio_max):
            return {}
        firsts: dict[int, Rejection] = {}
        for rejection in sorted(broken, key=lambda r: (r.partition, r.offset, r.index)):
            firsts.setdefault(rejection.partition, rejection)
        return firsts

    def _is_broken(self, rejection: Rejection) -> bool:
        accepted = self.accepted_below.get(rejection.partition, 0)
        return rejection.code in BROKEN_CODES and rejection.offset >= accepted

    def _slide(self, judged: int, broken: int) -> None:
        self._window.append((judged, broken))
        while sum(count for count, _ in self._window) - self._window[0][0] >= WINDOW_EVENTS:
            self._window.popleft()

    def _ratio(self) -> float:
        judged = sum(count for count, _ in self._window)
        if judged < WINDOW_EVENTS_MIN:
            return 0.0
        return sum(broken for _, broken in self._window) / judged

    def _follow(self, reading: Reading, broken: list[Rejection]) -> int:
        """Carry on each partition's run; return the longest that was seen."""
        if not broken:
            for partition in reading.events["partition"].unique():
                self._runs[partition] = 0
            return 0
        longest = 0
        for partition, is_broken in _in_order(reading, broken):
            run = self._runs.get(partition, 0) + 1 if is_broken else 0
            self._runs[partition] = run
            longest = max(longest, run)
        return longest


def _in_order(reading: Reading, broken: list[Rejection]) -> Iterator[tuple[int, bool]]:
    """Yield (partition, is it broken) of every event, in the order of the log."""
    bad = {(r.partition, r.offset, r.index) for r in broken}
    good = set(reading.events.select("partition", "offset", "index").iter_rows())
    good |= {(r.partition, r.offset, r.index) for r in reading.rejections} - bad
    for position in sorted(bad | good):
        yield position[0], position in bad


def describe(excess: Mapping[int, Rejection]) -> str:
    """Return one line for the log and the exception."""
    places = ", ".join(f"{p}:{r.offset}:{r.index} {r.code}" for p, r in sorted(excess.items()))
    return f"too many events would be rejected, first {places}"
