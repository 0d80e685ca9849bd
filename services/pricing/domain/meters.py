"""Values of meters that do not add up: one quantity for days of a period, whatever caused it."""

from dataclasses import dataclass
from datetime import date, datetime
from fractions import Fraction
from typing import Any, Literal

from services.pricing.domain.usage import DIMENSIONS, Usage

METER_PREFIX = "meter:"

DIGITS_SHOWN = 16
"""Of a hash, in the words of a line: the whole stands beside the value, and in the input hash."""

MeterState = Literal["final", "provisional", "missing", "given"]
"""`final`: of sealed days. `missing`: nobody knows it yet. `given`: stated by who asks."""


@dataclass(frozen=True)
class MeterReading:
    """What a meter came to, of so many events; it stands on the last day of its days.

    `value` is None exactly while it is missing. `content_hash` stands for the definition, the days
    and the events behind it. `as_of` is shown, and is no part of any hash.
    """

    value: Fraction | None
    day: date
    state: MeterState = "final"
    events: int = 0
    content_hash: str = ""
    as_of: datetime | None = None

    def __post_init__(self) -> None:
        if (self.value is None) is not (self.state == "missing"):
            raise ValueError("a value is missing, or it is there")

    def content(self) -> dict[str, Any]:
        """Return what a hash is made of."""
        names = ("value", "day", "state", "events", "content_hash")
        return {name: getattr(self, name) for name in names}

    def words(self, kind: str, shown: str) -> str:
        """Return how a line tells of the value; `shown` is the value as the line writes numbers."""
        meter = kind.removeprefix(METER_PREFIX)
        if self.state == "missing":
            return f"{meter} has no value yet: nothing is charged for it so far"
        if self.state == "given":
            return f"{meter} is {shown}, as given"
        if self.state == "provisional":
            return f"{meter} is {shown} so far, of {self.events:,} events"
        digest = self.content_hash[:DIGITS_SHOWN]
        return f"{meter} is {shown}, of {self.events:,} events with the hash {digest}"


def usage_of(kind: str, reading: MeterReading) -> list[Usage]:
    """Return a value as usage of its kind, which has no model, agent or anything else."""
    if not reading.value:
        return []
    values: dict[str, Any] = dict.fromkeys(DIMENSIONS, "") | {"kind": kind}
    return [Usage(**values, usage_day=reading.day, quantity=reading.value)]


def meter_of(kind: str) -> tuple[str, int]:
    """Return name and version of the meter that a kind `meter:<name>@<version>` names."""
    name, _, version = kind.removeprefix(METER_PREFIX).rpartition("@")
    return name, int(version)
