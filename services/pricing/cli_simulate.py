"""`tallyrollctl simulate`: plans over past usage, asked of pricing's API and told as a table."""

import asyncio
import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any
from uuid import uuid4

import httpx
import typer
from rich.console import Console
from rich.table import Table

from services.pricing.api_client import connect, send
from services.pricing.cli_pricebook import LOCAL, ApiKey, Url
from services.pricing.handlers.simulations import csv_text
from services.pricing.plotting import write_plots
from services.pricing.schemas.simulation_result import SimulationResult
from services.pricing.simulation.plot_specs import plots_of
from shared.errors import TallyrollError

app = typer.Typer()
POLL_SECONDS = 0.5
NAMED = re.compile(r"([a-z0-9-]+)/([a-z0-9-]+)(?:@([0-9]{1,7}))?\Z")


@app.command()
def simulate(  # noqa: PLR0917 - typer reads each as an option
    plan: Annotated[list[str], typer.Option(help="book/plan or book/plan@version; drafts, too")],
    start: Annotated[datetime, typer.Option("--from", formats=["%Y-%m-%d"])],
    end: Annotated[datetime, typer.Option("--to", formats=["%Y-%m-%d"], help="exclusive")],
    seats: Annotated[str, typer.Option(help="declared, users, or one after the other")] = (
        "declared_or_users"
    ),
    elasticity: Annotated[list[str] | None, typer.Option(help="0 or less, such as -0.3")] = None,
    migrate_to: Annotated[str | None, typer.Option(help="one of the plans")] = None,
    starts_on: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"])] = None,
    max_rise: Annotated[str, typer.Option(help="percent of the average bill")] = "10",
    max_fall: Annotated[str | None, typer.Option(help="percent of the average bill")] = None,
    periods: Annotated[int, typer.Option(help="with bounds, after the move")] = 3,
    json_file: Annotated[Path | None, typer.Option("--json", help="write the result there")] = None,
    csv_file: Annotated[Path | None, typer.Option("--csv", help="a row by plan and tenant")] = None,
    plots: Annotated[Path | None, typer.Option(help="folder for pictures, and their specs")] = None,
    url: Url = LOCAL,
    api_key: ApiKey = "",
) -> None:
    """Say what plans would have brought in, over the usage of all tenants; nothing is billed."""
    body: dict[str, Any] = {
        "start": f"{start:%Y-%m-%d}",
        "end": f"{end:%Y-%m-%d}",
        "plans": [_choice(text) for text in plan],
        "seats": seats,
        "elasticities": elasticity or [],
    }
    if migrate_to is not None:
        body["migration"] = {
            "to": _choice(migrate_to),
            "starts_on": f"{starts_on or end:%Y-%m-%d}",
            "max_rise_percent": max_rise,
            "max_fall_percent": max_fall,
            "periods": periods,
        }
    found = _ask(url, api_key, body)
    if json_file is not None:
        json_file.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    if csv_file is not None:
        csv_file.write_text(csv_text(SimulationResult.model_validate(found)), encoding="utf-8")
    if plots is not None:
        write_plots(plots_of(SimulationResult.model_validate(found)), plots)
    show_result(Console(highlight=False, soft_wrap=True), found)


def _choice(text: str) -> dict[str, Any]:
    """Read `book/plan` or `book/plan@version`."""
    named = NAMED.match(text)
    if named is None:
        raise typer.BadParameter(f"{text}: a plan is book/plan, or book/plan@version")
    book, key, version = named.groups()
    return {"price_book": book, "plan": key, "version": int(version) if version else None}


