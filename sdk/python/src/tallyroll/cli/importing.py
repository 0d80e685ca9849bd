"""`tallyroll import FILE`: past usage from JSONL or CSV, or of Vercel's AI Gateway."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.progress import Progress, TaskID
from rich.text import Text

from tallyroll import Fault, Meter, Stats
from tallyroll.cli.options import ApiKey, AsJson, Endpoint, Timeout
from tallyroll.cli.output import (
    ExitCode,
    console,
    end,
    is_hopeless,
    messages,
    print_json,
    progress,
    refuse_usage,
    total_line,
    trouble,
)
from tallyroll.pastusage.events import Mapped
from tallyroll.pastusage.importing import CHUNK_ROWS, Import, Summary
from tallyroll.pastusage.rows import Row, read_rows
from tallyroll.pastusage.vercel import row_of_vercel

File = Annotated[
    Path, typer.Argument(exists=True, dir_okay=False, readable=True, help="JSONL or CSV.")
]
Map = Annotated[
    list[str] | None,
    typer.Option(
        "--map",
        metavar="NAME=FIELD",
        help="A column or key of the file is this field of an event, such as "
        "prompt=tokens.input_uncached; NAME= leaves it out. Repeatable.",
    ),
]
Fixed = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="FIELD=VALUE", help="For every event that does not say it. Repeatable."
    ),
]


def import_file(
    file: File,
    *,
    endpoint: Endpoint = None,
    api_key: ApiKey = None,
    form: Annotated[
        str | None,
        typer.Option("--format", help="jsonl, csv or vercel; else by the file's name."),
    ] = None,
    names: Map = None,
    fixed: Fixed = None,
    id_column: Annotated[
        str | None, typer.Option(help="The column or key that identifies an event.")
    ] = None,
    namespace: Annotated[
        str, typer.Option(help="Sets apart files that have the same line at the same place.")
    ] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check only; send nothing.")] = False,
    timeout: Timeout = 60.0,
    as_json: AsJson = False,
) -> None:
    """Import past usage. Importing a file twice counts it once; so it is resumed: run it again.

    The key needs `events:write`, and `events:backfill` for what is older than 35 days. An event's
    id is `event_id`, or --id-column, or made from line number and content. Lines with a fault are
    told with line number and code, all others are imported.
    """
    form = _form(file, form)
    mapped = Mapped(_pairs("--map", names), _pairs("--set", fixed), id_column, namespace)
    meter = None if dry_run else _meter(endpoint, api_key)
    session = _Session(file, timeout=timeout, as_json=as_json)
    run = Import(meter, mapped, on_fault=session.show_fault, on_progress=session.show_progress)
    code = session.run(run, form)
    if meter is not None:
        meter.close(0)
    session.report(run.summary, dry_run=dry_run, code=code)
    end(code)


def _form(file: Path, form: str | None) -> str:
    form = form or file.suffix.lower().lstrip(".")
    if form not in ("csv", "jsonl", "ndjson", "vercel"):
        refuse_usage("say --format jsonl, csv or vercel: the file's name does not tell")
    return form


def _rows(file: Path, form: str) -> Iterator[Row]:
    rows = read_rows(file, is_csv=form == "csv")
    return map(row_of_vercel, rows) if form == "vercel" else rows


def _pairs(option: str, texts: list[str] | None) -> dict[str, str]:
    pairs = [text.partition("=") for text in texts or []]
    for name, equals, value in pairs:
        if not name or not equals or (option == "--set" and not value):
            refuse_usage(f"{option} {name}: write NAME=VALUE")
    return {name: value for name, _, value in pairs}


def _meter(endpoint: str | None, api_key: str | None) -> Meter:
    try:
        # In memory: the file itself is what a second run begins from.
        return Meter(endpoint, api_key, spool=False, batch_events=CHUNK_ROWS)
    except ValueError as error:
        refuse_usage(str(error))


class _Session:
    """What one import shows while it runs, and at its end."""

    def __init__(self, file: Path, *, timeout: float, as_json: bool) -> None:
        self._file, self._timeout, self._as_json = file, timeout, as_json
        self._bar: Progress = progress("events")
        self._task: TaskID = self._bar.add_task(
            file.name, total=file.stat().st_size, events="0", trouble=""
        )
        self._trouble = ""

    def run(self, run: Import, form: str) -> ExitCode:
        """Import to the end, or to what stops it."""
        try:
            with self._bar:
                run.run(_rows(self._file, form))
        except KeyboardInterrupt:
            return ExitCode.INTERRUPTED
        except (OSError, ValueError) as error:
            messages().print(Text(f"error: {error}", style="red"), soft_wrap=True)
            return ExitCode.USAGE
        if not run.summary.is_complete:
            return ExitCode.NOT_DONE
        return ExitCode.REFUSED if run.summary.refused else ExitCode.DONE

    def show_fault(self, line: int, fault: Fault) -> None:
        """Tell one fault of one line."""
        if self._as_json:
            print_json({"line": line, **msgspec.structs.asdict(fault)})
            return
        told = Text(f"line {line}: ", style="bold")
        told.append(fault.code, style="red")
        told.append(f" {fault.field} {fault.message}", style="not bold")
        self._bar.console.print(told, soft_wrap=True)

    def show_progress(self, offset: int, summary: Summary, stats: Stats, waited: float) -> bool:
        """Move the bar; False if waiting for the server has no sense any more."""
        self._trouble = trouble(stats)
        self._bar.update(
            self._task, completed=offset, events=f"{summary.accepted:,}", trouble=self._trouble
        )
        return not is_hopeless(stats) and waited <= self._timeout

    def report(self, summary: Summary, *, dry_run: bool, code: ExitCode) -> None:
        """Say what became of the file."""
        if self._as_json:
            print_json({**msgspec.structs.asdict(summary), "dry_run": dry_run})
            return
        done = "could be imported" if dry_run else "accepted"
        numbers = {f"events {done}": summary.accepted, "lines refused": summary.refused}
        console().print(Text(f"{self._file.name}: {total_line(numbers)}"), soft_wrap=True)
        if code in (ExitCode.NOT_DONE, ExitCode.INTERRUPTED):
            why = "interrupted" if code is ExitCode.INTERRUPTED else self._trouble or "no answer"
            told = f"Stopped behind line {summary.answered_through}: {why}. Run it again."
            console().print(Text(told, style="yellow"), soft_wrap=True)
