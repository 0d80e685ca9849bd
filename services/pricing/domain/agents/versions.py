"""Versions of an agent side by side, and those whose costs moved more than chance explains."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction
from typing import NamedTuple

from services.pricing.domain.agents.ratio import RUNS_MIN
from services.pricing.domain.agents.run_sums import OutcomeSums, RunSums
from services.pricing.domain.growth.interval import Interval

ZERO, ONE = Fraction(0), Fraction(1)
MILLION = 1_000_000

Outcome = tuple[str, str]
"""(name, source)."""


@dataclass(frozen=True)
class RunFigures:
    """Runs of an agent, or of one of its versions, and what came of them."""

    sums: RunSums
    outcomes: Sequence[OutcomeSums] = ()
    unpriced: Mapping[str, Fraction] = field(default_factory=dict)


class Factor(NamedTuple):
    """What a cost is a product of, in the earlier and in the later version."""

    name: str
    before: Fraction
    after: Fraction

    @property
    def ratio(self) -> Fraction | None:
        """Return how many times as much it is; None where it was 0 and is not."""
        if self.before == self.after:
            return ONE
        return self.after / self.before if self.before else None


@dataclass(frozen=True)
class Anomaly:
    """A version that costs other than the one before it, beyond that one's interval.

    `outcome` None: by the cost of a run. `cost` None: it brought no outcome at all. The product of
    the factors' ratios is that of the costs; the driver is the one that moved it most its way.
    """

    against: str
    outcome: Outcome | None
    cost: Fraction | None
    interval: Interval
    factors: Sequence[Factor]
    driver: Factor


@dataclass(frozen=True)
class Version:
    """A version with its runs in the days that are asked for and in those before.

    `name` empty: runs whose events name none. It is then no version, and compared with none.
    """

    name: str
    first_at: datetime
    last_at: datetime
    now: RunFigures | None
    before: RunFigures | None
    anomalies: Sequence[Anomaly] = ()

    @property
    def newest(self) -> RunFigures | None:
        """Return its figures in the days that are asked for, else in those before."""
        return self.now or self.before


def anomalies_of(version: Version, earlier: Sequence[Version]) -> list[Anomaly]:
    """Return where a version differs from the one before it, of those with enough runs.

    By each outcome that both could have; by the cost of a run where the earlier one had none.
    """
    if version.now is None or not _tells(version.now.sums):
        return []
    for one in reversed(earlier):
        figures = one.newest
        if figures is not None and _tells(figures.sums):
            return list(_compared(one.name, figures, version.now))
    return []


def _tells(sums: RunSums) -> bool:
    return sums.runs >= RUNS_MIN and not sums.unpriced


def _compared(name: str, earlier: RunFigures, later: RunFigures) -> Iterator[Anomaly]:
    own = {(one.name, one.source): one for one in later.outcomes}
    by_outcome = False
    for outcome in earlier.outcomes:
        ratio = outcome.cost(earlier.sums)
        if ratio is None or ratio.interval is None:
            continue
        by_outcome = True
        key = (outcome.name, outcome.source)
        cost = own[key].cost(later.sums) if key in own else None
        before = Fraction(outcome.successes, earlier.sums.runs)
        factors = list(_factors(earlier.sums, later.sums))
        if cost is None:
            driver = Factor("outcomes_per_run", before, ZERO)
            yield Anomaly(name, key, None, ratio.interval, factors, driver)
        elif _outside(cost.estimate, ratio.interval):
            after = Fraction(own[key].successes, later.sums.runs)
            factors.append(Factor("runs_per_outcome", 1 / before, 1 / after))
            driver = _driver(factors, dearer=cost.estimate > ratio.estimate)
            yield Anomaly(name, key, cost.estimate, ratio.interval, factors, driver)
    if not by_outcome:
        yield from _compared_by_run(name, earlier.sums, later.sums)


def _compared_by_run(name: str, earlier: RunSums, later: RunSums) -> Iterator[Anomaly]:
    before, after, interval = earlier.mean, later.mean, earlier.mean_interval
    if before is None or after is None or interval is None or not _outside(after, interval):
        return
    factors = list(_factors(earlier, later))
    yield Anomaly(name, None, after, interval, factors, _driver(factors, dearer=after > before))


def _outside(cost: Fraction, interval: Interval) -> bool:
    return not interval.lower <= cost <= interval.upper


def _factors(earlier: RunSums, later: RunSums) -> Iterator[Factor]:
    """Yield what the cost of a run is the product of; runs have a call at least."""
    both = (earlier, later)
    yield Factor("calls_per_run", *(Fraction(one.calls, one.runs) for one in both))
    if not earlier.tokens or not later.tokens:
        yield Factor("cost_per_call", *(one.cost / one.calls for one in both))
        return
    yield Factor("tokens_per_call", *(one.tokens / one.calls for one in both))
    yield Factor("cost_per_million_tokens", *(one.cost / one.tokens * MILLION for one in both))


def _driver(factors: Sequence[Factor], *, dearer: bool) -> Factor:
    """Return the factor that moved a cost most in the direction in which it went."""
    endless = [one for one in factors if one.ratio is None]
    if endless:
        return endless[0]
    ordered = sorted(factors, key=lambda one: one.ratio or Fraction(0))
    return ordered[-1] if dearer else ordered[0]
