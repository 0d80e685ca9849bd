"""What is read beside the sums of usage, for the prices that need it."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from fractions import Fraction
from operator import attrgetter
from typing import Any

from services.pricing.domain.charge import Charge, any_matches
from services.pricing.domain.claims import meters_named
from services.pricing.domain.meters import METER_PREFIX, MeterReading, usage_of
from services.pricing.domain.pools import SeatDays, SeatUsage
from services.pricing.domain.usage import DIMENSIONS, SEAT_DIMENSIONS, Usage


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


@dataclass(frozen=True)
class Readings:
    """What charges of a plan may need; empty where none does.

    `events`: the values of single events by kind, in the order in which they happened. `levels`:
    what is there as the period begins, by key of the charge. `usage_of_seats`: who used what.
    `seat_days`: for how many days each of them holds a seat; None where nobody said who does.
    `meters`: values of meters that do not add up, by kind.
    """

    events: Mapping[str, tuple[Fraction, ...]] = field(default_factory=dict)
    levels: Mapping[str, Fraction] = field(default_factory=dict)
    usage_of_seats: tuple[UsageOfSeat, ...] = ()
    meters: Mapping[str, MeterReading] = field(default_factory=dict)
    seat_days: SeatDays | None = None

    def metered(self) -> list[Usage]:
        """Return the values of meters as usage."""
        return [row for kind in sorted(self.meters) for row in usage_of(kind, self.meters[kind])]

    def content(self) -> dict[str, Any]:
        """Return what a hash is made of: what there is, and nothing of what there is not."""
        seats = sorted((vars(row) for row in self.usage_of_seats), key=str)
        meters = {kind: reading.content() for kind, reading in self.meters.items()}
        levels = {key: level for key, level in self.levels.items() if level}
        days = [[*held, number] for held, number in sorted((self.seat_days or {}).items())]
        parts = {"events": dict(self.events), "levels": levels, "seat_usage": seats}
        parts |= {"meters": meters, "seat_days": days}
        return {name: part for name, part in parts.items() if part}


def seat_usage_of(rows: Iterable[UsageOfSeat], charge: Charge) -> tuple[SeatUsage, ...]:
    """Return what of the seats' usage a charge claims, in its units."""
    return tuple(
        SeatUsage(row.seat, row.seat_class, row.usage_day, units)
        for row, units in claimed_units(rows, charge)
    )


def claimed_units(
    rows: Iterable[UsageOfSeat], charge: Charge
) -> Iterator[tuple[UsageOfSeat, Fraction]]:
    """Return the rows that a charge claims, each with what it is in the units of the charge."""
    known: dict[tuple[str, ...], Fraction | None] = {}
    for row in rows:
        values = seat_dimensions_of(row)
        if values not in known:
            known[values] = _rate_of(dict(zip(SEAT_DIMENSIONS, values, strict=True)), charge)
        rate = known[values]
        if rate is not None:
            yield row, row.quantity * rate


seat_dimensions_of = attrgetter(*SEAT_DIMENSIONS)


def _rate_of(values: dict[str, str], charge: Charge) -> Fraction | None:
    """Return the units of a charge for each unit of some usage; None where it is not claimed."""
    kind = values["kind"]
    if charge.usage is None or not charge.usage.accepts(dict.fromkeys(DIMENSIONS, "") | values):
        return None
    if kind.startswith(METER_PREFIX) and not any_matches(meters_named(charge), kind):
        # A meter counts again what other rows hold: a pattern for every kind does not mean it.
        return None
    conversion = charge.conditions.conversion
    return Fraction(1) if conversion is None else conversion.rate_of(values["model"], kind)
