"""Pictures of results: what they show is what came out, and they can be drawn."""

import json
from datetime import date
from pathlib import Path
from typing import Any

from services.pricing.plotting import png_of, write_plots
from services.pricing.schemas.simulation_result import SimulationResult
from services.pricing.simulation.plot_specs import plots_of

PNG = b"\x89PNG\r\n\x1a\n"


def money(amount: str) -> dict[str, str]:
    return {"exact": amount, "shown": amount}


def plan(name: str, revenue: str, change: str) -> dict[str, Any]:
    people: dict[str, Any] = {
        "count": 2,
        "top_decile_share": "0.1",
        "gini": "0",
        "nobody": money("0"),
    }
    people |= {"more_than_today": 0, "less_than_today": 2}
    people |= {n: money("5") for n in ("mean", "median", "p90", "p99", "largest")}
    group = {"tenants": 0, "change": money("0")}
    amounts = {"revenue": money(revenue), "change": money(change), "cost": money("4")}
    tenant: dict[str, Any] = {
        "tenant_id": "acme",
        "periods": 1,
        "people": 2,
        "unrated": 0,
        "margin": None,
    }
    tenant |= {**amounts, "today": money("20"), "change_percent": None}
    outcome: dict[str, Any] = {
        "plan": name,
        "content_hash": None,
        **amounts,
        "change_percent": None,
    }
    outcome |= {"margin": None, "margin_percent": None, "pays_more": group, "pays_less": group}
    unchanged = int(change == "0")
    outcome |= {"unchanged": unchanged, "people": people, "answers": [], "unrated": []}
    return {**outcome, "tenants": [tenant]}


def result(**more: Any) -> SimulationResult:
    content: dict[str, Any] = {
        "start": date(2023, 11, 1),
        "end": date(2023, 12, 1),
        "currency": "USD",
    }
    content |= {"tenants": 1, "left_out": {}, "assumptions": [], "seats": [], "migration": None}
    content |= {"mean_person_tokens": "1000"}
    content |= {"plans": [plan("today", "20", "0"), plan("b/usage", "10", "-10")]}
    return SimulationResult.model_validate(content | more)


EVEN = {
    "plan": "b/seats",
    "seat_fee": money("20"),
    "cost_reaches_fee_at": {"multiple": "2.5", "tokens": "2500"},
    "usage_costs_as_much_at": {"b/usage": {"multiple": None, "tokens": None}},
}
MOVES = {
    "to": "b/usage",
    "periods": 1,
    "forgone": money("1"),
    "kept": money("0"),
    "cost": money("1"),
    "cohorts": {"capped": 1},
    "tenants": [
        {
            "tenant_id": "acme",
            "cohort": "capped",
            "average_today": money("8"),
            "maximum": money("9"),
            "minimum": None,
            "requests": [],
            "bills": [money("10")],
            "charged": [money("9")],
        }
    ],
}


def test_plots_hold_what_came_out() -> None:
    """Revenue beside cost by plan; who pays less; no seats, no picture of seats."""
    plots = plots_of(result())

    assert ["revenue", "people", "tenants"] == list(plots)
    rows = plots["revenue"]["data"]["values"]
    assert [20, 4, 10, 4] == [row["amount"] for row in rows]
    (tenant,) = plots["tenants"]["data"]["values"]
    assert ("acme", -10, "pays less") == (tenant["tenant"], tenant["change"], tenant["who"])


def test_seats_and_migrations_have_pictures() -> None:
    """A multiple that there is none of is left out; bounded bills stand beside the others."""
    plots = plots_of(result(seats=[EVEN], migration=MOVES))

    (point,) = plots["break-even"]["data"]["values"]
    assert ("its provider cost", 2.5) == (point["against"], point["multiple"])
    bills = {row["what"]: row["amount"] for row in plots["migration"]["data"]["values"]}
    assert {"average until now": 8, "charged": 9, "without bounds": 10} == bills


def test_every_plot_can_be_drawn(tmp_path: Path) -> None:
    """Each is written as a spec that is JSON, and as a PNG."""
    plots = plots_of(result(seats=[EVEN], migration=MOVES))

    pictures = write_plots(plots, tmp_path)

    assert [f"{name}.png" for name in plots] == [picture.name for picture in pictures]
    assert all(PNG == picture.read_bytes()[: len(PNG)] for picture in pictures)
    specs = [json.loads(path.read_text(encoding="utf-8")) for path in tmp_path.glob("*.vl.json")]
    assert 5 == len(specs)
    assert len(png_of(plots["revenue"])) > 10_000
