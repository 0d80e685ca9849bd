"""The ladder of an envelope: what happens at which share of a ledger, instead of a cliff.

The default shares are those of notes on degradation in use: each one is a setting.
"""

from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from itertools import pairwise


class Step(StrEnum):
    """What an envelope does, from the mildest to the hardest. A run under way goes on at each."""

    OPEN = "open"
    NOTIFY = "notify"
    """Tell who watches; nothing changes."""
    ADVISE = "advise"
    """Suggest the cheaper model for new runs: also when the forecast goes beyond the ledger."""
    ROUTE = "route"
    """New runs start on the cheaper model."""
    SLOW = "slow"
    """Background work waits, or goes to the batch tier."""
    ASK = "ask"
    """New runs need an approval with a reason and an end."""
    BLOCK = "block"
    """New runs are refused."""

    @property
    def rank(self) -> int:
        """Return how hard a step is, from 0."""
        return list(Step).index(self)


@dataclass(frozen=True)
class Ladder:
    """From which share of a ledger on each step holds; shares are above 0 and do not fall."""

    notify: tuple[Fraction, ...] = (Fraction(1, 2), Fraction(3, 4), Fraction(9, 10), Fraction(1))
    """Each is told once a period; a state is `notify` from the first on."""
    advise: Fraction = Fraction(9, 10)
    route: Fraction = Fraction(1)
    slow: Fraction = Fraction(105, 100)
    ask: Fraction = Fraction(110, 100)
    block: Fraction | None = None
    """None: when the overdraft is used up."""

    def __post_init__(self) -> None:
        rising = [self.advise, self.route, self.slow, self.ask]
        rising += [] if self.block is None else [self.block]
        told = list(self.notify)
        if any(share <= 0 for share in (*told, *rising)) or sorted(told) != told:
            raise ValueError("shares of a ladder are above 0, and do not fall")
        if any(lower > upper for lower, upper in pairwise(rising)):
            raise ValueError("shares of a ladder are above 0, and do not fall")

    def step_at(self, share: Fraction, *, forecast: Fraction | None, overdraft: Fraction) -> Step:
        """Return the hardest step that a share of a ledger has reached.

        `forecast` is the share at the end of the period, None where that is not known.
        """
        block = 1 + overdraft if self.block is None else self.block
        reached = [
            (Step.BLOCK, share >= block),
            (Step.ASK, share >= self.ask),
            (Step.SLOW, share >= self.slow),
            (Step.ROUTE, share >= self.route),
            (Step.ADVISE, share >= self.advise or (forecast is not None and forecast > 1)),
            (Step.NOTIFY, bool(self.notify) and share >= self.notify[0]),
        ]
        return next((step for step, is_reached in reached if is_reached), Step.OPEN)

    def told_at(self, used: Fraction) -> list[Fraction]:
        """Return the shares to tell that a used share has reached."""
        return [share for share in self.notify if share <= used]
