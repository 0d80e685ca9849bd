"""Included pools: what is paid for already, in units or in money.

Pools burn in the order in which a charge names them. A pool that several charges name is one pool;
the charges burn it in the order of the plan. A promotional pool is for usage up to its last day.
"""

from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from fractions import Fraction
from typing import Literal

from services.pricing.domain.periods import Period
from services.pricing.domain.seats import Seats

Measure = Literal["quantity", "amount"]
Scope = Literal["shared", "per_seat"]
Proration = Literal["by_days", "full"]

ZERO = Fraction(0)
SHARED = ""
"""The holder of a pool that belongs to all."""


@dataclass(frozen=True)
class Pool:
    """What is included in a whole period: a fixed part, and a part for each seat by class.

    `shared`: one pool for the subscription; a seat more enlarges it at once. `per_seat`: each seat
    has its own, which nobody else can use, by the days that somebody holds it. `ends_on` is the
    last day, inclusive, whose usage may draw on it. `full`: a period that was cut short, and a seat
    that came late or was held for some days, have all of it.
    """

    key: str
    name: str
    measure: Measure
    included: Fraction = ZERO
    included_per_seat: Mapping[str, Fraction] = field(default_factory=dict)
    scope: Scope = "shared"
    ends_on: date | None = None
    proration: Proration = "by_days"

    def __post_init__(self) -> None:
        if self.scope == "per_seat" and (self.included or self.measure == "amount"):
            raise ValueError("a pool of each seat is a quantity of each seat")
        if self.included < 0 or any(units < 0 for units in self.included_per_seat.values()):
            raise ValueError("a pool holds 0 or more")

    def capacity(self, seats: Seats, period: Period) -> Fraction:
        """Return what the pool holds in a period; nothing once it has ended."""
        if self.ends_on is not None and self.ends_on < period.start:
            return ZERO
        by_days = self.proration == "by_days"
        total = self.included * (period.share if by_days else 1)
        for seat_class, units in self.included_per_seat.items():
            count = seats.paid_periods(seat_class, period) if by_days else seats.count(seat_class)
            total += units * count
        return total

    def capacity_of_seat(
        self, seat_class: str, period: Period, days: int | None = None
    ) -> Fraction:
        """Return what the pool of one seat holds in a period, held for so many days (None: all)."""
        if self.ends_on is not None and self.ends_on < period.start:
            return ZERO
        share = period.share if days is None else Fraction(days, period.whole_days)
        if self.proration == "full":
            share = Fraction(1)
        return self.included_per_seat.get(seat_class, ZERO) * share


@dataclass(frozen=True)
class SeatUsage:
    """What the holder of a seat used on a day, in the unit that pools are measured in."""

    seat: str
    seat_class: str
    usage_day: date
    units: Fraction


@dataclass(frozen=True)
class PoolUse:
    """What a line took from a pool, and what is left in it afterwards."""

    pool: str
    name: str
    measure: Measure
    included: Fraction
    used: Fraction
    remaining: Fraction


Balances = MutableMapping[tuple[str, str], Fraction]
"""(pool, holder) → used so far."""

Dated = tuple[date, Fraction]

SeatDays = Mapping[tuple[str, str], int]
"""(holder, class of the seat) → days on which the seat is held and paid for."""


@dataclass(frozen=True)
class Holding:
    """A period with the seats that enlarge its pools, and what they have used by name.

    `seat_days` say who holds them, of all whose use is told; None: nobody said so, and those who
    used most hold the seats of their class all period long.
    """

    period: Period
    seats: Seats
    seat_usage: tuple[SeatUsage, ...] = ()
    seat_days: SeatDays | None = None

    def capacity(self, pool: Pool) -> Fraction:
        """Return what a pool holds."""
        return pool.capacity(self.seats, self.period)

    def open_to_charge(self, pool: Pool) -> Fraction:
        """Return what of a pool the charge that burns may take, were nothing taken before."""
        return self.capacity(pool)

    @property
    def is_told(self) -> bool:
        """Whether it is known who holds the seats."""
        return self.seat_days is not None

    def capacity_of_seat(self, pool: Pool, seat_class: str, holder: str | None = None) -> Fraction:
        """Return what the pool of a seat holds: for its holder, or (None) for a whole period."""
        days = days_of(self.seat_days, seat_class, holder)
        return pool.capacity_of_seat(seat_class, self.period, days)


