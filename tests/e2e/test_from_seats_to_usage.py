"""`make shift`: the worked case on the real traces, from the files to the ten lines."""

import json
import re
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from examples.demo.traces import REQUESTS
from examples.shift.__main__ import work_out
from examples.shift.report import report_of, vendor_plot
from examples.shift.scaling import HOURS_A_DAY, PEOPLE, read_hours
from examples.shift.trying import DAYS, Year
from examples.shift.vendors import SHAPES
from services.pricing.domain.simulation.reach import Reach
from services.pricing.plotting import write_plots
from services.pricing.schemas.simulation_result import SimulationResult
from services.pricing.simulation.plot_specs import plots_of
from services.pricing.simulation.usage_store import Span
from shared.money import parse_exact


@pytest.fixture(scope="module", name="summary")
def _summary(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return work_out(tmp_path_factory.mktemp("shift"))


def test_scaling_changes_no_count(tmp_path: Path) -> None:
    """A year is the trace's hour, 8 times on each of 261 days; people are the same tokens."""
    hours = read_hours()
    store = Year(hours).store(tmp_path)
    spans = [Span(n, tenant, DAYS[0].replace(day=1), DAYS[-1]) for n, tenant in enumerate(hours)]

    found = store.rows([span._replace(end=DAYS[-1].replace(year=2027)) for span in spans], Reach())
    by_user = store.people(spans)

    assert 261 == len(DAYS)
    assert REQUESTS == sum(hour.requests for hour in hours.values())
    for key, hour in enumerate(hours.values()):
        tokens = sum(hour.usage.values()) * HOURS_A_DAY * len(DAYS)
        assert tokens == sum(row.quantity for row in found[key])
        assert tokens == sum(by_user[key].values())
        assert sum(hour.usage.values()) == sum(hour.by_user.values())
    store.close()


def test_seats_and_usage_are_what_a_person_would_reckon(summary: dict[str, Any]) -> None:
    """265 seats of 60 for twelve months are 190,800; usage is 1.5 times what the provider takes."""
    plans = {plan["plan"]: plan for plan in summary["simulation"]["plans"]}
    cost = parse_exact(plans["today"]["cost"]["exact"])

    seats = sum(PEOPLE.values()) * 60 * 12
    assert seats == parse_exact(plans["today"]["revenue"]["exact"])
    assert seats == parse_exact(plans["shift/seat-60"]["revenue"]["exact"])
    assert cost * Fraction(3, 2) == parse_exact(plans["shift/usage"]["revenue"]["exact"])
    # Claude: 22,361,870 tokens in at 3 dollars a million, 4,088,665 out at 15.
    (globex,) = (t for t in plans["today"]["tenants"] if t["tenant_id"] == "globex")
    hour = Fraction(22_361_870 * 3 + 4_088_665 * 15, 10**6)
    assert hour * HOURS_A_DAY * 261 == parse_exact(globex["cost"]["exact"])


def test_tenants_and_people_sum_to_the_whole(summary: dict[str, Any]) -> None:
    """Of each plan: tenants sum to revenue, people and nobody to it within a cent a tenant."""
    for plan in summary["simulation"]["plans"]:
        revenue = parse_exact(plan["revenue"]["exact"])
        assert revenue == sum(parse_exact(t["revenue"]["exact"]) for t in plan["tenants"])
        people = parse_exact(plan["people"]["mean"]["exact"]) * plan["people"]["count"] * 12
        nobody = parse_exact(plan["people"]["nobody"]["exact"])
        assert abs(revenue - people - nobody) <= Fraction(len(plan["tenants"]), 100)
        assert [] == plan["unrated"]


def test_ten_vendors_stand_in_one_table(summary: dict[str, Any]) -> None:
    """Each shape of examples/price-books, over the same usage; tenants sum to the year."""
    books = sorted(path.stem for path in Path("examples/price-books").glob("*.yaml"))

    assert books == sorted(shape.book for shape in SHAPES)
    for row in summary["vendors"]:
        amounts = [parse_exact(amount["exact"]) for amount in row["tenants"].values()]
        assert sum(amounts) == parse_exact(row["revenue"]["exact"]) > 0
    rows = {row["plan"]: row for row in summary["vendors"]}
    # 99 cents for every eighth request, of each tenant in each hour.
    outcomes = sum(hour.requests // 8 for hour in read_hours().values()) * HOURS_A_DAY * 261
    fin = parse_exact(rows["intercom-fin/fin"]["revenue"]["exact"])
    assert outcomes * Fraction(99, 100) == fin
    assert {
        "copilot-studio/pay-as-you-go",
        "hubspot-breeze/professional-overage",
        "intercom-fin/fin",
    } == {name for name, row in rows.items() if row["scenario_outcomes"]}
    # Its users stop at a limit of 50 dollars on demand.
    assert ["cursor-individual/ultra"] == [n for n, row in rows.items() if row["blocked_bills"]]


def test_the_answer_is_ten_lines_and_the_report_shows_it(
    summary: dict[str, Any], tmp_path: Path
) -> None:
    """Everything that is read is JSON; the page holds the answer, what is assumed, six pictures."""
    result = SimulationResult.model_validate(json.loads(json.dumps(summary))["simulation"])
    write_plots({**plots_of(result), "vendors": vendor_plot(summary["vendors"], result)}, tmp_path)

    page = report_of(summary, tmp_path)

    assert 10 == len(summary["answer"])
    assert "190,800.00 USD" in summary["answer"][0]
    assert 6 == len(re.findall(r'src="data:image/png;base64,', page))
    assert all(words in page for words in ("Scenario data", "Zipf", "From seats to usage"))
