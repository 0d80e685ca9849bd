"""`tallyrollctl pricebook`: price books as YAML files, kept where one keeps code."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, TypeVar

import httpx
import typer
from rich.console import Console
from rich.markup import escape

from services.pricing.api_client import connect
from services.pricing.book_client import (
    Done,
    apply_file,
    define_meters,
    diff_file,
    draft_faults,
    publish_file,
    publish_when_told,
)
from services.pricing.book_files import BookFile, located, read_book_file
from services.pricing.book_words import show_diff
from services.pricing.book_yaml import FaultyFileError
from shared.errors import Fault, TallyrollError

app = typer.Typer(
    no_args_is_help=True, help="Price books as YAML files: validate, compare, apply, publish."
)
Files = Annotated[list[Path], typer.Argument(help="YAML files, one book each")]
File = Annotated[Path, typer.Argument(help="a YAML file with one book")]
Url = Annotated[
    str, typer.Option(envvar=["TALLYROLL_PRICING_URL", "PRICING"], help="base URL of pricing")
]
ApiKey = Annotated[
    str, typer.Option(envvar="TALLYROLL_API_KEY", help="a vendor's key with catalog:write")
]
MeteringUrl = Annotated[
    str, typer.Option(envvar=["TALLYROLL_METERING_URL", "METERING"], help="base URL of metering")
]
LOCAL = "http://127.0.0.1:8002"
LOCAL_METERING = "http://127.0.0.1:8001"

Answer = TypeVar("Answer")
Ask = Callable[[httpx.AsyncClient], Awaitable[Answer]]


@app.command()
def validate(files: Files) -> None:
    """Check files without a server; every fault with its line. Exit code 1 if there is one."""
    faulty = 0
    for path in files:
        try:
            file = read_book_file(path)
        except (FaultyFileError, OSError) as error:
            faulty += 1
            _tell(path, error)
            continue
        content = file.content
        parts = f"{len(content.charges)} charges, {len(content.plans)} plans"
        typer.echo(f"{path}: {file.book} is valid: {parts}, {file.content_hash[:12]}")
    if faulty:
        raise typer.Exit(1)


@app.command()
def diff(
    file: File,
    against: Annotated[int | None, typer.Option(help="version; the latest published one")] = None,
    url: Url = LOCAL,
    api_key: ApiKey = "",
) -> None:
    """Say what a file would change: in words, and in money over last month's usage."""
    read = _read(file)
    found = _ask(read, url, api_key, lambda client: diff_file(client, read, against))
    show_diff(Console(highlight=False, soft_wrap=True), found)


@app.command()
def apply(files: Files, url: Url = LOCAL, api_key: ApiKey = "") -> None:
    """Write each file as the draft of its book's next version. The same again changes nothing.

    What would keep it from being published is told at once.
    """
    for path in files:
        file = _read(path)
        done = _ask(file, url, api_key, _applying(file))
        _say(done)
        if faults := _ask(file, url, api_key, _checking(file, done)):
            typer.secho(f"{path}: not to be published yet", fg=typer.colors.YELLOW, err=True)
            _tell_faults(path, located(faults, file.lines))


@app.command()
def publish(
    files: Files,
    effective_on: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="instead of the day that the file states"),
    ] = None,
    url: Url = LOCAL,
    api_key: ApiKey = "",
) -> None:
    """Publish what was applied; from then on it never changes. Twice is once."""
    for path in files:
        file = _read(path)
        day = _day_of(file, effective_on)
        _say(_ask(file, url, api_key, _publishing(file, day)))


@app.command()
def load(
    files: Files,
    url: Url = LOCAL,
    metering_url: MeteringUrl = LOCAL_METERING,
    api_key: ApiKey = "",
) -> None:
    """Make the meters of files, apply them and publish them from the day that each states."""
    for path in files:
        file = _read(path)
        day = _day_of(file, None)
        if file.meters:
            for kind in _ask(file, metering_url, api_key, _defining(file)):
                typer.echo(f"{file.book}: there is {kind}")
        _ask(file, url, api_key, _applying(file))
        _say(_ask(file, url, api_key, _publishing(file, day, publish_when_told)))


def _day_of(file: BookFile, stated: datetime | None) -> date:
    day = stated.date() if stated else file.effective_on
    if day is None:
        message = f"{file.path}: say from which day on, with --effective-on or in the file"
        typer.secho(message, fg=typer.colors.RED, err=True)
        raise typer.Exit(1)
    return day


def _defining(file: BookFile) -> Ask[list[str]]:
    return lambda client: define_meters(client, file)


def _applying(file: BookFile) -> Ask[Done]:
    return lambda client: apply_file(client, file)


def _checking(file: BookFile, done: Done) -> Ask[list[Fault]]:
    return lambda client: draft_faults(client, file, done)


def _publishing(
    file: BookFile,
    day: date,
    publishing: Callable[[httpx.AsyncClient, BookFile, date], Awaitable[Done]] = publish_file,
) -> Ask[Done]:
    return lambda client: publishing(client, file, day)


def _read(path: Path) -> BookFile:
    try:
        return read_book_file(path)
    except (FaultyFileError, OSError) as error:
        _tell(path, error)
        raise typer.Exit(1) from error


def _ask(file: BookFile, url: str, api_key: str, ask: Ask[Answer]) -> Answer:
    """Return an answer of the API; a refusal is told, its faults with the lines of the file."""

    async def asked() -> Answer:
        async with connect(url, api_key) as client:
            return await ask(client)

    try:
        return asyncio.run(asked())
    except TallyrollError as error:
        typer.secho(f"{file.path}: {error}", fg=typer.colors.RED, err=True)
        _tell_faults(file.path, located(error.faults, file.lines))
        raise typer.Exit(1) from error
    except httpx.HTTPError as error:
        message = f"{url} does not answer: {error or type(error).__name__}"
        typer.secho(message, fg=typer.colors.RED, err=True)
        raise typer.Exit(1) from error


def _tell(path: Path, error: FaultyFileError | OSError) -> None:
    if isinstance(error, OSError):
        typer.secho(f"{path}: {error.strerror}", fg=typer.colors.RED, err=True)
        return
    _tell_faults(path, error.faults)
    count = len(error.faults)
    words = "1 fault" if count == 1 else f"{count} faults"
    typer.secho(f"{path}: {words}", fg=typer.colors.RED, err=True)


def _tell_faults(path: Path, faults: list[tuple[int, Fault]]) -> None:
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    for line, fault in faults:
        place = f"[bold]{escape(fault.path)}[/]: " if fault.path else ""
        text = f"{place}{escape(fault.message)} [dim]({fault.code})[/]"
        console.print(f"{escape(str(path))}:{line}: {text}")


def _say(done: Done) -> None:
    since = f", effective on {done.effective_on}" if done.effective_on else ""
    typer.echo(f"{done.book} version {done.version}: {done.action} ({done.state}{since})")