def burn(
    pools: Sequence[Pool], used: Sequence[Dated], *, holding: Holding, balances: Balances
) -> list[PoolUse]:
    """Draw what was used, by day, on pools in their order; `balances` keeps what they gave.

    Only usage above 0 in all draws: corrections that outweigh it leave the pools untouched.
    """
    total = max(sum((units for _, units in used), ZERO), ZERO)
    uses = []
    for pool, drawn in zip(pools, _draw(pools, used, holding, balances), strict=True):
        taken = min(drawn, total)
        total -= taken
        balances[pool.key, SHARED] = balances.get((pool.key, SHARED), ZERO) + taken
        capacity = holding.capacity(pool)
        left = capacity - balances[pool.key, SHARED]
        uses.append(PoolUse(pool.key, pool.name, pool.measure, capacity, taken, left))
    return uses


def _draw(
    pools: Sequence[Pool], used: Sequence[Dated], holding: Holding, balances: Balances
) -> list[Fraction]:
    """Return what each pool gives, stretch of days by stretch of days between ends of pools."""
    left = [_left(pool, holding, balances) for pool in pools]
    drawn = [ZERO] * len(pools)
    rest = ZERO
    for last_day, units in _stretches(pools, used):
        rest = min(rest, ZERO) + units
        for place, pool in enumerate(pools):
            if pool.ends_on is None or last_day <= pool.ends_on:
                taken = min(left[place] - drawn[place], max(rest, ZERO))
                drawn[place] += taken
                rest -= taken
    return drawn


def _left(pool: Pool, holding: Holding, balances: Balances) -> Fraction:
    if pool.scope == "per_seat":
        return _given_by_seats(pool, holding)
    left = holding.capacity(pool) - balances.get((pool.key, SHARED), ZERO)
    return max(min(holding.open_to_charge(pool), left), ZERO)


def _given_by_seats(pool: Pool, holding: Holding) -> Fraction:
    """Return what all seats together take from their own pools, each at most what it holds."""
    used: dict[tuple[str, str], Fraction] = {}
    for row in holding.seat_usage:
        if pool.ends_on is None or row.usage_day <= pool.ends_on:
            key = (row.seat_class, row.seat)
            used[key] = used.get(key, ZERO) + row.units
    given = ZERO
    for seat_class in pool.included_per_seat:
        taken = [
            min(max(units, ZERO), holding.capacity_of_seat(pool, seat_class, holder))
            for (held, holder), units in used.items()
            if held == seat_class
        ]
        given += _of_class(pool, seat_class, sorted(taken, reverse=True), holding)
    return given


def _of_class(pool: Pool, seat_class: str, taken: Sequence[Fraction], holding: Holding) -> Fraction:
    """Return what the seats of a class give, of what their holders could take each."""
    count = holding.seats.count(seat_class)
    if not holding.is_told:
        return sum(taken[:count], ZERO)
    total = sum(taken, ZERO)
    if pool.proration == "by_days":
        return total
    # A seat that is handed on within the period gives its units once, however many held it.
    return min(total, holding.capacity_of_seat(pool, seat_class) * count)


def days_of(seat_days: SeatDays | None, seat_class: str, holder: str | None) -> int | None:
    """Return for how many days somebody holds a seat; None: for all of them."""
    if seat_days is None or holder is None:
        return None
    return seat_days.get((holder, seat_class), 0)


def _stretches(pools: Sequence[Pool], used: Sequence[Dated]) -> list[Dated]:
    """Return (last day, units) between the ends of pools, in order of time."""
    ends = sorted({pool.ends_on for pool in pools if pool.ends_on is not None})
    ends.append(date.max)
    sums = dict.fromkeys(ends, ZERO)
    for day, units in used:
        sums[next(end for end in ends if day <= end)] += units
    return list(sums.items())
