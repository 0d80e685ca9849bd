"""Who holds the seats of a period, day by day, where pools belong to each seat.

1. Whom the log of assignments names holds a seat of that class on those days.
2. Of the seats that are left on some days each, the largest pool first, goes to whoever used most
   on these days, of those who hold none then and have got none. What they used is measured in
   pools: of each charge with a pool of seats, its units divided by what the best class includes.
3. Everybody else holds none, and usage of nobody in particular (an empty user) never does.

What somebody uses on days of holding a seat draws on its pool, which is there by these days.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from fractions import Fraction

from services.pricing.domain.charge import Charge
from services.pricing.domain.plan import Plan
from services.pricing.domain.pools import Pool
from services.pricing.domain.readings import UsageOfSeat, claimed_units
from services.pricing.domain.split.parts import Part
from services.pricing.domain.subscription.holder_log import Assignment, holders_on, seats_on

ZERO = Fraction(0)
NEXT_DAY = timedelta(days=1)

Days = frozenset[date]


@dataclass(frozen=True)
class _Left:
    """A seat that nobody is assigned to, on some days; `worth` orders such seats."""

    seat_class: str
    number: int
    days: Days
    worth: tuple[Fraction, ...]


def with_seat_holders(
    parts: Sequence[Part], log: Sequence[Assignment], used: Sequence[UsageOfSeat]
) -> list[Part]:
    """Return the parts of one period with what the holders of seats used in them.

    `used` is what users used in the period; their seats have no class yet.
    """
    held: dict[date, Mapping[str, str]] = {}
    free: dict[date, Mapping[str, int]] = {}
    for part in parts:
        cuts = _cuts(part, log)
        for day in _days_of(part):
            if day in cuts:
                left = seats_on(part.seats, day)
                standing, _ = holders_on(log, day, left)
            held[day], free[day] = standing, left
    taken = _take_left(parts, held, free, used)
    holding = {day: {**_taken_on(day, taken), **holders} for day, holders in held.items()}
    days: dict[tuple[str, str], set[date]] = defaultdict(set)
    for day, holders in holding.items():
        for holder in holders.items():
            days[holder].add(day)
    found = [
        replace(row, seat_class=seat_class)
        for row in used
        if (seat_class := holding[row.usage_day].get(row.seat)) is not None
    ]
    return [_with_readings(part, found, days) for part in parts]


def _taken_on(day: date, taken: Mapping[str, _Left]) -> dict[str, str]:
    return {user: seat.seat_class for user, seat in taken.items() if day in seat.days}


def pools_seats(part: Part) -> bool:
    """Tell whether usage of a part draws on pools of seats; in a trial it draws on nothing."""
    return bool(part.plan.pooled_by_seat) and part.charged != "nothing"


def _cuts(part: Part, log: Sequence[Assignment]) -> set[date]:
    """Return the days of a part from which on others may hold seats, or there are more."""
    ends = (row.until_day + NEXT_DAY for row in log if row.until_day is not None)
    seats = (change.day for change in part.seats.changes)
    return {part.period.start, *(row.from_day for row in log), *ends, *seats}


def _days_of(part: Part) -> Iterator[date]:
    return (part.period.start + n * NEXT_DAY for n in range(part.period.days))


def _with_readings(
    part: Part, rows: Sequence[UsageOfSeat], days: Mapping[tuple[str, str], set[date]]
) -> Part:
    """Return a part with its rows, and the days that those who used anything hold seats in it."""
    if not pools_seats(part):
        return part
    users = {(row.seat, row.seat_class) for row in rows}
    own = frozenset(_days_of(part)) if part.period.due else frozenset()
    counted = {holder: len(days[holder] & own) for holder in sorted(users)}
    period = part.period
    mine = tuple(row for row in rows if period.start <= row.usage_day < period.end)
    return replace(part, readings=replace(part.readings, usage_of_seats=mine, seat_days=counted))


def _take_left(
    parts: Sequence[Part],
    held: Mapping[date, Mapping[str, str]],
    free: Mapping[date, Mapping[str, int]],
    used: Sequence[UsageOfSeat],
) -> dict[str, _Left]:
    """Return who takes which of the seats that are left, by most use, then by name."""
    use: dict[date, dict[str, Fraction]] = defaultdict(lambda: defaultdict(Fraction))
    without = [row for row in used if row.seat and row.seat not in held[row.usage_day]]
    for part in filter(pools_seats, parts):
        rows = [row for row in without if part.period.start <= row.usage_day < part.period.end]
        for row, pools in _pools_used(part.plan, rows, parts[0].period.start):
            use[row.usage_day][row.seat] += pools
    users = {user for of_day in use.values() for user in of_day}
    left = sorted(
        _seats_left(parts, free, len(users)),
        key=lambda seat: (*(-worth for worth in seat.worth), seat.seat_class, seat.number),
    )
    waiting = {days: iter(_ranked(use, days)) for days in {seat.days for seat in left}}
    taken: dict[str, _Left] = {}
    for seat in left:
        user = next((name for name in waiting[seat.days] if name not in taken), None)
        if user is not None:
            taken[user] = seat
    return taken


def _ranked(use: Mapping[date, Mapping[str, Fraction]], days: Days) -> list[str]:
    """Return those who used anything on days, whoever used most first."""
    total: dict[str, Fraction] = defaultdict(Fraction)
    for day in days & use.keys():
        for user, pools in use[day].items():
            total[user] += pools
    names = (name for name in total if total[name] > 0)
    return sorted(names, key=lambda name: (-total[name], name))


def _pools_used(
    plan: Plan, rows: Sequence[UsageOfSeat], first_day: date
) -> Iterator[tuple[UsageOfSeat, Fraction]]:
    """Return rows with how many times what they draw on could be filled by them."""
    for charge in plan.pooled_by_seat:
        pools = _pools_of(charge, first_day)
        best = sum((max(pool.included_per_seat.values(), default=ZERO) for pool in pools), ZERO)
        for row, units in claimed_units(rows, charge) if best else ():
            yield row, units / best


def _pools_of(charge: Charge, first_day: date) -> list[Pool]:
    """Return the pools of seats that a charge draws on, but for those that ended before."""
    return [
        pool
        for pool in charge.conditions.pools
        if pool.scope == "per_seat" and (pool.ends_on is None or pool.ends_on >= first_day)
    ]


def _seats_left(
    parts: Sequence[Part], free: Mapping[date, Mapping[str, int]], limit: int
) -> Iterator[_Left]:
    """Return what is left of each class, at most `limit` seats; what gives nothing is left out."""
    pooling = [day for part in filter(pools_seats, parts) for day in _days_of(part)]
    for seat_class in sorted({name for seats in free.values() for name in seats}):
        counts = {day: free[day].get(seat_class, 0) for day in pooling}
        known: dict[Days, tuple[Fraction, ...]] = {}
        for number in range(1, min(limit, max(counts.values(), default=0)) + 1):
            days = frozenset(day for day, count in counts.items() if count >= number)
            if days not in known:
                known[days] = _worth(parts, seat_class, days)
            if any(worth := known[days]):
                yield _Left(seat_class, number, days, worth)


def _worth(parts: Sequence[Part], seat_class: str, days: Days) -> tuple[Fraction, ...]:
    """Return what a seat of a class includes on days, pool by pool in the order of the plans."""
    worth: dict[str, Fraction] = {}
    for part in filter(pools_seats, parts):
        number = len(days & frozenset(_days_of(part))) if part.period.due else 0
        for charge in part.plan.pooled_by_seat:
            for pool in _pools_of(charge, parts[0].period.start):
                included = pool.included_per_seat.get(seat_class, ZERO) * number
                worth[pool.key] = worth.get(pool.key, ZERO) + included
    return tuple(worth.values())
