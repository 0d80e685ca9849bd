"""`python -m examples.shift`: the worked case, its report and its answer."""

import json
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer
from rich.console import Console

from examples.shift.answer import SEATS, answer
from examples.shift.report import report_of, vendor_plot, vendor_table
from examples.shift.scaling import END, RULE, SCENARIO, START, TraceHour, read_hours
from examples.shift.trying import Year, own_plans, provider_prices, try_plans
from examples.shift.vendors import try_vendors
from services.pricing.handlers.timelines import SoldPlan
from services.pricing.plotting import write_plots
from services.pricing.schemas.simulation import MigrationAsked, PlanChoice
from services.pricing.schemas.simulation_result import SimulationResult
from services.pricing.simulation.backtest import TenantResult
from services.pricing.simulation.mean_person import seats_break_even
from services.pricing.simulation.moving import plan_migration
from services.pricing.simulation.plot_specs import plots_of
from services.pricing.simulation.results import Tested, written
from services.pricing.simulation.run import mean_person
from services.pricing.simulation.usage_store import UsageStore
from shared.currencies import CURRENCIES
from shared.money import sum_exact

USD = CURRENCIES["USD"]
ELASTICITY = Fraction(-3, 10)
MOVE = MigrationAsked(
    to=PlanChoice(price_book="shift", plan="usage"),
    starts_on=END,
    max_rise_percent="25",
    periods=6,
)


def main(
    root: Annotated[Path, typer.Option(help="folder for what is written")] = Path("var/shift"),
) -> None:
    """Try plan shapes on three real traces scaled to a year; write a report, print the answer."""
    console = Console(highlight=False, soft_wrap=True)
    root.mkdir(parents=True, exist_ok=True)
    console.print(f"{RULE} Real are the requests with their tokens; scenario data is:")
    for line in SCENARIO:
        console.print(f"[dim]· {line}[/]")
    with console.status("Reading the traces"), TemporaryDirectory() as folder:
        summary = work_out(Path(folder))
    result = SimulationResult.model_validate(summary["simulation"])
    plots = {**plots_of(result), "vendors": vendor_plot(summary["vendors"], result)}
    with console.status("Drawing"):
        write_plots(plots, root / "plots")
    text = json.dumps(summary, indent=2) + "\n"
    (root / "summary.json").write_text(text, encoding="utf-8")
    (root / "report.html").write_text(report_of(summary, root / "plots"), encoding="utf-8")
    console.print(vendor_table(summary["vendors"]))
    for number, line in enumerate(summary["answer"], start=1):
        console.print(f"{number:2}. {line}")
    console.print(f"Written: {root / 'summary.json'}, {root / 'report.html'}")


def work_out(folder: Path) -> dict[str, Any]:
    """Return everything that the worked case finds; files that it needs go to `folder`."""
    hours, plans = read_hours(), own_plans()
    year = Year(hours)
    store = year.store(folder / "own")
    try:
        results = try_plans(year, store, plans[SEATS], plans, elasticities=[ELASTICITY])
        simulation = _written(store, plans, results)
    finally:
        store.close()
    cost = sum_exact([result.cost.known for result in results])
    vendors = try_vendors(hours, plans[SEATS], cost, folder)
    return {
        "rule": RULE,
        "scenario": list(SCENARIO),
        "traces": _traces(hours),
        "simulation": simulation.model_dump(mode="json"),
        "vendors": vendors,
        "answer": answer(simulation, vendors),
    }


def _written(
    store: UsageStore, plans: Mapping[str, SoldPlan], results: Sequence[TenantResult]
) -> SimulationResult:
    mean = mean_person(store, plans, results, until=END)
    assert mean is not None, "the traces have people"
    tested = Tested(
        days=(START, END),
        currency=USD,
        results=results,
        hashes={name: plan.price_hash for name, plan in plans.items()},
        left_out={},
        seats="declared",
        mean_tokens=mean.tokens,
        even=seats_break_even(mean, plans, provider_prices()),
    )
    return written(tested, plan_migration(MOVE, results, USD))


def _traces(hours: Mapping[str, TraceHour]) -> dict[str, dict[str, int]]:
    """Return what each trace holds, as it was recorded."""
    found: dict[str, dict[str, int]] = {}
    for tenant, hour in hours.items():
        sums = found.setdefault(tenant, {"requests": hour.requests})
        for (_, _, _, kind, _), count in hour.usage.items():
            sums[kind] = sums.get(kind, 0) + count
    return found


if __name__ == "__main__":
    typer.run(main)
