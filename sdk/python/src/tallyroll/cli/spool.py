"""`tallyroll spool ls | inspect | flush`."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from tallyroll.cli import flush
from tallyroll.cli.options import AsJson, Directory, directory_of
from tallyroll.cli.output import (
    ExitCode,
    age,
    console,
    end,
    print_json,
    refuse_usage,
    size,
    table,
    total_line,
)
from tallyroll.cli.shown import cells, decoded, instant_of
from tallyroll.spool.frames import whole_frames_in
from tallyroll.spool.log import Damage
from tallyroll.spool.survey import Destination, Found, WriterFolder, destinations_in, look_at

app = typer.Typer(
    no_args_is_help=True, help="The events on this machine's disk.", rich_markup_mode=None
)
app.command("flush")(flush.flush)


@app.command("ls")
def list_folders(directory: Directory = None, as_json: AsJson = False) -> None:
    """List the folders of all writers, living or dead, and what waits in them."""
    root = directory_of(directory)
    rows = [_row(d, w) for d in destinations_in(root) for w in d.writers]
    if as_json:
        print_json({"directory": str(root), "folders": rows})
        return
    terminal = console()
    terminal.print(Text(f"{root}", style="dim"), soft_wrap=True)
    if not rows:
        terminal.print("No folder: nothing waits.")
        return
    shown = table(
        *("folder", "endpoint", "account", "owner", "process", "events", "size", "oldest"),
        right=("events", "size", "oldest"),
    )
    now = datetime.now(UTC)
    for row in rows:
        oldest = row["oldest"] and datetime.fromisoformat(row["oldest"])
        shown.add_row(
            Text(row["folder"]),
            Text(row["endpoint"] or f"({row['destination']})"),
            Text(row["account"] or ("(by key)" if row["endpoint"] else "-")),
            Text(row["owner"]),
            _process(row),
            f"{row['events']:,}" + (f" +{row['damaged']} damaged" if row["damaged"] else ""),
            size(row["bytes"]),
            age(oldest, now),
        )
    terminal.print(shown)
    waiting = {s: sum(r["events"] for r in rows if r["state"] == s) for s in STYLES}
    terminal.print(f"Waiting: {total_line({STYLES[s][0]: n for s, n in waiting.items()})}")
    if waiting["left_behind"]:
        terminal.print("`tallyroll spool flush` delivers what is left behind.")


STYLES = {
    "alive": ("with a living process", "green"),
    "taken_over": ("taken over", "cyan"),
    "left_behind": ("left behind", "yellow"),
}


def _process(row: dict[str, Any]) -> Text:
    name, style = STYLES[row["state"]]
    word = "alive" if row["state"] == "alive" else name
    return Text(f"{row['pid'] or '?'} {word}", style=style)


def _row(destination: Destination, writer: WriterFolder) -> dict[str, Any]:
    owner = writer.about.owner if writer.about else None
    events = damaged = 0
    oldest: datetime | None = None
    for found in writer.found():
        if isinstance(found, Damage):
            damaged += 1
            continue
        events += 1
        instant = instant_of(decoded(found.payload))
        oldest = instant if oldest is None else min(oldest, instant or oldest)
    return {
        "folder": writer.path.name,
        "destination": destination.path.name,
        "endpoint": owner.endpoint if owner else None,
        "account": owner.account if owner else None,
        "owner": writer.user,
        "pid": writer.pid,
        "state": writer.state,
        "bytes": writer.bytes,
        "events": events,
        "damaged": damaged,
        "oldest": oldest.isoformat() if oldest else None,
    }


@app.command()
def inspect(
    folder: Annotated[
        str | None, typer.Argument(help="A folder as `ls` names it, or a path; else all.")
    ] = None,
    directory: Directory = None,
    limit: Annotated[int, typer.Option(min=1, help="Events of a folder at most.")] = 1_000_000,
    as_json: AsJson = False,
) -> None:
    """Show the waiting events frame by frame, and what is damaged. Changes nothing."""
    writers = _named(directory_of(directory), folder)
    has_damage = False
    for writer in writers:
        if not as_json:
            console().print(Text(str(writer.path), style="bold"), soft_wrap=True)
        rows = _frames(writer, limit)
        has_damage |= _print_json_lines(rows) if as_json else _print_table(rows)
    if not writers and not as_json:
        console().print("No folder: nothing waits.")
    end(ExitCode.REFUSED if has_damage else ExitCode.DONE)


def _named(root: Path, name: str | None) -> list[WriterFolder]:
    writers = [writer for d in destinations_in(root) for writer in d.writers]
    if name is None:
        return writers
    found = [writer for writer in writers if writer.path.name == name]
    if not found and "/" in name and (writer := look_at(Path(name))) is not None:
        found = [writer]
    if not found:
        refuse_usage(f"there is no folder {name} in {root}")
    return found


def _frames(writer: WriterFolder, limit: int) -> Iterator[dict[str, Any]]:
    for index, found in enumerate(writer.found()):
        if index >= limit:
            return
        yield {"folder": writer.path.name, **_frame(found)}


def _frame(found: Found) -> dict[str, Any]:
    place = {"segment": found.at.segment, "offset": found.at.offset, "frame": found.at.frame}
    if isinstance(found, Damage):
        told = {"bytes": len(found.data), "events_missing": found.missing}
        whole = max(found.missing, whole_frames_in(found.data))
        return {**place, "damaged": {**told, "events_missing": whole}}
    event = decoded(found.payload)
    if event is None:
        return {**place, "damaged": {"bytes": len(found.payload), "events_missing": 1}}
    return {**place, "event": event}


def _print_json_lines(rows: Iterator[dict[str, Any]]) -> bool:
    has_damage = False
    for row in rows:
        has_damage |= "damaged" in row
        print_json(row)
    return has_damage


def _print_table(rows: Iterator[dict[str, Any]]) -> bool:
    shown = table("at", "occurred", "tenant", "agent", "model", "quantities", "event_id")
    has_damage = False
    for row in rows:
        at = f"{row['segment']}:{row['offset']}"
        if "damaged" in row:
            has_damage = True
            lost = row["damaged"]
            told = f"damaged: {lost['bytes']:,} bytes, {lost['events_missing']} events at least"
            shown.add_row(at, "", "", "", "", Text(told, style="red"), "")
        else:
            event = row["event"]
            shown.add_row(at, *map(Text, cells(event)), Text(str(event.get("event_id", "-"))))
    console().print(shown if shown.row_count else "Nothing waits here.")
    return has_damage
