"""Who holds the seats of a period, day by day, where pools belong to each seat.

1. Whom the log of assignments names holds a seat of that class on those days.
2. The seats that are left on some days go, for the whole period, to those who used most on days on
   which they hold none, the largest pool first. What they used is measured in pools: of each charge
   with a pool of seats, its units divided by what the best class includes.
3. Everybody else holds none, and usage of nobody in particular (an empty user) never does.

A seat is held for the days that somebody is assigned to it, or that it is left.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from fractions import Fraction

from services.pricing.domain.plan import Plan
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
    days: dict[tuple[str, str], set[date]] = defaultdict(set)
    for day, holders in held.items():
        for holder in holders.items():
            days[holder].add(day)
    taken = _take_left(parts, held, free, used)
    for user, seat in taken.items():
        without = {day for day in seat.days if user not in held[day]}
        days[user, seat.seat_class] |= without
    classes = {user: seat.seat_class for user, seat in taken.items()}
    rows = [_of_holder(row, held[row.usage_day], classes) for row in used]
    found = [row for row in rows if row is not None]
    return [_with_readings(part, found, days) for part in parts]


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


def _of_holder(
    row: UsageOfSeat, held: Mapping[str, str], taken: Mapping[str, str]
) -> UsageOfSeat | None:
    seat_class = held.get(row.seat, taken.get(row.seat))
    return None if seat_class is None else replace(row, seat_class=seat_class)


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
    use: dict[str, Fraction] = defaultdict(Fraction)
    without = [row for row in used if row.seat and row.seat not in held[row.usage_day]]
    for part in filter(pools_seats, parts):
        rows = [row for row in without if part.period.start <= row.usage_day < part.period.end]
        for user, pools in _pools_used(part.plan, rows):
            use[user] += pools
    users = sorted((name for name in use if use[name] > 0), key=lambda name: (-use[name], name))
    left = sorted(
        _seats_left(parts, free, len(users)),
        key=lambda seat: (*(-worth for worth in seat.worth), seat.seat_class, seat.number),
    )
    return dict(zip(users, left, strict=False))


def _pools_used(plan: Plan, rows: Sequence[UsageOfSeat]) -> Iterator[tuple[str, Fraction]]:
    """Return (user, how many times what usage draws on could be filled by it)."""
    for charge in plan.pooled_by_seat:
        pools = (pool for pool in charge.conditions.pools if pool.scope == "per_seat")
        best = sum((max(pool.included_per_seat.values(), default=ZERO) for pool in pools), ZERO)
        for row, units in claimed_units(rows, charge) if best else ():
            yield row.seat, units / best


def _seats_left(
    parts: Sequence[Part], free: Mapping[date, Mapping[str, int]], limit: int
) -> Iterator[_Left]:
    """Return what is left of each class, at most `limit` seats; what gives nothing is left out."""
    due = {day for part in parts if part.period.due for day in _days_of(part)}
    for seat_class in sorted({name for seats in free.values() for name in seats}):
        counts = {day: free[day].get(seat_class, 0) for day in due}
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
        number = len(days & frozenset(_days_of(part)))
        pools = (pool for c in part.plan.pooled_by_seat for pool in c.conditions.pools)
        for pool in pools:
            if pool.scope == "per_seat":
                included = pool.included_per_seat.get(seat_class, ZERO) * number
                worth[pool.key] = worth.get(pool.key, ZERO) + included
    return tuple(worth.values())
