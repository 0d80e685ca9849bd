"""From a log of seat counts to the seats that each stretch of a period pays for."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from services.pricing.domain.periods import Period
from services.pricing.domain.seats import SeatChange, Seats


@dataclass(frozen=True)
class SeatCount:
    """So many seats of a class from a day on, that day included."""

    day: date
    seat_class: str
    count: int


def seats_by_stretch(log: Sequence[SeatCount], stretches: Sequence[Period]) -> list[Seats]:
    """Return the seats of each stretch of one period, in the order of time.

    `log` is in the order in which it holds; of two counts of one class and day the later stands.
    A removed seat is paid until the period ends, so one that comes back within it is none more.
    Days that are not due (a pause, a trial) neither pay for seats nor keep removed ones.
    """
    by_class: dict[str, dict[date, int]] = defaultdict(dict)
    for row in log:
        by_class[row.seat_class][row.day] = row.count
    paid: dict[str, int] = {}
    return [_seats_of(by_class, stretch, paid) for stretch in stretches]


def _seats_of(by_class: dict[str, dict[date, int]], stretch: Period, paid: dict[str, int]) -> Seats:
    initial, changes = {}, []
    for seat_class, counts in sorted(by_class.items()):
        current = _count_on(counts, stretch.start)
        if not stretch.due:
            if current:
                initial[seat_class] = current
            paid[seat_class] = _kept(counts, stretch, paid.get(seat_class, 0))
            continue
        held = max(current, paid.get(seat_class, 0))
        if held:
            initial[seat_class] = held
        for day in sorted(day for day in counts if stretch.start < day < stretch.end):
            count = counts[day]
            if count > held:
                changes.append(SeatChange(day, count - held, seat_class))
                held = count
            elif count < current:
                changes.append(SeatChange(day, count - current, seat_class))
            current = count
        paid[seat_class] = held
    return Seats(initial, tuple(sorted(changes, key=lambda c: (c.day, c.seat_class, c.delta))))


def _kept(counts: dict[date, int], stretch: Period, held: int) -> int:
    """Return what is left, after days that are not due, of the seats that were held before them."""
    current = _count_on(counts, stretch.start - timedelta(days=1))
    for day in sorted(day for day in counts if stretch.start <= day < stretch.end):
        held = max(held, counts[day]) if counts[day] > current else held - current + counts[day]
        current = counts[day]
    return max(held, 0)


def _count_on(counts: dict[date, int], day: date) -> int:
    return max(((since, count) for since, count in counts.items() if since <= day), default=(0, 0))[
        1
    ]
