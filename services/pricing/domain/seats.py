"""Seats over a period: added ones pay from their day on, removed ones until the period ends."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from fractions import Fraction

from services.pricing.domain.periods import Period

ANY_CLASS = ""
"""The class of seats that are not told apart."""


@dataclass(frozen=True)
class SeatChange:
    """So many seats more (or fewer) from `day` on, that day included."""

    day: date
    delta: int
    seat_class: str = ANY_CLASS


@dataclass(frozen=True)
class Seats:
    """Seats as the period begins, by class, and their changes within it.

    A person who takes over another's seat is no change. What is counted may be anything that is
    bought by number and period: seats, packs, licences.
    """

    initial: Mapping[str, int] = field(default_factory=dict)
    changes: tuple[SeatChange, ...] = ()

    def __post_init__(self) -> None:
        if any(count < 0 for count in self.initial.values()):
            raise ValueError("seats are counted from 0")

    @classmethod
    def of(cls, count: int) -> "Seats":
        """Return so many seats of one class, all period long."""
        return cls({ANY_CLASS: count})

    def added(self, seat_class: str) -> Iterator[SeatChange]:
        """Return the changes that add seats of a class, as they are given."""
        return (c for c in self.changes if c.seat_class == seat_class and c.delta > 0)

    def removed(self, seat_class: str) -> Iterator[SeatChange]:
        """Return the changes that take seats of a class away, as they are given."""
        return (c for c in self.changes if c.seat_class == seat_class and c.delta < 0)

    def count(self, seat_class: str) -> int:
        """Return how many seats of a class are paid for at all."""
        return self.initial.get(seat_class, 0) + sum(c.delta for c in self.added(seat_class))

    def held_on(self, seat_class: str, day: date) -> int:
        """Return how many seats of a class are paid for on a day of the period."""
        added = sum(c.delta for c in self.added(seat_class) if c.day <= day)
        return self.initial.get(seat_class, 0) + added

    @property
    def classes(self) -> set[str]:
        """The classes of which there is, or was, any seat."""
        return {*self.initial, *(change.seat_class for change in self.changes)}

    def paid_periods(self, seat_class: str, period: Period) -> Fraction:
        """Return seats x days paid for / days of the whole period."""
        days = self.initial.get(seat_class, 0) * (period.days if period.due else 0)
        days += sum(c.delta * days_left(c.day, period) for c in self.added(seat_class))
        return Fraction(days, period.whole_days)

    def content(self) -> object:
        """Return what a hash is made of: a plain number where seats are one number."""
        if not self.changes and not self.initial.keys() - {ANY_CLASS}:
            return self.initial.get(ANY_CLASS, 0)
        changes = [(c.day, c.delta, c.seat_class) for c in self.changes]
        return {"initial": dict(self.initial), "changes": sorted(changes)}


def days_left(day: date, period: Period) -> int:
    """Return the days due from `day` (included) to the end; all of them before the start."""
    return max(0, (period.end - max(day, period.start)).days) if period.due else 0
