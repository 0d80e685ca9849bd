"""Who holds a seat: a log of assignments, and what it says of a day."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from services.pricing.domain.seats import Seats


@dataclass(frozen=True)
class Assignment:
    """Somebody holds a seat of a class (None: no seat) from a day to another, both included.

    `until_day` None: open.
    """

    user: str
    seat_class: str | None
    from_day: date
    until_day: date | None = None

    def covers(self, day: date) -> bool:
        """Tell whether a day is one of its days."""
        return self.from_day <= day and (self.until_day is None or day <= self.until_day)


def standing_on(log: Sequence[Assignment], day: date) -> list[Assignment]:
    """Return the assignments of seats that count on a day, one for each user, as they were made.

    `log` is in the order in which it was written: of two for one user and day the later stands.
    """
    latest = {row.user: place for place, row in enumerate(log) if row.covers(day)}
    rows = (log[place] for place in sorted(latest.values()))
    return [row for row in rows if row.seat_class is not None]


def holders_on(
    log: Sequence[Assignment], day: date, free: dict[str, int]
) -> tuple[dict[str, str], list[Assignment]]:
    """Return (user → class) of a day, and the assignments for which no seat is left.

    `free` are the seats of each class; those that are held are taken off. Where there are fewer
    seats than assignments, as after seats were given up, those who were assigned first hold them.
    """
    held: dict[str, str] = {}
    without = []
    for row in standing_on(log, day):
        assert row.seat_class is not None
        if free.get(row.seat_class, 0) > 0:
            free[row.seat_class] -= 1
            held[row.user] = row.seat_class
        else:
            without.append(row)
    return held, without


def seats_on(seats: Seats, day: date) -> dict[str, int]:
    """Return how many seats of each class are paid for on a day of their period."""
    return {seat_class: seats.held_on(seat_class, day) for seat_class in sorted(seats.classes)}
