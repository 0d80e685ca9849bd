"""Rates of runs, what a run and an outcome cost, and the intervals around all of them."""

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.pricing.domain.agents.ratio import RUNS_MIN, rate_of
from services.pricing.domain.growth.interval import Interval, quantile

from .run_values import Run, figures_of, run

CLOSE = Fraction(1, 10**4)


def is_close(interval: Interval | None, lower: str, upper: str) -> bool:
    assert interval is not None
    ends = (interval.lower - Fraction(lower), interval.upper - Fraction(upper))
    return all(abs(end) < CLOSE for end in ends)


@pytest.mark.parametrize(
    ("number", "runs", "lower", "upper"),
    [(8, 10, "0.4902", "0.9433"), (0, 10, "0", "0.2775"), (10, 10, "0.7225", "1")],
)
def test_rates_by_the_tables(number: int, runs: int, lower: str, upper: str) -> None:
    """Wilson's interval as textbooks have it: also of none and of all it is no point."""
    rate = rate_of(number, runs)

    assert Fraction(number, runs) == rate.share
    assert is_close(rate.interval, lower, upper)


def test_the_cost_of_an_outcome_by_hand() -> None:
    """Ten runs for 1 dollar with an outcome each, two that failed for as much: 12 / 10 = 1.2.

    The squares are 10 x 0.2^2 + 2 x 1^2 = 2.4; times 12 / 11 over 10^2 it is 0.0261818, its root
    0.161808; Student's t of 11 degrees of freedom is 2.201: 0.356140 to either side.
    """
    figures = figures_of([run(1, 1)] * 10 + [run(1, status="failed")] * 2)

    (outcome,) = figures.outcomes
    cost = outcome.cost(figures.sums)

    assert cost is not None
    assert Fraction("1.2") == cost.estimate
    assert is_close(cost.interval, "0.84386", "1.55614")
    assert Fraction(100, 6) == figures.sums.waste
    assert [Fraction(10, 12), 0, Fraction(2, 12)] == [
        figures.sums.rate(status).share for status in ("completed", "aborted", "failed")
    ]


def test_what_failed_is_paid_by_what_succeeded() -> None:
    """Without the runs that failed an outcome would seem to cost 1 and not 1.2."""
    succeeded = figures_of([run(1, 1)] * 10)

    cost = succeeded.outcomes[0].cost(succeeded.sums)

    assert cost is not None
    assert 1 == cost.estimate


def test_the_mean_cost_of_a_run_by_hand() -> None:
    """Five runs for 1 and five for 2: 1.5, with a variance of 2.5 / 9 / 10 around it."""
    sums = figures_of([run(1)] * 5 + [run(2)] * 5).sums

    assert [Fraction(3, 2), 1, 2] == [sums.mean, sums.p50, sums.p95]
    assert is_close(sums.mean_interval, "1.123", "1.877")


def test_few_runs_have_no_interval() -> None:
    """Nine runs, or ten of which nine have an outcome, say too little of how runs differ."""
    nine = figures_of([run(n, 1) for n in range(1, RUNS_MIN)])
    told = figures_of([run(n, 1) for n in range(1, RUNS_MIN)] + [run(1)])

    for figures in (nine, told):
        cost = figures.outcomes[0].cost(figures.sums)
        assert cost is not None
        assert cost.interval is None
    assert nine.sums.mean_interval is None
    assert told.sums.mean_interval is not None


def test_what_has_no_price_never_costs_nothing() -> None:
    """Runs without any price have no cost; a part without one leaves no interval."""
    unknown = figures_of([run(0, 1, priced=False)] * 12).sums
    partly = figures_of([run(2, 1)] * 12 + [run(1, priced=False)])

    assert [None] * 4 == [unknown.known_cost, unknown.mean, unknown.p50, unknown.waste]
    assert [25, 2] == [partly.sums.known_cost, partly.sums.mean]
    cost = partly.outcomes[0].cost(partly.sums)
    assert cost is not None
    assert (Fraction(25, 12), None) == (cost.estimate, cost.interval)
    nothing = figures_of([run(0, 1, priced=False)] * 12)
    assert nothing.outcomes[0].cost(nothing.sums) is None


def test_outcomes_that_were_taken_back_divide_nothing() -> None:
    """No success, no cost of one."""
    figures = figures_of([run(1, 1), run(1, -1)])

    assert () == tuple(figures.outcomes)


RUNS = st.lists(
    st.builds(
        Run,
        st.fractions(0, 1_000, max_denominator=50),
        st.integers(0, 3),
        st.sampled_from(["completed", "failed", "aborted"]),
    ),
    min_size=RUNS_MIN,
    max_size=40,
)


@given(RUNS)
@settings(max_examples=80, deadline=None)
def test_sums_say_what_the_runs_say(runs: list[Run]) -> None:
    """Estimate and half of the interval from the sums are those from the runs one by one."""
    figures = figures_of(runs)
    shares = [figures.sums.rate(status) for status in ("completed", "failed", "aborted")]
    assert 1 == sum(rate.share for rate in shares)
    assert all(rate.interval.lower <= rate.share <= rate.interval.upper for rate in shares)
    if not figures.outcomes:
        return
    cost = figures.outcomes[0].cost(figures.sums)
    assert cost is not None
    number, total = len(runs), sum(one.successes for one in runs)
    assert sum(one.cost for one in runs) / total == cost.estimate
    if cost.interval is not None:
        residues = sum((one.cost - cost.estimate * one.successes) ** 2 for one in runs)
        variance = residues * number / (number - 1) / total**2
        half = (cost.interval.upper - cost.estimate) / quantile(number - 1)
        assert 0 <= half**2 - variance <= 2 * half / 10**11
