"""Plots of efficiency: the figures of the answer, each where it belongs, and all drawable."""

from typing import Any

import pytest

from services.pricing.efficiency_plots import SHOWN_MAX, plots_of
from services.pricing.handlers.efficiency import report_of
from services.pricing.plotting import Spec, png_of
from services.pricing.schemas.efficiency import EfficiencyWrite
from tests.unit.pricing.efficiency.prices import PRICES, used
from tests.unit.pricing.efficiency.report import report

PNG = b"\x89PNG\r\n\x1a\n"
ASKED = EfficiencyWrite.model_validate({"start": "2026-03-01", "end": "2026-04-01"})
PLOTS = plots_of(report())


def amounts(rows: list[dict[str, Any]], name: str, **more: str) -> dict[str, float]:
    """Return the amounts of one bar by part."""
    wanted = {"name": name, **more}.items()
    return {row["part"]: row["amount"] for row in rows if wanted <= row.items()}


def test_a_plot_that_has_nothing_to_show_is_left_out() -> None:
    """A policy whose baseline nobody asked for saves nothing; nothing used, nothing drawn."""
    assert ["caches", "waste", "routing-1", "custom-model-1"] == list(PLOTS)
    assert {} == plots_of(report_of([], ASKED, PRICES))


def test_caches_stand_with_what_they_lost() -> None:
    """100 read at 1 in place of 10 saved 900; 20 written at 12.5 lost 50; 850 are left."""
    bars = amounts(PLOTS["caches"]["data"]["values"], "coder \N{MIDDLE DOT} dear")

    assert {"saved by reads": 900, "lost by writes": -50}.items() <= bars.items()
    (label,) = _labels(PLOTS["caches"])
    assert "$850" == label["label"]
    assert PLOTS["caches"]["title"]["text"].startswith("Caches saved $850")


def test_waste_is_told_by_reason_with_the_thinking_apart() -> None:
    """The parts of a bar are counted once: they sum to what broke off and what failed."""
    bars = amounts(PLOTS["waste"]["data"]["values"], "=writer \N{MIDDLE DOT} dear")

    assert {"broke off": 100, "broke off: thinking": 200, "failed: thinking": 50} == bars
    assert ["$350, 70 % of its cost"] == [row["label"] for row in _labels(PLOTS["waste"])]
    assert "What repeated other requests is not known" in PLOTS["waste"]["title"]["subtitle"]


def test_routing_shows_what_stays_and_what_is_lost() -> None:
    """Of coder's 1,850 a tenth stays; what its cache loses is below 0; all of it is the saving."""
    paid, made = (panel["data"]["values"] for panel in PLOTS["routing-1"]["hconcat"])

    assert {"as it was": 1_850} == amounts(paid, "coder", bar="as it was")
    would = amounts(paid, "coder", bar="with the policy")
    assert {"held out: stays": 185, "cache lost": 90}.items() <= would.items()
    difference = amounts(made, "coder")
    assert -90 == difference["cache lost"]
    assert pytest.approx(1_850 - sum(would.values())) == sum(difference.values())
    (policy, _) = report().routing
    assert pytest.approx(float(policy.saving)) == sum(row["amount"] for row in made)
    assert {"the router": -65} == amounts(made, "the router")


def test_the_curves_meet_at_the_break_even_volume() -> None:
    """365 a month against 2,350 for 240 tokens in 31 days."""
    plot = PLOTS["custom-model-1"]
    (even,) = {
        row["tokens"]
        for layer in plot["layer"]
        for row in layer.get("data", {}).get("values", [])
        if row.get("label", "").startswith("pays from")
    }

    lines: dict[str, list[float]] = {}
    for row in plot["data"]["values"]:
        lines.setdefault(row["model"], []).append(row["cost"])
    farthest = max(row["tokens"] for row in plot["data"]["values"])
    at = [start + (end - start) * even / farthest for start, end in lines.values()]
    assert [pytest.approx(365)] * 2 == at


def test_many_agents_are_a_bar_together() -> None:
    """More would not be told apart; the others are added up, not left out."""
    rows = [used("output_text", n, agent=f"a{n:02}", status="failed") for n in range(1, 21)]

    bars = plots_of(report_of(rows, ASKED, PRICES))["waste"]["data"]["values"]

    assert SHOWN_MAX + 1 == len(bars)
    assert ("a20 \N{MIDDLE DOT} dear", "5 others") == (bars[0]["name"], bars[-1]["name"])
    assert 50 * sum(range(1, 21)) == sum(bar["amount"] for bar in bars)


def test_a_model_of_two_providers_is_two_bars() -> None:
    """Their names say which."""
    found = report()
    one = found.waste.by_agent_and_model[0].model_copy(update={"aborted": "5"})
    rows = [one, one.model_copy(update={"provider": "cloud"})]
    waste = found.waste.model_copy(update={"by_agent_and_model": rows})

    bars = plots_of(found.model_copy(update={"waste": waste}))["waste"]["data"]["values"]

    assert 2 == len({bar["name"] for bar in bars})


@pytest.mark.parametrize("plot", PLOTS.values(), ids=PLOTS.keys())
def test_every_plot_can_be_drawn(plot: Spec) -> None:
    """As a picture with all of its layers."""
    assert png_of(plot).startswith(PNG)


def _labels(plot: Spec) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = plot["layer"][1]["data"]["values"]
    return rows
