"""`tallyrollctl agents …`: the roster, who owns an agent, and what its runs cost."""

import json
from functools import partial
from typing import Annotated, Literal
from urllib.parse import quote

import typer

from services.pricing.agent_words import show_roster, show_runs, show_tree
from services.pricing.api_client import connect, send
from services.pricing.cli_asking import (
    LOCAL,
    ApiKey,
    As,
    Asked,
    BaseFrom,
    BaseTo,
    Before,
    Currency,
    Day,
    Drawn,
    End,
    MaybeDay,
    MaybeEnd,
    Out,
    Plots,
    Url,
    ask,
    days_of,
    show_answer,
)
from services.pricing.growth_plots import roster_plot
from services.pricing.schemas.agents import RosterRead

app = typer.Typer(
    invoke_without_command=True,
    help="Agents with what they and their runs used, cost and brought in, the dearest first.",
)

FileForm = Annotated[
    Literal["table", "json", "csv"], typer.Option("--format", help="table, json or csv")
]
Agent = Annotated[str, typer.Argument(help="as events name it")]
Tenant = Annotated[str | None, typer.Option(help="its own agent; by default every tenant's")]


@app.callback()
def agents(
    context: typer.Context,
    first: MaybeDay = None,
    end: MaybeEnd = None,
    outcome: Annotated[
        str | None, typer.Option(help="the unit that counts outcomes, such as tickets_resolved")
    ] = None,
    *,
    against: Before = "before",
    base_from: BaseFrom = None,
    base_to: BaseTo = None,
    currency: Currency = None,
    top: Annotated[int, typer.Option(help="agents that are told")] = 100,
    form: As = "table",
    out: Out = None,
    plots: Plots = None,
    url: Url = LOCAL,
    api_key: ApiKey = "",
) -> None:
    """List agents with what they and their runs used, cost and brought in, the dearest first."""
    if context.invoked_subcommand is not None:
        return
    if first is None or end is None:
        raise typer.BadParameter("the days are named: --from and --to")
    days = days_of(first, end, against, base_from, base_to)
    asked = {**days, "outcome": outcome, "currency": currency, "top": top}
    drawn = Drawn(plots, RosterRead, roster_plot)
    show_answer(Asked(url, api_key, "agents", asked), form, out, show_roster, drawn)


@app.command("set")
def set_card(
    agent: Agent,
    owner: Annotated[str | None, typer.Option(help="who answers for it; by default nobody")] = None,
    team: Annotated[str | None, typer.Option(help="of the owner")] = None,
    status: Annotated[Literal["active", "paused", "retired"], typer.Option()] = "active",
    purpose: Annotated[str | None, typer.Option(help="what it is for")] = None,
    *,
    tenant: Tenant = None,
    url: Url = LOCAL,
    api_key: ApiKey = "",
) -> None:
    """Say who owns an agent, what it is for, and whether it is in use; the past is kept."""
    names = {"tenant": tenant, "owner": owner, "team": team}
    card = {**names, "status": status, "purpose": purpose}

    async def put() -> dict[str, object]:
        async with connect(url, api_key) as client:
            return await send(client, "PUT", f"/v1/agents/{quote(agent)}", card)

    written = ask(url, put)
    typer.echo(f"{agent}: {written['owner'] or 'nobody'}, {written['status']}")


@app.command("card")
def show_card(
    agent: Agent, *, tenant: Tenant = None, url: Url = LOCAL, api_key: ApiKey = ""
) -> None:
    """Print the card that stands for an agent, and those before it, as JSON."""
    query = {} if tenant is None else {"tenant": tenant}

    async def get() -> dict[str, object]:
        async with connect(url, api_key) as client:
            return await send(client, "GET", f"/v1/agents/{quote(agent)}", query=query)

    typer.echo(json.dumps(ask(url, get), indent=2))


@app.command("runs")
def list_runs(
    agent: Agent,
    first: Day,
    end: End,
    *,
    tenant: Annotated[str | None, typer.Option(help="of one tenant only")] = None,
    order: Annotated[Literal["latest", "dearest"], typer.Option(help="which come first")] = (
        "latest"
    ),
    limit: Annotated[int, typer.Option(help="runs that are told")] = 20,
    form: FileForm = "table",
    out: Out = None,
    url: Url = LOCAL,
    api_key: ApiKey = "",
) -> None:
    """List an agent's runs that ended in some days, with what its own calls cost."""
    days = {"from": first.date().isoformat(), "to": end.date().isoformat()}
    asked = {**days, "tenant": tenant, "order": order, "limit": limit}
    path = f"agents/{quote(agent)}/runs"
    show_answer(Asked(url, api_key, path, asked), form, out, show_runs)


@app.command("run")
def show_run(
    run: Annotated[str, typer.Argument(help="as events name it")],
    tenant: Annotated[str, typer.Option(help="whose run")],
    *,
    levels: Annotated[int, typer.Option(min=0, help="below the root that are shown")] = 8,
    form: FileForm = "table",
    out: Out = None,
    url: Url = LOCAL,
    api_key: ApiKey = "",
) -> None:
    """Show the tree that a run belongs to, with costs rolled up to its root."""
    asked = Asked(url, api_key, f"runs/{quote(run)}/cost", {"tenant": tenant})
    show_answer(asked, form, out, partial(show_tree, levels=levels))
