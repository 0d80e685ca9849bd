"""One charge over the parts of a period.

Everything is a function of what has been used so far, and a part adds what that function has
grown by: so parts of one version sum to what the whole period would have come to, exactly.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import accumulate

from services.pricing.domain.conditions import Conditions
from services.pricing.domain.draft import Draft
from services.pricing.domain.pools import Pool
from services.pricing.domain.readings import seat_usage_of
from services.pricing.domain.split.holding import SplitHolding, Stock, merged_pools
from services.pricing.domain.step import Step
from shared.money import sum_exact

ZERO = Fraction(0)


@dataclass
class Joint:
    """`pieces` are the charge in each part, in the order of time; `whole` is the line.

    `book` are all parts of the charge's price book with the pools that their charges name. `priced`
    is what the price of each piece came to, before anything on the whole.
    """

    pieces: list[Draft]
    whole: Draft
    book: tuple[Stock, ...]
    priced: list[Fraction] = field(default_factory=list)

    @property
    def conditions(self) -> list[tuple[Conditions, Fraction]]:
        """What stands around the price in each part, with the part's share of the period."""
        return [(p.charge.conditions, p.situation.period.share) for p in self.pieces]

    def add(self, piece: Draft, steps: Sequence[Step]) -> None:
        """Put the steps of a part on the line, with its days."""
        period = piece.situation.period
        days = f"{period.start} to {period.last_day}: " if len(self.pieces) > 1 else ""
        self.whole.add([Step(s.step, days + s.description, s.amount) for s in steps])

    def portion(self, chosen: Sequence[bool]) -> Fraction:
        """Return which part of the line the chosen pieces are, by what their price came to."""
        total = sum_exact(self.priced)
        if all(chosen) or not total:
            return Fraction(int(all(chosen)))
        return sum_exact([p for p, one in zip(self.priced, chosen, strict=True) if one]) / total

    def stocks(self) -> list[Stock]:
        """Return each part with the pools that its charge names."""
        return [
            (p.situation, {pool.key: pool for pool in p.charge.conditions.pools})
            for p in self.pieces
        ]

    def pools(self) -> tuple[Pool, ...]:
        """Return the pools of all parts, each key once."""
        return merged_pools(self.stocks())

    def holding(self, through: int) -> SplitHolding:
        """Return the pools of all parts, with what seats used in the first `through` of them."""
        usage = tuple(
            row
            for piece in self.pieces[:through]
            for row in seat_usage_of(piece.readings.usage_of_seats, piece.charge)
        )
        situations = [piece.situation for piece in self.pieces]
        held = [s.seats for s in situations if s.period.due] or [situations[-1].seats]
        stocks = tuple(self.stocks())
        days = tuple(piece.readings.seat_days for piece in self.pieces)
        return SplitHolding(
            situations[0].period, held[-1], usage, stocks=stocks, book=self.book, held=days
        )


def grown(values: Sequence[Fraction]) -> list[Fraction]:
    """Return by how much each value exceeds the one before it; the first exceeds 0."""
    return [now - before for before, now in zip([ZERO, *values], values, strict=False)]


def so_far(values: Sequence[Fraction]) -> list[Fraction]:
    """Return the running sum."""
    return list(accumulate(values))
