"""The report: one page with its pictures in it."""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from rich.table import Table

from services.pricing.plotting import BLUE, ORANGE, Spec, spec_of
from services.pricing.schemas.simulation_result import SimulationResult

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #1f2430; max-width: 920px; margin: 40px auto;
  padding: 0 20px; }
h1 { font-size: 26px; } h2 { font-size: 19px; margin-top: 36px; }
table { border-collapse: collapse; width: 100%; font-size: 13px; }
th, td { text-align: right; padding: 5px 8px; border-bottom: 1px solid #e3e6ea; }
th:first-child, td:first-child, td.words { text-align: left; }
img { max-width: 100%; margin: 14px 0; } .note { color: #5b6270; font-size: 13px; }
li { margin: 5px 0; }
"""
MARKS = (
    "* By outcomes, which are scenario data. † A limit of the plan blocks usage: it is not billed, "
    "and its cost counts."
)
PICTURES = ("revenue", "people", "tenants", "break-even", "migration")


def report_of(summary: Mapping[str, Any], plots: Path) -> str:
    """Return the page; the pictures are PNG files in `plots`."""
    lines = "".join(f"<li>{escape(line)}</li>" for line in summary["answer"])
    scenario = "".join(f"<li>{escape(line)}</li>" for line in summary["scenario"])
    assumed = "".join(f"<li>{escape(note)}</li>" for note in summary["simulation"]["assumptions"])
    pictures = "".join(_picture(plots / f"{name}.png") for name in PICTURES)
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>From seats to usage</title>
<style>{STYLE}</style></head><body>
<h1>From seats to usage</h1>
<p>{escape(summary["rule"])} Rated by the functions that bill; amounts in US dollars a year unless a
month is named.</p>
<ol>{lines}</ol>
<h2>Plans beside each other</h2>
{_plans(summary["simulation"])}
{pictures}
<h2>Ten vendor shapes over the same usage</h2>
{_vendors(summary["vendors"])}
{_picture(plots / "vendors.png")}
<h2>What is real, and what is assumed</h2>
<p>Real: the requests of three production traces with their tokens, and which of them a prefix cache
would have served (<a href="../../examples/traces/README.md">sources and licences</a>).
Scenario data:</p>
<ul>{scenario}</ul>
<ul class="note">{assumed}</ul>
<p class="note">Every number: <a href="summary.json">summary.json</a>. The pictures as Vega-Lite
specs: <code>plots/*.vl.json</code>.</p>
</body></html>
"""


def _picture(path: Path) -> str:
    data = b64encode(path.read_bytes()).decode()
    return f'<p><img alt="{escape(path.stem)}" src="data:image/png;base64,{data}"></p>'


def _plans(simulation: Mapping[str, Any]) -> str:
    names = ("plan", "revenue", "change", "margin %", "median", "p90", "p99", "top 10 %", "Gini")
    rows = []
    for plan in simulation["plans"]:
        people = plan["people"]
        cells = [
            plan["plan"],
            *(_shown(plan[name]) for name in ("revenue", "change")),
            _short(plan["margin_percent"]),
            *(_shown(people[name]) for name in ("median", "p90", "p99")),
            *(_short(people[name]) for name in ("top_decile_share", "gini")),
        ]
        rows.append(cells)
    note = "Median, p90, p99: what one person brings in a month."
    return _table(names, rows) + f'<p class="note">{note}</p>'


def _vendors(vendors: Sequence[Mapping[str, Any]]) -> str:
    names = ("plan", "revenue", "person, month", "margin %", "what stands for what")
    rows = [
        [
            _marked(row),
            _shown(row["revenue"]),
            _shown(row["per_person_month"]),
            _short(row["margin_percent"]),
            row["stands_for"],
        ]
        for row in vendors
    ]
    return _table(names, rows) + f'<p class="note">{escape(MARKS)}</p>'


def _marked(row: Mapping[str, Any]) -> str:
    """Return the name of a plan with the marks of what its numbers rest on."""
    marks = [" *"] * row["scenario_outcomes"] + [" †"] * bool(row["blocked_bills"])
    return f"{row['plan']}{''.join(marks)}"


def _table(names: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in names)
    body = ""
    for row in rows:
        *cells, last = row
        words = ' class="words"' if " " in last else ""
        body += "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells)
        body += f"<td{words}>{escape(last)}</td></tr>"
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def vendor_table(vendors: Sequence[Mapping[str, Any]]) -> Table:
    """Return the ten shapes for a terminal."""
    title = "Ten vendor shapes over the same usage, USD"
    table = Table(title=title, title_justify="left", caption=MARKS, caption_justify="left")
    table.add_column("plan", overflow="fold")
    for name in ("a year", "person, month", "margin %"):
        table.add_column(name, justify="right")
    for row in vendors:
        table.add_row(
            _marked(row),
            _shown(row["revenue"]),
            _shown(row["per_person_month"]),
            _short(row["margin_percent"]),
        )
    return table


def vendor_plot(vendors: Sequence[Mapping[str, Any]], result: SimulationResult) -> Spec:
    """Return the ten shapes as a picture, with what the usage costs as a line."""
    rows = [{"plan": row["plan"], "amount": float(row["revenue"]["shown"])} for row in vendors]
    cost = result.plans[0].cost
    assert cost is not None, "every model of the traces has a price"
    return spec_of(
        "Ten vendor shapes over the same usage",
        "revenue of a year in US dollars; the line is what the provider takes",
        rows,
        height={"step": 22},
        layer=[
            {
                "mark": {"type": "bar", "color": BLUE},
                "encoding": {
                    "y": {"field": "plan", "type": "nominal", "sort": "-x", "title": None},
                    "x": {"field": "amount", "type": "quantitative", "title": "USD"},
                },
            },
            {
                "mark": {"type": "rule", "color": ORANGE, "strokeWidth": 2},
                "encoding": {"x": {"datum": float(cost.shown)}},
            },
        ],
    )


def _shown(money: Mapping[str, str] | None) -> str:
    if money is None:
        return "?"
    sign = "-" if money["shown"].startswith("-") else ""
    whole, _, part = money["shown"].removeprefix("-").partition(".")
    return f"{sign}{int(whole):,}.{part}" if part else f"{sign}{int(whole):,}"


def _short(text: str | None) -> str:
    return "?" if text is None else f"{float(text):,.2f}"
