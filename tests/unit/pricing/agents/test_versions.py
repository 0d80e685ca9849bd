"""Versions of an agent: which of them cost other than the one before, and what moved it."""

from datetime import UTC, datetime, timedelta
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.pricing.domain.agents.versions import RunFigures, Version, anomalies_of

from .run_values import NAME, SOURCE, Run, figures_of, run

AT = datetime(2023, 12, 5, tzinfo=UTC)


def version(name: str, now: RunFigures | None, before: RunFigures | None = None) -> Version:
    at = AT + timedelta(days=len(name))
    return Version(name, at, at, now, before)


STEADY = [run(cost, 1, calls=2, tokens=100) for cost in ("0.9", "1.1")] * 10
"""A dollar for an outcome, give or take 0.048."""


@pytest.mark.parametrize(
    ("later", "driver"),
    [
        ([run("1.5", 1, calls=3, tokens=150)] * 10, "calls_per_run"),
        ([run("1.5", 1, calls=2, tokens=150)] * 10, "tokens_per_call"),
        ([run("1.5", 1, calls=2, tokens=100)] * 10, "cost_per_million_tokens"),
        ([run(1, n % 2, calls=2, tokens=100) for n in range(40)], "runs_per_outcome"),
        ([run("0.5", 1, calls=1, tokens=50)] * 10, "calls_per_run"),
        ([run(1, calls=2, tokens=100)] * 10, "outcomes_per_run"),
    ],
)
def test_what_moved_the_cost_is_named(later: list[Run], driver: str) -> None:
    """The factor that changed, where one alone did; also towards less, also to no outcome."""
    (found,) = anomalies_of(version("2", figures_of(later)), [version("1", figures_of(STEADY))])

    assert ("1", (NAME, SOURCE), driver) == (found.against, found.outcome, found.driver.name)


def test_the_driver_goes_the_way_of_the_cost() -> None:
    """Calls a quarter, tokens of a call and their price 2.5 times: the cost rose in spite of them.

    1.5625 dollars a run; calls changed by the larger factor, and not in this direction.
    """
    later = figures_of([run("1.5625", 1, calls=1, tokens=625)] * 10)
    earlier = figures_of([run(cost, 1, calls=4, tokens=1000) for cost in ("0.9", "1.1")] * 10)

    (found,) = anomalies_of(version("2", later), [version("1", earlier)])

    assert "calls_per_run" != found.driver.name
    assert {"calls_per_run": Fraction(1, 4), "tokens_per_call": Fraction(5, 2)}.items() <= {
        factor.name: factor.ratio for factor in found.factors
    }.items()


def test_what_lies_within_is_no_anomaly() -> None:
    """1.04 lies within 1 +- 0.048, 1.06 does not."""
    earlier = [version("1", figures_of(STEADY))]

    within, outside = (figures_of([run(cost, 1)] * 10) for cost in ("1.04", "1.06"))

    assert [] == anomalies_of(version("2", within), earlier)
    assert 1 == len(anomalies_of(version("2", outside), earlier))


def test_without_outcomes_runs_are_compared() -> None:
    """The mean cost of a run against the interval of the version before."""
    earlier = figures_of([run(one.cost, calls=2) for one in STEADY])
    later = figures_of([run(2, 1, calls=2)] * 10)

    (found,) = anomalies_of(version("2", later), [version("1", earlier)])

    assert found.outcome is None
    assert found.cost == 2
    assert "cost_per_million_tokens" == found.driver.name


def test_units_without_tokens_are_compared_by_call() -> None:
    """Where a version uses no tokens, the price of a call stands for theirs."""
    earlier = figures_of([run(one.cost, tokens=0) for one in STEADY])

    (found,) = anomalies_of(version("2", figures_of([run(2)] * 10)), [version("1", earlier)])

    assert "cost_per_call" == found.driver.name


def test_little_is_compared_with_nothing() -> None:
    """Nine runs, usage without a price, and nothing before: nothing is said."""
    earlier = [version("1", figures_of(STEADY))]
    few, unpriced = [run(9, 1)] * 9, [run(9, 1, priced=False)] * 10

    assert [[], [], [], []] == [
        anomalies_of(version("2", figures_of(few)), earlier),
        anomalies_of(version("2", figures_of(unpriced)), earlier),
        anomalies_of(version("2", figures_of([run(9, 1)] * 10)), []),
        anomalies_of(version("2", None, figures_of([run(9, 1)] * 10)), earlier),
    ]


def test_the_version_before_may_be_of_the_days_before() -> None:
    """The last one with enough runs counts, by the newest of its figures; few runs are no past."""
    gone = version("1", None, figures_of(STEADY))
    tried = version("2", figures_of([run(5, 1)] * 3))

    (found,) = anomalies_of(version("3", figures_of([run(2, 1)] * 10)), [gone, tried])

    assert "1" == found.against


COSTS = st.fractions(Fraction(1, 100), 100, max_denominator=100)
SIDES = st.lists(
    st.builds(Run, COSTS, st.just(1), calls=st.integers(1, 9), tokens=st.integers(1, 10**6)),
    min_size=10,
    max_size=20,
)


@given(SIDES, SIDES)
@settings(max_examples=60, deadline=None)
def test_the_factors_multiply_to_the_change(earlier: list[Run], later: list[Run]) -> None:
    """Nothing of a change is left over."""
    before, after = figures_of(earlier), figures_of(later)
    for found in anomalies_of(version("2", after), [version("1", before)]):
        product = Fraction(1)
        for factor in found.factors:
            product *= factor.ratio or 0
        was = before.outcomes[0].cost(before.sums)
        assert was is not None
        assert found.cost == was.estimate * product
