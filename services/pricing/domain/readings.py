"""What is read beside the sums of usage, for the prices that need it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from fractions import Fraction
from typing import Any

from services.pricing.domain.charge import UsageFilter
from services.pricing.domain.conversion import Conversion
from services.pricing.domain.meters import MeterReading, usage_of
from services.pricing.domain.pools import SeatUsage
from services.pricing.domain.usage import DIMENSIONS, Usage


@dataclass(frozen=True)
class UsageOfSeat:
    """What the holder of a seat used on a day; `seat` names the holder."""

    seat: str
    seat_class: str
    agent: str
    model: str
    kind: str
    purpose: str
    usage_day: date
    quantity: Fraction


SEAT_DIMENSIONS = ("agent", "model", "kind", "purpose")
"""What a filter can speak of where a pool belongs to each seat."""


@dataclass(frozen=True)
class Readings:
    """What charges of a plan may need; empty where none does.

    `events`: the values of single events by kind, in the order in which they happened. `levels`:
    what is there as the period begins, by key of the charge. `usage_of_seats`: who used what.
    `meters`: values of meters that do not add up, by kind.
    """

    events: Mapping[str, tuple[Fraction, ...]] = field(default_factory=dict)
    levels: Mapping[str, Fraction] = field(default_factory=dict)
    usage_of_seats: tuple[UsageOfSeat, ...] = ()
    meters: Mapping[str, MeterReading] = field(default_factory=dict)

    def metered(self) -> list[Usage]:
        """Return the values of meters as usage."""
        return [row for kind in sorted(self.meters) for row in usage_of(kind, self.meters[kind])]

    def content(self) -> dict[str, Any]:
        """Return what a hash is made of: what there is, and nothing of what there is not."""
        seats = sorted((vars(row) for row in self.usage_of_seats), key=str)
        meters = {kind: reading.content() for kind, reading in self.meters.items()}
        parts = {"events": dict(self.events), "levels": dict(self.levels), "seat_usage": seats}
        parts |= {"meters": meters}
        return {name: part for name, part in parts.items() if part}


def seat_usage_of(
    rows: Iterable[UsageOfSeat], usage: UsageFilter, conversion: Conversion | None
) -> tuple[SeatUsage, ...]:
    """Return what of the seats' usage a filter claims, in the units of its charge."""
    blank = dict.fromkeys(DIMENSIONS, "")
    found = []
    for row in rows:
        if usage.accepts(blank | {name: getattr(row, name) for name in SEAT_DIMENSIONS}):
            rate = None if conversion is None else conversion.rate_of(row.model, row.kind)
            units = row.quantity if conversion is None else row.quantity * (rate or 0)
            found.append(SeatUsage(row.seat, row.seat_class, row.usage_day, units))
    return tuple(found)