def _ask(url: str, api_key: str, body: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return asyncio.run(_run(url, api_key, body))
    except TallyrollError as error:
        typer.secho(str(error), fg=typer.colors.RED, err=True)
        for fault in error.faults:
            typer.secho(f"{fault.path}: {fault.message} ({fault.code})", err=True)
        raise typer.Exit(1) from error
    except httpx.HTTPError as error:
        message = f"{url} does not answer: {error or type(error).__name__}"
        typer.secho(message, fg=typer.colors.RED, err=True)
        raise typer.Exit(1) from error


async def _run(url: str, api_key: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """Ask for a simulation and wait for its end; raises `simulation_failed` with the reason."""
    async with connect(url, api_key) as client:
        key = {"Idempotency-Key": str(uuid4())}
        asked = await send(client, "POST", "/v1/simulations", body, key)
        path = f"/v1/simulations/{asked['simulation_id']}"
        try:
            while asked["state"] in {"queued", "running"}:
                await asyncio.sleep(POLL_SECONDS)
                asked = await send(client, "GET", path)
        except asyncio.CancelledError:
            typer.secho(f"It goes on; its result will be at {url}{path}/result", err=True)
            raise
        if asked["state"] == "failed":
            failure = asked["failure"]
            raise TallyrollError(failure["code"], failure["message"])
        return await send(client, "GET", f"{path}/result")


def show_result(console: Console, found: Mapping[str, Any]) -> None:
    """Print plans beside each other, where seats break even, a migration, what was assumed."""
    console.print(_plans(found))
    console.print(_people(found))
    for plan in found["plans"]:
        if bills := plan["blocked_bills"]:
            text = f"In {bills} bills of {plan['plan']} a limit blocks usage"
            console.print(f"{text}: it is not billed, and its cost counts.")
    for seat in found["seats"]:
        fee, cost = seat["seat_fee"]["shown"], seat["cost_reaches_fee_at"]
        even = "what its usage costs is not known in full"
        if cost is not None:
            even = _even(cost, "its usage costs as much")
        console.print(f"A seat of {seat['plan']} brings in {fee}; {even}")
        for other, at in seat["usage_costs_as_much_at"].items():
            console.print(f"  {_even(at, f'{other} costs as much')}")
    moves = found["migration"]
    if moves is not None:
        cohorts = ", ".join(f"{count} {name}" for name, count in moves["cohorts"].items())
        text = f"Moving to {moves['to']} costs {moves['cost']['shown']} in {moves['periods']}"
        console.print(f"{text} periods: {cohorts}.")
    for tenant, why in found["left_out"].items():
        console.print(f"Left out: {tenant}, {why}.")
    for note in found["assumptions"]:
        console.print(f"[dim]{note}[/]")


def _even(at: Mapping[str, Any], what: str) -> str:
    if at["tokens"] is None:
        return f"{what} at no amount of usage"
    tokens = f"{int(at['tokens'].partition('.')[0]):,}"
    return f"{what} at {tokens} tokens a month, {at['multiple']} x the mean person's"


def _plans(found: Mapping[str, Any]) -> Table:
    """Return what plans bring in; so few columns that their numbers stand in 80 characters."""
    title = f"{found['tenants']} tenants, {found['start']} to {found['end']}, {found['currency']}"
    names = ("revenue", "change", "cost", "margin %", "pay more", "less")
    table = _table(title, names)
    for plan in found["plans"]:
        table.add_row(
            plan["plan"],
            *(_shown(plan[name]) for name in ("revenue", "change", "cost")),
            _rounded(plan["margin_percent"]),
            *(str(plan[name]["tenants"]) for name in ("pays_more", "pays_less")),
        )
        for answer in plan["answers"]:
            revenue, cost = (_shown(answer[name]) for name in ("revenue", "cost"))
            table.add_row(f"  elasticity {answer['elasticity']}", revenue, "", cost)
    return table


def _people(found: Mapping[str, Any]) -> Table:
    """Return how that is spread over people."""
    count = found["plans"][0]["people"]["count"]
    title = f"What a person brings in a month, of {count}"
    table = _table(title, ("median", "p90", "p99", "top 10 %", "Gini"))
    for plan in found["plans"]:
        people = plan["people"]
        table.add_row(
            plan["plan"],
            *(_shown(people[name]) for name in ("median", "p90", "p99")),
            *(_rounded(people[name]) for name in ("top_decile_share", "gini")),
        )
    return table


def _table(title: str, names: Sequence[str]) -> Table:
    table = Table(title=title, title_justify="left", border_style="dim", pad_edge=False)
    table.add_column("plan", overflow="fold")
    for name in names:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _shown(money: Mapping[str, str] | None) -> str:
    return "?" if money is None else f"{Decimal(money['shown']):,}"


def _rounded(number: str | None) -> str:
    if number is None:
        return "?"
    whole, _, part = number.partition(".")
    return f"{whole}.{part[:2]}" if part else whole
