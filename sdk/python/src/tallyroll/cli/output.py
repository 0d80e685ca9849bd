"""What all commands print alike: JSON, sizes, ages, faults; and their exit codes."""

from collections.abc import Mapping
from datetime import datetime
from enum import IntEnum
from typing import Any, NoReturn

import msgspec
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from tallyroll.stats import Stats

KILO = 1024
PIPE_COLUMNS = 240
MINUTE, HOUR, DAY = 60, 3600, 86_400


class ExitCode(IntEnum):
    """What a command tells the shell."""

    DONE = 0
    REFUSED = 1
    USAGE = 2
    NOT_DONE = 3
    INTERRUPTED = 130


def console() -> Console:
    """Return the terminal that results go to; in a file or a pipe lines may be long."""
    made = Console(highlight=False)
    if not made.is_terminal:
        made.width = max(made.width, PIPE_COLUMNS)
    return made


def messages() -> Console:
    """Return the terminal for what is no result: progress, faults."""
    return Console(stderr=True, highlight=False)


def print_json(value: object) -> None:
    """Print one JSON document on one line."""
    typer.echo(msgspec.json.encode(value, enc_hook=str).decode())


def end(code: ExitCode) -> NoReturn:
    """Leave with a code."""
    raise typer.Exit(int(code))


def refuse_usage(message: str) -> NoReturn:
    """Say what is wrong with the call, and leave."""
    messages().print(Text(f"error: {message}", style="red"), soft_wrap=True)
    end(ExitCode.USAGE)


def table(*columns: str, right: tuple[str, ...] = ()) -> Table:
    """Return an empty table; columns named in `right` hold numbers."""
    made = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    for name in columns:
        made.add_column(name, justify="right" if name in right else "left", overflow="fold")
    return made


def size(number: int) -> str:
    """Return bytes as a person reads them: `17 B`, `4.0 MiB`."""
    amount, units = float(number), ["B", "KiB", "MiB", "GiB"]
    while amount >= KILO and len(units) > 1:
        amount /= KILO
        units.pop(0)
    return f"{amount:.0f} B" if units[0] == "B" else f"{amount:.1f} {units[0]}"


def age(instant: datetime | None, now: datetime) -> str:
    """Return how long ago that was, in one unit; `-` if it is not known."""
    if instant is None:
        return "-"
    seconds = int((now - instant).total_seconds())
    if seconds < 0:
        return "in the future"
    for unit, name in ((DAY, "d"), (HOUR, "h"), (MINUTE, "min")):
        if seconds >= unit:
            return f"{seconds // unit} {name}"
    return f"{seconds} s"


def progress(unit: str) -> Progress:
    """Return a bar on the terminal of messages; silent where there is no terminal."""
    terminal = messages()
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=30),
        TaskProgressColumn(),
        TextColumn(f"{{task.fields[events]}} {unit}"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[trouble]}", style="yellow"),
        console=terminal,
        disable=not terminal.is_terminal,
        transient=True,
    )


HINTS = {
    "http_401": "the key is unknown or revoked (http_401)",
    "http_403": "the key may not do this (http_403): see its scopes",
    "http_404": "there is no Tallyroll at this endpoint (http_404)",
}
"""Failures that time does not heal."""


def trouble(stats: Stats) -> str:
    """Return why events are held now, empty if they are not."""
    if not stats.held or stats.last_failure is None:
        return ""
    return HINTS.get(stats.last_failure, f"the server does not answer ({stats.last_failure})")


def is_hopeless(stats: Stats) -> bool:
    """Tell whether to give up at once: only a person can change what is wrong."""
    return bool(stats.held) and stats.last_failure in HINTS


def total_line(parts: Mapping[str, Any]) -> str:
    """Return `3 accepted, 1 rejected`; what is zero is left out."""
    return ", ".join(f"{number:,} {name}" for name, number in parts.items() if number) or "nothing"
