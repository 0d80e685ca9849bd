"""What caches saved, what was wasted and what changes would save, as a terminal shows it."""

from collections.abc import Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from services.pricing.schemas.efficiency_report import EfficiencyRead
from shared.money import parse_exact

PLACES = 2
COLUMNS: dict[str, tuple[str, ...]] = {
    "Caches": ("agent", "model", "hit_ratio", "saved", "could_save"),
    "Waste": ("agent", "model", "cost", "aborted", "failed", "share", "unused_reasoning"),
    "Routing": ("name", "cheaper", "lost_cache", "repeated", "saving", "share"),
    "Custom models": ("name", "cost_now", "cost_custom", "saving", "break_even_tokens"),
}
"""What each table shows of its rows, so that it fits 80 columns."""


def show_efficiency(console: Console, found: EfficiencyRead) -> None:
    """Print a table for each side that has rows, what is not known, and what is assumed."""
    cache, waste = found.cache, found.waste.total
    console.print(
        f"Caches saved {_usd(cache.saved)}, and could save {_usd(cache.could_save)} more."
    )
    console.print(_table("Caches", cache.by_agent_and_model))
    console.print(
        f"Of {_usd(waste.cost)}, {_usd(waste.aborted)} was aborted and {_usd(waste.failed)} failed."
    )
    console.print(_table("Waste", found.waste.by_agent_and_model))
    retried = found.waste.retried
    told = "not known" if retried.cost is None else f"{_usd(retried.cost)} at least"
    console.print(f"Retried: {told}. {escape(retried.reason)}")
    console.print(f"  Known by: {escape(retried.known_by)}")
    if found.routing:
        console.print(_table("Routing", found.routing))
        for policy in found.routing:
            if policy.unused_baseline:
                asked = escape(f"{policy.name}: nobody asked for {policy.baseline.model}")
                console.print(f"{asked}, so nothing could be saved.")
    if found.custom_models:
        console.print(_table("Custom models", found.custom_models))
    console.print("Assumed:")
    for one in found.assumptions:
        console.print(f"  {escape(one)}")
    if found.waste.unpriced:
        kinds = len({(row.provider, row.model, row.kind) for row in found.waste.unpriced})
        console.print(f"Without a price, and in no figure: {kinds} kinds of usage, see --json.")


def _table(title: str, rows: Sequence[Any]) -> Table:
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD)
    names = COLUMNS[title]
    for name in names:
        table.add_column(name.replace("_", " "), justify=_side(name))
    for row in rows:
        table.add_row(*(escape(_shown(name, getattr(row, name))) for name in names))
    return table


def _side(name: str) -> Any:
    return "left" if name in ("agent", "model", "name") else "right"


def _shown(name: str, value: str | None) -> str:
    if value is None:
        return "-"
    if name in ("share", "hit_ratio"):
        return f"{float(parse_exact(value) * 100):.1f} %"
    if name in ("tokens", "break_even_tokens"):
        return f"{round(parse_exact(value)):,}"
    return value if _side(name) == "left" else _usd(value)


def _usd(exact: str) -> str:
    """Return an exact amount as people read it; the sign stands before the unit."""
    amount = round(parse_exact(exact), PLACES)
    sign = "-" if amount < 0 else ""
    return f"{sign}${float(abs(amount)):,.{PLACES}f}"
