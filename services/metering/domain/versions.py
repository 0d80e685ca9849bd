"""The versions of one event: which one counts when revisions and corrections arrive in any order.

The first event of an id is counted as usage. A higher revision (of the event itself, or of a
correction that names it) takes back what counts and adds the new version; the highest revision
wins, so the order of arrival does not matter for the sums. A void counts nothing.
"""

from dataclasses import dataclass, field
from typing import Literal

Position = tuple[int, int, int]
"""(partition, offset, index) of an event in the log."""

Verdict = Literal[
    "counted", "applied", "waiting", "duplicate", "stale", "conflict", "corrects_duplicate"
]


@dataclass(frozen=True)
class Version:
    """One event or correction as it lies in the log. `fingerprint` is a digest of its content."""

    position: Position
    revision: int
    fingerprint: int
    is_correction: bool = False
    is_void: bool = False


@dataclass(frozen=True)
class Step:
    """One line to be added to the sums: the event at `position`, once (1) or taken back (-1)."""

    position: Position
    sign: int
    is_correction: bool


@dataclass
class History:
    """What became of one id so far, and what arriving versions make of it.

    `current` is the version that counts, None while the first event has not come. `is_duplicate`
    says that the event is a response that another instrument has booked: it counts nothing, and
    nothing can correct it. `waiting` are corrections that came ahead of their target.
    """

    current: Version | None = None
    is_duplicate: bool = False
    waiting: list[Version] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    verdicts: dict[Position, Verdict] = field(default_factory=dict)

    def arrive(self, version: Version) -> None:
        """Take the next version of the log; the verdict and the steps are kept."""
        if version.is_correction and self.current is None:
            self.waiting.append(version)
            self.verdicts[version.position] = "waiting"
        elif self.current is None:
            self._begin(version)
        else:
            self.verdicts[version.position] = self._follow(version, self.current)

    def _begin(self, first: Version) -> None:
        self.current = first
        if self.is_duplicate:
            self.verdicts[first.position] = "duplicate"
        else:
            self.verdicts[first.position] = "counted"
            self.steps.append(Step(first.position, 1, is_correction=False))
        ahead, self.waiting = sorted(self.waiting, key=_revision_and_position), []
        for version in ahead:
            self.verdicts[version.position] = self._follow(version, self.current)

    def _follow(self, version: Version, current: Version) -> Verdict:
        if self.is_duplicate:
            return "corrects_duplicate" if version.is_correction else "duplicate"
        if version.revision == current.revision:
            same = version.fingerprint == current.fingerprint
            return "duplicate" if same else "conflict"
        if version.revision < current.revision:
            return "stale"
        if not current.is_void:
            self.steps.append(Step(current.position, -1, is_correction=True))
        if not version.is_void:
            self.steps.append(Step(version.position, 1, is_correction=True))
        self.current = version
        return "applied"


def _revision_and_position(version: Version) -> tuple[int, Position]:
    return version.revision, version.position
