"""Questions that commands ask pricing's HTTP API, and how their answers are told."""

import asyncio
import json
from collections.abc import Callable, Coroutine
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import httpx
import typer
from pydantic import BaseModel
from rich.console import Console

from services.pricing.api_client import connect, refuse
from services.pricing.handlers.growth.windows import Against
from services.pricing.plotting import Spec, write_plots
from shared.errors import TallyrollError

Answer = TypeVar("Answer")
LOCAL = "http://127.0.0.1:8002"
Form = Literal["table", "json", "csv", "vega-lite"]
Day = Annotated[datetime, typer.Option("--from", formats=["%Y-%m-%d"], help="UTC day, inclusive")]
End = Annotated[datetime, typer.Option("--to", formats=["%Y-%m-%d"], help="exclusive")]
MaybeDay = Annotated[
    datetime | None, typer.Option("--from", formats=["%Y-%m-%d"], help="UTC day, inclusive")
]
MaybeEnd = Annotated[datetime | None, typer.Option("--to", formats=["%Y-%m-%d"], help="exclusive")]
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


@dataclass(frozen=True)
class Asked:
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


def days_of(
    first: datetime,
    end: datetime,
    against: Against,
    base_from: datetime | None,
    base_to: datetime | None,
) -> dict[str, Any]:
    """Return days, and those that they are compared with, as the API is asked for them."""
    return {
        "from": first.date().isoformat(),
        "to": end.date().isoformat(),
        "against": against,
        "base_from": base_from and base_from.date().isoformat(),
        "base_to": base_to and base_to.date().isoformat(),
    }


@dataclass(frozen=True)
class Drawn:
    """An answer as a picture and its spec, named as the answer; nothing without a folder."""

    folder: Path | None
    model: type[BaseModel]
    plot: Callable[[Any], Spec]

    def draw(self, asked: Asked, form: Form, text: str) -> None:
        """Write both of an answer, which is asked for again where its text has no figures."""
        if self.folder is None:
            return
        has_figures = form in ("table", "json")
        figures = text if has_figures else ask(asked.url, lambda: asked.read("json"))
        write_plots({asked.path: self.plot(self.model.model_validate_json(figures))}, self.folder)


def show_answer(
    asked: Asked,
    form: Form,
    out: Path | None,
    words: Callable[[Console, Any], None],
    drawn: Drawn | None = None,
) -> None:
    """Print an answer in words, or write it as it comes, to a file where one is named."""
    text = ask(asked.url, lambda: asked.read(form))
    if drawn is not None:
        drawn.draw(asked, form, text)
    if form == "table":
        with out.open("w", encoding="utf-8") if out else nullcontext() as file:
            words(Console(file=file, highlight=False), json.loads(text))
    elif out is None:
        typer.echo(text, nl=form != "csv")
    else:
        out.write_text(text, encoding="utf-8", newline="")


def ask(url: str, question: Callable[[], Coroutine[Any, Any, Answer]]) -> Answer:
    """Return what the API answers; a refusal is told with its faults, and is exit code 1."""
    try:
        return asyncio.run(question())
    except TallyrollError as error:
        tell_refusal(error)
        raise typer.Exit(1) from error
    except httpx.HTTPError as error:
        message = f"{url} does not answer: {error or type(error).__name__}"
        typer.secho(message, fg=typer.colors.RED, err=True)
        raise typer.Exit(1) from error


def tell_refusal(error: TallyrollError) -> None:
    """Print a refusal with all its faults."""
    typer.secho(str(error), fg=typer.colors.RED, err=True)
    for fault in error.faults:
        typer.echo(f"  {fault.path}: {fault.message} ({fault.code})", err=True)
