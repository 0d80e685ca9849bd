"""`tallyrollctl growth …`, `contribution` and `agents`: what growth is made of."""

import json
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from pydantic import BaseModel
from rich.console import Console

from services.pricing.api_client import connect, refuse
from services.pricing.cli_asking import answer_of, tell
from services.pricing.contribution_plots import contribution_plot
from services.pricing.domain.growth.windows import Step
from services.pricing.growth_inputs import Entry, Log, located, read_entries
from services.pricing.growth_plots import enablement_plot, growth_plot
from services.pricing.growth_words import (
    show_contribution,
    show_enablement,
    show_growth,
    show_roster,
)
from services.pricing.handlers.growth.contribution import Dimension, Of
from services.pricing.handlers.growth.growth import Total
from services.pricing.handlers.growth.sides import Unit
from services.pricing.handlers.growth.windows import Against
from services.pricing.plotting import Spec, write_plots
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

LOCAL = "http://127.0.0.1:8002"
Form = Literal["table", "json", "csv", "vega-lite"]
Day = Annotated[datetime, typer.Option("--from", formats=["%Y-%m-%d"], help="UTC day, inclusive")]
End = Annotated[datetime, typer.Option("--to", formats=["%Y-%m-%d"], help="exclusive")]
BaseFrom = Annotated[
    datetime | None,
    typer.Option(formats=["%Y-%m-%d"], help="compare with these days instead"),
]
BaseTo = Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="exclusive")]
Before = Annotated[Against, typer.Option(help="compare with the days before, or a year before")]
Currency = Annotated[str | None, typer.Option(help="of revenue, where there are several")]
As = Annotated[Form, typer.Option("--format", help="table, json, csv, or a Vega-Lite plot")]
Out = Annotated[Path | None, typer.Option(help="a file; standard output by default")]
Plots = Annotated[Path | None, typer.Option(help="folder for the picture, and its spec")]
Url = Annotated[
    str, typer.Option(envvar=["TALLYROLL_PRICING_URL", "PRICING"], help="base URL of pricing")
]
ApiKey = Annotated[
    str, typer.Option(envvar="TALLYROLL_API_KEY", help="a key of the vendor, not of a tenant")
]
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
    days = _days(first, end, against, base_from, base_to)
    asked = {**days, "of": of, "unit": unit, "currency": currency}
    drawn = _Drawn(plots, GrowthRead, growth_plot)
    _answer(_Asked(url, api_key, "growth", asked), form, out, show_growth, drawn)


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
    days = _days(first, end, against, base_from, base_to)
    asked = {**days, "of": of, "by": by, "each": each, "currency": currency, "top": top}
    drawn = _Drawn(plots, ContributionsRead, contribution_plot)
    _answer(_Asked(url, api_key, "contribution", asked), form, out, show_contribution, drawn)


@top_app.command()
def agents(
    first: Day,
    end: End,
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
    url: Url = LOCAL,
    api_key: ApiKey = "",
) -> None:
    """List agents with what they used, cost and brought in, the dearest first."""
    days = _days(first, end, against, base_from, base_to)
    asked = {**days, "outcome": outcome, "currency": currency, "top": top}
    _answer(_Asked(url, api_key, "agents", asked), form, out, show_roster)


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
    drawn = _Drawn(plots, EnablementRead, enablement_plot)
    _answer(_Asked(url, api_key, "enablement", asked), form, out, show_enablement, drawn)


@app.command("trained")
def trained(file: File, url: Url = LOCAL, api_key: ApiKey = "") -> None:
    """Say who was trained when: tenant, user, trained_on (empty: was not), program."""
    _write(file, "trainings", url, api_key)


@app.command("segments")
def segments(file: File, url: Url = LOCAL, api_key: ApiKey = "") -> None:
    """Say which segments tenants belong to: tenant, segment (empty: none)."""
    _write(file, "segments", url, api_key)


@dataclass(frozen=True)
class _Asked:
    """A question to the API; parameters that are None are not asked."""

    url: str
    api_key: str
    path: str
    parameters: dict[str, Any]

    async def read(self, form: Form) -> str:
        """Return the answer's text, raising what the API refuses."""
        asked = {name: value for name, value in self.parameters.items() if value is not None}
        asked["format"] = "json" if form == "table" else form
        async with connect(self.url, self.api_key) as client:
            answer = await client.get(f"/v1/{self.path}", params=asked)
            refuse(answer)
            return answer.text


@dataclass(frozen=True)
class _Drawn:
    """An answer as a picture and its spec, named as the answer; nothing without a folder."""

    folder: Path | None
    model: type[BaseModel]
    plot: Callable[[Any], Spec]

    def draw(self, name: str, figures: str) -> None:
        """Write both of an answer in JSON."""
        if self.folder is not None:
            write_plots({name: self.plot(self.model.model_validate_json(figures))}, self.folder)


def _days(
    first: datetime,
    end: datetime,
    against: Against,
    base_from: datetime | None,
    base_to: datetime | None,
) -> dict[str, Any]:
    return {
        "from": first.date().isoformat(),
        "to": end.date().isoformat(),
        "against": against,
        "base_from": base_from and base_from.date().isoformat(),
        "base_to": base_to and base_to.date().isoformat(),
    }


def _answer(
    asked: _Asked,
    form: Form,
    out: Path | None,
    words: Callable[[Console, Any], None],
    drawn: _Drawn | None = None,
) -> None:
    text = answer_of(asked.url, lambda: asked.read(form))
    if drawn is not None and drawn.folder is not None:
        figures = (
            text if form in ("table", "json") else answer_of(asked.url, lambda: asked.read("json"))
        )
        drawn.draw(asked.path, figures)
    if form == "table":
        with out.open("w", encoding="utf-8") if out else nullcontext() as file:
            words(Console(file=file, highlight=False), json.loads(text))
    elif out is None:
        typer.echo(text, nl=form != "csv")
    else:
        out.write_text(text, encoding="utf-8", newline="")


def _write(file: Path, log: Log, url: str, api_key: str) -> None:
    entries = _read(file, log)
    added = answer_of(url, lambda: _send(url, api_key, log, entries))
    known = len(entries) - added
    typer.echo(f"{log}: {added} entries added, {known} stood already")


def _read(file: Path, log: Log) -> Sequence[Entry]:
    try:
        return read_entries(file, log)
    except TallyrollError as error:
        tell(error)
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
