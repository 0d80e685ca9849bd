"""`tallyrollctl growth …` and `contribution`: what growth is made of."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import typer

from services.pricing.api_client import connect, refuse
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
    Out,
    Plots,
    Url,
    ask,
    days_of,
    show_answer,
    tell_refusal,
)
from services.pricing.contribution_plots import contribution_plot
from services.pricing.domain.growth.windows import Step
from services.pricing.growth_inputs import Entry, Log, located, read_entries
from services.pricing.growth_plots import enablement_plot, growth_plot
from services.pricing.growth_words import (
    show_contribution,
    show_enablement,
    show_growth,
)
from services.pricing.handlers.growth.contribution import Dimension, Of
from services.pricing.handlers.growth.growth import Total
from services.pricing.handlers.growth.sides import Unit
from services.pricing.schemas.growth.contribution import ContributionsRead
from services.pricing.schemas.growth.enablement import (
    DEFAULT_PROGRAM,
    ENTRIES_PER_REQUEST,
    EnablementRead,
)
from services.pricing.schemas.growth.growth import GrowthRead
from shared.errors import TallyrollError

app = typer.Typer(no_args_is_help=True, help="What growth is made of, and what training changed.")
top_app = typer.Typer()

File = Annotated[Path, typer.Argument(help="CSV with a header line, or JSON")]


@app.command("show")
def show(
    first: Day,
    end: End,
    of: Annotated[Total, typer.Option(help="tokens or revenue")] = "tokens",
    unit: Annotated[Unit, typer.Option(help="whose number is the breadth")] = "user",
    *,
    against: Before = "before",
    base_from: BaseFrom = None,
    base_to: BaseTo = None,
    currency: Currency = None,
    form: As = "table",
    out: Out = None,
    plots: Plots = None,
    url: Url = LOCAL,
    api_key: ApiKey = "",
) -> None:
    """Split the growth of tokens or revenue by factor and by cohort; each split adds up."""
    days = days_of(first, end, against, base_from, base_to)
    asked = {**days, "of": of, "unit": unit, "currency": currency}
    drawn = Drawn(plots, GrowthRead, growth_plot)
    show_answer(Asked(url, api_key, "growth", asked), form, out, show_growth, drawn)


@top_app.command()
def contribution(
    first: Day,
    end: End,
    of: Annotated[Of, typer.Option(help="revenue, tokens or cost")] = "revenue",
    by: Annotated[Dimension, typer.Option(help="what the whole is told apart by")] = "tenant",
    *,
    each: Annotated[Step | None, typer.Option(help="month, quarter or year, in a row")] = None,
    against: Before = "before",
    base_from: BaseFrom = None,
    base_to: BaseTo = None,
    currency: Currency = None,
    top: Annotated[int, typer.Option(help="parts that are named")] = 20,
    form: As = "table",
    out: Out = None,
    plots: Plots = None,
    url: Url = LOCAL,
    api_key: ApiKey = "",
) -> None:
    """Tell what each part made of a growth, and what it would have been without it."""
    days = days_of(first, end, against, base_from, base_to)
    asked = {**days, "of": of, "by": by, "each": each, "currency": currency, "top": top}
    drawn = Drawn(plots, ContributionsRead, contribution_plot)
    show_answer(Asked(url, api_key, "contribution", asked), form, out, show_contribution, drawn)


@app.command("training")
def training(
    program: Annotated[str, typer.Option(help="which training")] = DEFAULT_PROGRAM,
    days: Annotated[int, typer.Option(help="before, and after, each day of training")] = 28,
    *,
    cluster: Annotated[
        Literal["user", "tenant"], typer.Option(help="whose figures move together")
    ] = "user",
    form: As = "table",
    out: Out = None,
    plots: Plots = None,
    url: Url = LOCAL,
    api_key: ApiKey = "",
) -> None:
    """Tell what training changed, against those who were not trained, with an interval."""
    asked = {"program": program, "days": days, "cluster": cluster}
    drawn = Drawn(plots, EnablementRead, enablement_plot)
    show_answer(Asked(url, api_key, "enablement", asked), form, out, show_enablement, drawn)


@app.command("trained")
def trained(file: File, url: Url = LOCAL, api_key: ApiKey = "") -> None:
    """Say who was trained when: tenant, user, trained_on (empty: was not), program."""
    _write(file, "trainings", url, api_key)


@app.command("segments")
def segments(file: File, url: Url = LOCAL, api_key: ApiKey = "") -> None:
    """Say which segments tenants belong to: tenant, segment (empty: none)."""
    _write(file, "segments", url, api_key)


def _write(file: Path, log: Log, url: str, api_key: str) -> None:
    entries = _read(file, log)
    added = ask(url, lambda: _send(url, api_key, log, entries))
    known = len(entries) - added
    typer.echo(f"{log}: {added} entries added, {known} stood already")


def _read(file: Path, log: Log) -> Sequence[Entry]:
    try:
        return read_entries(file, log)
    except TallyrollError as error:
        tell_refusal(error)
        raise typer.Exit(1) from error


async def _send(url: str, api_key: str, log: Log, entries: Sequence[Entry]) -> int:
    """Write entries a request at a time; return how many were added."""
    added = 0
    async with connect(url, api_key) as client:
        for start in range(0, len(entries), ENTRIES_PER_REQUEST):
            some = entries[start : start + ENTRIES_PER_REQUEST]
            answer = await client.post(f"/v1/{log}", json={log: [one.body for one in some]})
            try:
                refuse(answer)
            except TallyrollError as error:
                error.faults = located(error.faults, some)
                raise
            added += len(answer.json()["entries"])
    return added
