"""`tallyrollctl efficiency`: what caches saved, what was wasted, what stated changes would save."""

import asyncio
import csv
import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from services.pricing.handlers.efficiency import efficiency
from services.pricing.schemas.efficiency import EfficiencyWrite
from services.pricing.schemas.efficiency_report import EfficiencyRead
from services.pricing.schemas.reading import read_body
from services.pricing.settings import PricingSettings
from shared.accounts.repository import Account
from shared.database import Database
from shared.errors import TallyrollError
from shared.events.message import Mode
from shared.money import parse_exact

app = typer.Typer()
PLACES = 2
COLUMNS: dict[str, tuple[str, ...]] = {
    "Caches": ("agent", "model", "hit_ratio", "saved", "could_save"),
    "Waste": ("agent", "model", "cost", "aborted", "failed", "share", "unused_reasoning"),
    "Routing": ("name", "cheaper", "lost_cache", "repeated", "saving", "share"),
    "Custom models": ("name", "cost_now", "cost_custom", "saving", "break_even_tokens"),
}
"""What each table shows of its rows, so that it fits 80 columns."""


@app.command("efficiency")
def show_efficiency(
    vendor: Annotated[str, typer.Option(help="whose usage")],
    start: Annotated[datetime, typer.Option("--from", formats=["%Y-%m-%d"], help="first UTC day")],
    end: Annotated[datetime, typer.Option("--to", formats=["%Y-%m-%d"], help="exclusive")],
    *,
    tenant: Annotated[str | None, typer.Option(help="one tenant only")] = None,
    assumptions: Annotated[
        Path | None,
        typer.Option(
            exists=True, dir_okay=False, help="YAML with `cache`, `routing`, `custom_models`"
        ),
    ] = None,
    mode: Annotated[Mode, typer.Option(help="test or live")] = "test",
    as_json: Annotated[bool, typer.Option("--json", help="print every exact figure")] = False,
    out: Annotated[Path | None, typer.Option(help="folder for the figures as CSV")] = None,
) -> None:
    """Show cache savings, waste, and what routing and custom models would save, in US dollars."""
    body: dict[str, Any] = {"start": str(start.date()), "end": str(end.date()), "tenant": tenant}
    try:
        asked = read_body(EfficiencyWrite, _read(assumptions) | body, code="invalid_assumptions")
    except TallyrollError as error:
        for fault in error.faults:
            typer.echo(f"{fault.path}: {fault.message} ({fault.code})", err=True)
        raise typer.Exit(2) from error
    found = asyncio.run(_ask(Account(vendor, mode), asked))
    if out is not None:
        _write_files(out, found)
    if as_json:
        typer.echo(json.dumps(found.model_dump(), indent=2))
    else:
        _show(found)


def _read(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise typer.BadParameter(f"{path} is no YAML") from error
    if not isinstance(content, dict):
        raise typer.BadParameter(f"{path} holds no mapping")
    return content


async def _ask(account: Account, asked: EfficiencyWrite) -> EfficiencyRead:
    url = PricingSettings().pricing_database_url.get_secret_value()
    database = Database(url, connections=1)
    try:
        async with database.transaction("REPEATABLE READ") as connection:
            return await efficiency(connection, account, asked)
    finally:
        await database.close()


def _show(found: EfficiencyRead) -> None:
    console = Console()
    cache, waste = found.cache, found.waste.total
    console.print(
        f"Caches saved {_usd(cache.saved)}, and could save {_usd(cache.could_save)} more."
    )
    console.print(_table("Caches", cache.by_agent_and_model))
    console.print(
        f"Of {_usd(waste.cost)}, {_usd(waste.aborted)} was aborted and {_usd(waste.failed)} failed."
    )
    console.print(_table("Waste", found.waste.by_agent_and_model))
    if found.routing:
        console.print(_table("Routing", found.routing))
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


def _write_files(folder: Path, found: EfficiencyRead) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in (
        ("caches", found.cache.by_agent_and_model),
        ("waste", found.waste.by_agent_and_model),
        ("routing", found.routing),
        ("custom-models", found.custom_models),
    ):
        if rows:
            _write_csv(folder / f"{name}.csv", [row.model_dump() for row in rows])


def _write_csv(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    names = [name for name in rows[0] if name != "unpriced"]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, names, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
