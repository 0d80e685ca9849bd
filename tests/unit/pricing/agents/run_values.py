"""Runs as tests write them, and their sums added up one by one."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from services.pricing.domain.agents.run_sums import OutcomeSums, RunSums
from services.pricing.domain.agents.versions import RunFigures

NAME, SOURCE = "resolved", "measured"


@dataclass(frozen=True)
class Run:
    """A run with its cost in US dollars and its successes."""

    cost: Fraction
    successes: int = 0
    status: str = "completed"
    calls: int = 1
    tokens: int = 100
    priced: bool = True


def run(cost: str | int | Fraction, successes: int = 0, **values: object) -> Run:
    return Run(Fraction(cost), successes, **values)  # type: ignore[arg-type]


def figures_of(runs: Sequence[Run]) -> RunFigures:
    """Return what the database would add up."""
    known = sorted(one.cost for one in runs if one.priced)
    zero = Fraction(0)
    sums = RunSums(
        len(runs),
        statuses={name: sum(one.status == name for one in runs) for name in ("aborted", "failed")},
        unpriced=len(runs) - len(known),
        valued=sum(one.successes > 0 for one in runs),
        calls=sum(one.calls for one in runs),
        tokens=Fraction(sum(one.tokens for one in runs)),
        cost=sum((one.cost for one in runs), zero),
        wasted=sum((one.cost for one in runs if one.status != "completed"), zero),
        priced_cost=sum(known, zero),
        squares=sum((cost**2 for cost in known), zero),
        p50=known[(len(known) * 50 + 99) // 100 - 1] if known else None,
        p95=known[(len(known) * 95 + 99) // 100 - 1] if known else None,
    )
    successes = sum(one.successes for one in runs)
    outcome = OutcomeSums(
        NAME,
        SOURCE,
        outcomes=successes,
        value=Fraction(successes),
        successes=successes,
        runs=sum(one.successes > 0 for one in runs),
        squares=sum(one.successes**2 for one in runs),
        products=sum((one.cost * one.successes for one in runs), zero),
    )
    return RunFigures(sums, [outcome] if successes else [])
