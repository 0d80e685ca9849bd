"""HTTP models of what agents' runs cost and brought, by agent and by version."""

from collections.abc import Mapping
from datetime import datetime
from fractions import Fraction
from typing import Literal

from pydantic import BaseModel, Field

from services.pricing.domain.agents.ratio import RUNS_MIN, Rate
from services.pricing.domain.agents.run_sums import OutcomeSums, RunSums
from services.pricing.domain.agents.versions import Anomaly, Factor, RunFigures, Version
from services.pricing.domain.growth.shown import shown
from services.pricing.schemas.growth.growth import Shown

VERSIONS_SHOWN = 20
OUTCOMES_SHOWN = 50
PERCENT = 100

INTERVALS = (
    "95 %. Shares of runs: Wilson's score interval. Cost of an outcome, mean cost of a run: ratio "
    f"estimator over runs, linearised variance, Student's t; null below {RUNS_MIN} runs (with an "
    "outcome), or while a run has usage without a price. Runs are taken for independent."
)
BIASES = (
    "survivorship: runs and agents that were given up are missing where nobody metered them",
    "selection: who uses an agent, and for which tasks, was not chosen by lot",
    "attribution: an outcome counts for the run that tells it, whoever else had a part in it",
    "own calls: what sub-agents cost on the way to an outcome stands with them, see a run's tree",
    "an outcome that is self-reported or modelled is a claim, and no measurement",
)

Source = Literal["measured", "self_reported", "modelled", "unstated"]


class QuantityRead(BaseModel):
    kind: str
    quantity: Shown


class RateRead(BaseModel):
    """A share of runs in percent, with the bounds of its 95 % interval."""

    percent: Shown
    lower: Shown
    upper: Shown


class RunOutcomeRead(BaseModel):
    """Outcomes of one name from one kind of source; those of two sources are never added up."""

    name: str
    source: Source
    outcomes: int = Field(description="all that were told, by calls that failed too")
    successful: int = Field(description="told by calls that completed")
    value: Shown = Field(description="sum of what they are said to be worth")
    cost_per_outcome: Shown | None = Field(
        description="all cost of all runs over the successful ones; at least so much while"
        " `cost_complete` is false"
    )
    lower: Shown | None
    upper: Shown | None


class RunsRead(BaseModel):
    """Runs that ended in some days; a run's status is that of its latest event. US dollars."""

    runs: int
    success: RateRead
    aborted: RateRead
    failed: RateRead
    cost: Shown | None = Field(description="of what has a price; null: nothing has")
    cost_complete: bool = Field(description="whether all usage of all runs has a price")
    runs_unpriced: int = Field(description="in no percentile and no mean")
    unpriced: list[QuantityRead] = Field(description="whose cost nobody knows, of all versions")
    cost_p50: Shown | None = Field(description="the nearest rank, over runs whose cost is known")
    cost_p95: Shown | None
    cost_mean: Shown | None
    mean_lower: Shown | None
    mean_upper: Shown | None
    waste_percent: Shown | None = Field(description="of cost in runs that did not complete")
    calls_per_run: Shown
    tokens_per_run: Shown
    valued_percent: Shown = Field(description="of runs that have any outcome")
    outcomes: list[RunOutcomeRead] = Field(description=f"at most {OUTCOMES_SHOWN}")


class FactorRead(BaseModel):
    """What a cost is a product of; `ratio` null: it was 0 before."""

    name: str
    before: Shown
    after: Shown
    ratio: Shown | None


class AnomalyRead(BaseModel):
    """A version whose cost lies outside the interval of the version before it."""

    against: str = Field(description="the version before it, of those with enough runs")
    outcome: str | None = Field(description="null: by the cost of a run")
    source: Source | None
    cost: Shown | None = Field(description="of an outcome, or of a run; null: it brought none")
    lower: Shown = Field(description="of the version before it")
    upper: Shown
    driver: FactorRead = Field(description="what moved it most in the direction in which it went")
    factors: list[FactorRead] = Field(description="their ratios multiply to that of the costs")


class VersionRead(BaseModel):
    """A version of an agent, the tag `agent_version` of its events."""

    version: str = Field(description="empty: events name none")
    first_at: datetime
    last_at: datetime
    runs: RunsRead | None
    runs_before: RunsRead | None
    anomalies: list[AnomalyRead]


def runs_read(figures: RunFigures | None) -> RunsRead | None:
    """Return figures as they are shown."""
    if figures is None:
        return None
    sums = figures.sums
    mean = sums.mean_interval
    return RunsRead(
        runs=sums.runs,
        success=_rate(sums.rate("completed")),
        aborted=_rate(sums.rate("aborted")),
        failed=_rate(sums.rate("failed")),
        cost=maybe(sums.known_cost),
        cost_complete=not sums.unpriced,
        runs_unpriced=sums.unpriced,
        unpriced=quantities(figures.unpriced),
        cost_p50=maybe(sums.p50),
        cost_p95=maybe(sums.p95),
        cost_mean=maybe(sums.mean),
        mean_lower=mean and shown(mean.lower),
        mean_upper=mean and shown(mean.upper),
        waste_percent=maybe(sums.waste),
        calls_per_run=shown(Fraction(sums.calls, sums.runs)),
        tokens_per_run=shown(sums.tokens / sums.runs),
        valued_percent=shown(sums.valued_share),
        outcomes=[_outcome(one, sums) for one in figures.outcomes[:OUTCOMES_SHOWN]],
    )


def version_read(version: Version) -> VersionRead:
    """Return a version as it is shown."""
    return VersionRead(
        version=version.name,
        first_at=version.first_at,
        last_at=version.last_at,
        runs=runs_read(version.now),
        runs_before=runs_read(version.before),
        anomalies=[_anomaly(one) for one in version.anomalies],
    )


def quantities(by_kind: Mapping[str, Fraction]) -> list[QuantityRead]:
    """Return quantities by kind, in the order of the kinds."""
    return [QuantityRead(kind=kind, quantity=shown(by_kind[kind])) for kind in sorted(by_kind)]


def maybe(amount: Fraction | None) -> str | None:
    return None if amount is None else shown(amount)


def _rate(rate: Rate) -> RateRead:
    return RateRead(
        percent=shown(rate.share * PERCENT),
        lower=shown(rate.interval.lower * PERCENT),
        upper=shown(rate.interval.upper * PERCENT),
    )


def _outcome(outcome: OutcomeSums, of: RunSums) -> RunOutcomeRead:
    cost = outcome.cost(of)
    interval = None if cost is None else cost.interval
    return RunOutcomeRead.model_validate(
        {
            "name": outcome.name,
            "source": outcome.source,
            "outcomes": outcome.outcomes,
            "successful": outcome.successes,
            "value": shown(outcome.value),
            "cost_per_outcome": cost and shown(cost.estimate),
            "lower": interval and shown(interval.lower),
            "upper": interval and shown(interval.upper),
        }
    )


def _anomaly(anomaly: Anomaly) -> AnomalyRead:
    name, source = anomaly.outcome or (None, None)
    return AnomalyRead.model_validate(
        {
            "against": anomaly.against,
            "outcome": name,
            "source": source,
            "cost": maybe(anomaly.cost),
            "lower": shown(anomaly.interval.lower),
            "upper": shown(anomaly.interval.upper),
            "driver": _factor(anomaly.driver),
            "factors": [_factor(one) for one in anomaly.factors],
        }
    )


def _factor(factor: Factor) -> FactorRead:
    return FactorRead(
        name=factor.name,
        before=shown(factor.before),
        after=shown(factor.after),
        ratio=maybe(factor.ratio),
    )
