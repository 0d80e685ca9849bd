"""Pools over the parts of a period: what each part includes, by days, in one pool of its key."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from services.pricing.domain.charges.price import Situation
from services.pricing.domain.periods import Period
from services.pricing.domain.pools import ZERO, Holding, Pool, SeatDays, days_of

Stock = tuple[Situation, Mapping[str, Pool]]
"""A part with the pools that its charge names, by key."""

Capacity = Callable[[Pool, Situation, int], Fraction]
"""What a pool holds in a part; the number is the place of the part."""


@dataclass(frozen=True)
class SplitHolding(Holding):
    """A holding whose pools are filled by parts.

    `stocks` are the parts of the charge that burns: one in which it names no pool adds nothing to
    what is open to it. `book` are the parts of the period with the pools that any charge of theirs
    names, which are what a pool holds. `held` are the days of seats in each of the `stocks`.
    `proration: full` means that the whole amount is there, however long: here each part adds its
    share of the days that are due.
    """

    stocks: tuple[Stock, ...] = ()
    book: tuple[Stock, ...] = ()
    held: tuple[SeatDays | None, ...] = ()

    @property
    def is_told(self) -> bool:
        """Whether it is known who holds the seats."""
        return any(days is not None for days in self.held)

    def capacity(self, pool: Pool) -> Fraction:
        """Return what the pool of this key holds over all parts, for all charges together."""
        naming = [stock for stock in self.book if pool.key in stock[1]]
        return self._added(naming, pool, lambda found, s, _: found.capacity(s.seats, s.period))

    def open_to_charge(self, pool: Pool) -> Fraction:
        """Return what the parts in which the charge names the pool hold."""
        return self._added(self.stocks, pool, lambda found, s, _: found.capacity(s.seats, s.period))

    def capacity_of_seat(self, pool: Pool, seat_class: str, holder: str | None = None) -> Fraction:
        """Return what the pool of a seat holds over all parts, or in those of its holder."""

        def capacity(found: Pool, situation: Situation, place: int) -> Fraction:
            days = days_of(self.held[place], seat_class, holder)
            return found.capacity_of_seat(seat_class, situation.period, days)

        return self._added(self.stocks, pool, capacity)

    def _added(self, stocks: Sequence[Stock], pool: Pool, capacity: Capacity) -> Fraction:
        total = ZERO
        for place, (situation, pools) in enumerate(stocks):
            found = pools.get(pool.key)
            if found is None or (found.ends_on is not None and found.ends_on < self.period.start):
                continue
            open_ended = replace(found, ends_on=None)
            if found.proration == "full":
                full = replace(situation, seats=self.seats)
                total += capacity(open_ended, full, place) * _share_of(situation.period, stocks)
            else:
                total += capacity(open_ended, situation, place)
        return total


def _share_of(period: Period, stocks: Sequence[Stock]) -> Fraction:
    """Return the part of all days due that a period is."""
    due = sum(s.period.days for s, _ in stocks if s.period.due)
    return Fraction(period.days, due) if period.due else ZERO


def merged_pools(stocks: Sequence[Stock]) -> tuple[Pool, ...]:
    """Return every pool once, as the last part knows it: its own in their order, then others."""
    merged: dict[str, Pool] = {}
    for _, pools in reversed(stocks):
        for key, pool in pools.items():
            merged.setdefault(key, pool)
    return tuple(merged.values())
