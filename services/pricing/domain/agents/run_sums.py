"""What an agent's runs came to: rates, cost of a run, and of an outcome, with what is uncertain.

Cost of an outcome: all cost of all runs over all outcomes. What failed or was aborted is in it: it
was spent on the way to those that were not.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from services.pricing.domain.agents.ratio import Rate, RatioSums, rate_of
from services.pricing.domain.growth.interval import Interval

ZERO = Fraction(0)
PERCENT = 100
STATED = ("measured", "self_reported", "modelled")
"""Who says what an outcome is worth: values of two are never added up."""

UNSTATED = "unstated"
"""What says none of these."""


@dataclass(frozen=True)
class RunSums:
    """Sums over runs (at least one) that ended in some days; costs in US dollars.

    `unpriced`: runs with usage whose cost nobody knows; they are in no percentile, and of them only
    what has a price is in `cost`. `wasted`: cost of runs that did not complete. `valued`: runs with
    any outcome. `priced_cost` and `squares` are sums over the runs whose cost is known in full, p50
    and p95 their nearest ranks.
    """

    runs: int
    statuses: Mapping[str, int]
    unpriced: int
    valued: int
    calls: int
    tokens: Fraction
    cost: Fraction
    wasted: Fraction
    priced_cost: Fraction
    squares: Fraction
    p50: Fraction | None
    p95: Fraction | None

    @property
    def completed(self) -> int:
        return self.runs - sum(self.statuses.values())

    def rate(self, status: str) -> Rate:
        """Return the share of runs that ended so, with its interval."""
        number = self.completed if status == "completed" else self.statuses.get(status, 0)
        return rate_of(number, self.runs)

    @property
    def priced(self) -> int:
        """How many runs' costs are known in full."""
        return self.runs - self.unpriced

    @property
    def known_cost(self) -> Fraction | None:
        """Return the cost of what has a price; None while nothing has: that is not 0."""
        return self.cost if self.priced or self.cost else None

    @property
    def mean(self) -> Fraction | None:
        """Return the mean cost of the runs whose cost is known."""
        return self.priced_cost / self.priced if self.priced else None

    @property
    def mean_interval(self) -> Interval | None:
        """Return the interval of the mean cost; None for too few runs."""
        return RatioSums(
            *(self.priced, self.priced_cost, Fraction(self.priced)),
            *(self.squares, self.priced_cost, Fraction(self.priced)),
        ).interval(self.priced)

    @property
    def waste(self) -> Fraction | None:
        """Return the share of cost in runs that did not complete, in percent."""
        return self.wasted / self.cost * PERCENT if self.cost else None

    @property
    def valued_share(self) -> Fraction:
        """Return the share of runs that have any outcome, in percent."""
        return Fraction(self.valued, self.runs) * PERCENT


@dataclass(frozen=True)
class OutcomeSums:
    """Outcomes of one name and one kind of source, over the runs of a `RunSums`.

    `successes`: those told by calls that completed, in `runs` of the runs. `squares`: sum over runs
    of their successes squared; `products`: of cost times successes.
    """

    name: str
    source: str
    outcomes: int
    value: Fraction
    successes: int
    runs: int
    squares: int
    products: Fraction

    def cost(self, of: RunSums) -> "OutcomeRatio | None":
        """Return what a success cost; None without any, or while no cost is known.

        While a run has usage without a price it costs so much at least, and no interval is told.
        """
        if self.successes <= 0 or of.known_cost is None:
            return None
        sums = RatioSums(
            *(of.runs, of.cost, Fraction(self.successes)),
            *(of.squares, self.products, Fraction(self.squares)),
        )
        return OutcomeRatio(sums.ratio, None if of.unpriced else sums.interval(self.runs))


@dataclass(frozen=True)
class OutcomeRatio:
    """Cost of an outcome in US dollars; `interval` None: too few runs to say, or cost unknown."""

    estimate: Fraction
    interval: Interval | None
