"""Pools over the parts of a period: what each part includes, by days, in one pool of its key."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from services.pricing.domain.charges.price import Situation
from services.pricing.domain.periods import Period
from services.pricing.domain.pools import ZERO, Holding, Pool

Stock = tuple[Situation, Mapping[str, Pool]]
"""A part with the pools that its charge names, by key."""


@dataclass(frozen=True)
class SplitHolding(Holding):
    """A holding whose pools are filled by parts; a part whose charge has none adds nothing.

    `proration: full` means that the whole amount is there, however long: here each part adds its
    share of the days that are due.
    """

    stocks: tuple[Stock, ...] = ()

    def capacity(self, pool: Pool) -> Fraction:
        """Return what the pool of this key holds over all parts."""
        return self._added(pool, lambda found, s: found.capacity(s.seats, s.period))

    def capacity_of_seat(self, pool: Pool, seat_class: str) -> Fraction:
        """Return what the pool of one seat holds over all parts."""
        return self._added(pool, lambda found, s: found.capacity_of_seat(seat_class, s.period))

    def _added(self, pool: Pool, capacity: Callable[[Pool, Situation], Fraction]) -> Fraction:
        total = ZERO
        for situation, pools in self.stocks:
            found = pools.get(pool.key)
            if found is None or (found.ends_on is not None and found.ends_on < self.period.start):
                continue
            open_ended = replace(found, ends_on=None)
            if found.proration == "full":
                full = replace(situation, seats=self.seats)
                total += capacity(open_ended, full) * self._share_of(situation.period)
            else:
                total += capacity(open_ended, situation)
        return total

    def _share_of(self, period: Period) -> Fraction:
        """Return the part of all days due that a period is."""
        due = sum(s.period.days for s, _ in self.stocks if s.period.due)
        return Fraction(period.days, due) if period.due else ZERO


def merged_pools(stocks: Sequence[Stock]) -> tuple[Pool, ...]:
    """Return every pool once, as the last part knows it: its own in their order, then others."""
    merged: dict[str, Pool] = {}
    for _, pools in reversed(stocks):
        for key, pool in pools.items():
            merged.setdefault(key, pool)
    return tuple(merged.values())
