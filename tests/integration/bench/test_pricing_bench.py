"""The pricing parts of the bench on a small scale: totals are checked, and a wrong one voids."""

from fractions import Fraction
from pathlib import Path

import pytest

from tests.bench import closing, rating, simulation
from tests.bench.closing import close_month
from tests.bench.pricing_data import expected_total, usage_of
from tests.bench.pricing_rig import pricing_rig
from tests.bench.results import Bench
from tests.support.stack import StackAddress

TENANTS = 3


def test_rating_checks_every_total(monkeypatch: pytest.MonkeyPatch) -> None:
    """The functions that bill and the bench's own sum agree; a hundredth more would be noticed."""
    terms = rating._terms()
    seconds = rating._rate(terms, range(TENANTS))

    monkeypatch.setattr(rating, "expected_total", lambda t: expected_total(t) + Fraction(1, 100))
    with pytest.raises(RuntimeError, match="void: totals"):
        rating._rate(terms, range(TENANTS))

    assert seconds > 0
    assert 200 == len(usage_of(0))


async def test_a_month_closes_from_seal_to_statement(stack: StackAddress, tmp_path: Path) -> None:
    """Each tenant has one statement on Kafka with the expected total, or the run is void."""
    bench = Bench(stack, tmp_path, 1, 1.0)
    async with pricing_rig(bench, TENANTS) as rig:
        seals = await closing._seals(rig)
        async with rig.running() as (process, _):
            seconds = await close_month(rig, seals)
            peak = process.peak_bytes

    assert min(seconds, peak) > 0


async def test_a_backtest_says_what_the_price_list_says(
    stack: StackAddress, tmp_path: Path
) -> None:
    """Today's revenue of a year is twelve months by the list; a cent off voids the run."""
    bench = Bench(stack, tmp_path, 1, 1.0)
    async with simulation.simulation_rig(bench, TENANTS) as url:
        seconds, peak, result = await simulation.run_once(url)

    simulation.check_today(result, TENANTS)
    assert simulation.PLANS + 1 == len(result.plans)
    assert min(seconds, peak) > 0
    result.plans[0].tenants[1].revenue.exact += "1"
    with pytest.raises(RuntimeError, match="void: tenant-1"):
        simulation.check_today(result, TENANTS)
