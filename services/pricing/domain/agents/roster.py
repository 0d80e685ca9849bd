"""What an agent used and cost over some days, and what an outcome of it cost.

Cost of an outcome: all cost over all outcomes. What failed or was aborted is in it: it was spent on
the way to those that were not.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from fractions import Fraction
from typing import Any

from services.pricing.domain.growth.interval import Interval, jackknife
from services.pricing.domain.growth.kinds import TOKEN_PARTS

ZERO = Fraction(0)
PERCENT = 100
INPUTS = ("fresh_input", "cache_read", "cache_write")
OUTPUTS = ("output", "reasoning")
DAYS_MIN = 2


@dataclass(frozen=True)
class AgentDay:
    """What an agent used of a kind on a day; `cost` None: nobody knows it."""

    day: date
    kind: str
    model: str
    status: str
    purpose: str
    quantity: Fraction
    cost: Fraction | None


@dataclass
class AgentUse:
    """What an agent came to in some days; tokens by part, by status, by purpose and by model.

    `unpriced` is by kind what nobody knows the cost of, and what is in no cost.
    """

    parts: dict[str, Fraction] = field(default_factory=lambda: defaultdict(Fraction))
    statuses: dict[str, Fraction] = field(default_factory=lambda: defaultdict(Fraction))
    purposes: dict[str, Fraction] = field(default_factory=lambda: defaultdict(Fraction))
    models: dict[str, Fraction] = field(default_factory=lambda: defaultdict(Fraction))
    tokens_of_days: dict[date, Fraction] = field(default_factory=lambda: defaultdict(Fraction))
    costs: dict[date, Fraction] = field(default_factory=lambda: defaultdict(Fraction))
    outcomes: dict[date, Fraction] = field(default_factory=lambda: defaultdict(Fraction))
    unpriced: dict[str, Fraction] = field(default_factory=lambda: defaultdict(Fraction))

    def add(self, used: AgentDay, outcome: str | None) -> None:
        """Add usage; `outcome` is the kind that counts outcomes, if any does."""
        if used.kind == outcome:
            self.outcomes[used.day] += used.quantity
        elif used.cost is None:
            self.unpriced[used.kind] += used.quantity
        if used.cost is not None:
            self.costs[used.day] += used.cost
        part = TOKEN_PARTS.get(used.kind)
        if part is None:
            return
        self.tokens_of_days[used.day] += used.quantity
        for sums, name in (
            (self.parts, part),
            (self.statuses, used.status),
            (self.purposes, used.purpose),
            (self.models, used.model),
        ):
            sums[name] += used.quantity

    @property
    def tokens(self) -> Fraction:
        return _added(self.parts)

    @property
    def cost(self) -> Fraction:
        """Return the cost in US dollars of what has a price."""
        return _added(self.costs)

    @property
    def active_days(self) -> int:
        return sum(tokens > 0 for tokens in self.tokens_of_days.values())

    @property
    def cache_hits(self) -> Fraction | None:
        """Return the share of input that was read from a cache, in percent."""
        return _share(self.parts, ("cache_read",), INPUTS)

    @property
    def reasoning(self) -> Fraction | None:
        """Return the share of output that was reasoning, in percent."""
        return _share(self.parts, ("reasoning",), OUTPUTS)

    def share_of_status(self, status: str) -> Fraction | None:
        """Return the share of tokens in calls that ended so, in percent."""
        return _share(self.statuses, (status,), self.statuses)

    def outcome_cost(self) -> "OutcomeCost | None":
        """Return what an outcome cost; None without any."""
        number = _added(self.outcomes)
        if number <= 0:
            return None
        return OutcomeCost(number, self.cost / number, self._interval(number))

    def _interval(self, number: Fraction) -> Interval | None:
        """Return the interval that leaves out one day at a time, of all days with any usage.

        What costs nothing at least is not told to cost less.
        """
        days = sorted(self.costs.keys() | self.outcomes.keys())
        without = [
            (self.cost - self.costs.get(day, ZERO)) / rest
            for day in days
            if (rest := number - self.outcomes.get(day, ZERO)) > 0
        ]
        estimate = self.cost / number
        if len(days) < DAYS_MIN or len(without) < len(days) or set(without) == {estimate}:
            return None
        found = jackknife(estimate, without, freedom=len(days) - 1)
        return Interval(max(found.lower, ZERO), found.upper)


@dataclass(frozen=True)
class OutcomeCost:
    """Cost of an outcome in US dollars, of so many; `interval` None: too few days to say."""

    outcomes: Fraction
    estimate: Fraction
    interval: Interval | None


def _added(sums: Mapping[Any, Fraction]) -> Fraction:
    return sum(sums.values(), ZERO)


def _share(
    sums: Mapping[str, Fraction], some: Iterable[str], whole: Iterable[str]
) -> Fraction | None:
    total = sum((sums.get(name, ZERO) for name in whole), ZERO)
    own = sum((sums.get(name, ZERO) for name in some), ZERO)
    return own / total * PERCENT if total > 0 else None
