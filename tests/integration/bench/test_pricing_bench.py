"""The pricing parts of the bench on a small scale: totals are checked, and a wrong one voids."""

from fractions import Fraction
from pathlib import Path

import pytest

from tests.bench import closing, envelopes, rating, simulation
from tests.bench.closing import close_month
from tests.bench.envelope_data import held_of_tenants
from tests.bench.pricing_data import expected_total, usage_of
from tests.bench.pricing_rig import PricingRig, pricing_rig
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


async def test_decisions_lose_nothing(
    stack: StackAddress, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Small, with usage that comes and looks at it: a cent too much held, and the run is void."""
    bench = Bench(stack, tmp_path, 1, 0.004)
    await envelopes.measure(bench)

    found = {figure.name: figure for figure in bench.figures}
    steady = ("reservation p50", "reservation p99", *(f"{kind} p99" for kind in envelopes.KINDS))
    names = [f"{name} at 200/s" for name in steady]
    names.append("decisions, 8 clients without a rest")
    names += [f"{name}, 8 clients without a rest" for name in ("p50", "p99")]
    assert names == list(found)
    half, most = found["reservation p50 at 200/s"], found["reservation p99 at 200/s"]
    assert 0 < half.median <= most.median
    assert (4, 24) == (most.extra["tenants"], most.extra["requests"])

    async def wrong(rig: PricingRig) -> dict[int, Fraction]:
        held = await held_of_tenants(rig)
        return held | {0: held[0] + Fraction(1, 100)}

    monkeypatch.setattr(envelopes, "held_of_tenants", wrong)
    with pytest.raises(RuntimeError, match="void: dollars held"):
        await envelopes.measure(bench)
