"""`tallyrollctl efficiency`: what caches saved, what was wasted, what stated changes would save."""

import json
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml
from rich.console import Console

from services.pricing.api_client import connect, send
from services.pricing.cli_asking import LOCAL, ApiKey, Url, ask
from services.pricing.efficiency_files import write_files
from services.pricing.efficiency_plots import plots_of
from services.pricing.efficiency_words import show_efficiency
from services.pricing.plotting import write_plots
from services.pricing.schemas.efficiency_report import EfficiencyRead

app = typer.Typer()


@app.command()
def efficiency(
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
    as_json: Annotated[bool, typer.Option("--json", help="print every exact figure")] = False,
    out: Annotated[
        Path | None, typer.Option(help="folder for the figures, as JSON and CSV")
    ] = None,
    plots: Annotated[Path | None, typer.Option(help="folder for pictures, and their specs")] = None,
    url: Url = LOCAL,
    api_key: ApiKey = "",
) -> None:
    """Show cache savings, waste, and what routing and custom models would save, in US dollars."""
    body = _read(assumptions) | {"start": f"{start:%Y-%m-%d}", "end": f"{end:%Y-%m-%d}"}
    answer = ask(url, lambda: _ask(url, api_key, body | {"tenant": tenant}))
    found = EfficiencyRead.model_validate(answer)
    if out is not None:
        write_files(found, out)
    if plots is not None:
        write_plots(plots_of(found), plots)
    if as_json:
        typer.echo(json.dumps(answer, indent=2))
    else:
        show_efficiency(Console(highlight=False), found)


def _read(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise typer.BadParameter(f"{path} is no YAML") from error
    if not isinstance(content, dict):
        raise typer.BadParameter(f"{path} holds no mapping")
    as_text = json.dumps(content, default=str)  # days and times, of which JSON knows none
    known: dict[str, Any] = json.loads(as_text, parse_constant=str)
    return known


async def _ask(url: str, api_key: str, body: dict[str, Any]) -> dict[str, Any]:
    async with connect(url, api_key) as client:
        return await send(client, "POST", "/v1/efficiency", body)
