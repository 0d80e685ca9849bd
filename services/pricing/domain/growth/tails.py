"""Heavy tails: what the mean of a few large and many small units does not say."""

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

TENTH = 10


@dataclass(frozen=True)
class Tail:
    """How amounts (0 or more, of at least one unit) are distributed.

    `top_decile_share`: of the largest tenth of the units, rounded up, in percent. `gini`: 0 where
    all have the same, towards 1 where one has all.
    """

    mean: Fraction
    median: Fraction
    top_decile_share: Fraction
    gini: Fraction


def tail_of(amounts: Iterable[Fraction]) -> Tail | None:
    """Return how amounts are distributed; None of nothing."""
    rising = sorted(amounts)
    number, total = len(rising), sum(rising, Fraction(0))
    if not total:
        return None
    middle = (rising[(number - 1) // 2] + rising[number // 2]) / 2
    tenth = (number + TENTH - 1) // TENTH
    top = sum(rising[-tenth:], Fraction(0))
    ranked = sum(
        ((2 * rank - number - 1) * amount for rank, amount in enumerate(rising, start=1)),
        Fraction(0),
    )
    return Tail(total / number, middle, top / total * 100, ranked / (number * total))
