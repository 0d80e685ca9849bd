"""`tallyroll stats`: the numbers of all spools of this machine."""

import contextlib
from collections import Counter
from typing import Any

import msgspec
from rich.text import Text

from tallyroll.cli.options import AsJson, Directory, directory_of
from tallyroll.cli.output import console, print_json, size, table
from tallyroll.spool.log import Damage
from tallyroll.spool.survey import Destination, destinations_in
from tallyroll.stats import Stats

TOLD = ("sent", "accepted", "rejected", "lost")
NUMBERS = ("queued", *TOLD)
MATTERS = ("spooled", "damaged", "dead_letters", *NUMBERS)


class _DeadLetter(msgspec.Struct):
    code: str = "unknown"


def stats(directory: Directory = None, as_json: AsJson = False) -> None:
    """Count what is queued, sent, spooled, rejected and lost, by endpoint and account.

    `spooled` and dead letters are read from the disk now; `queued` adds what living processes hold
    in memory. The other numbers are those that the processes with a folder there have told at
    their last request; a process that has delivered everything and ended is no longer among them.
    """
    root = directory_of(directory)
    rows = [_row(destination) for destination in destinations_in(root)]
    if as_json:
        print_json({"directory": str(root), "destinations": rows})
        return
    terminal = console()
    terminal.print(Text(str(root), style="dim"), soft_wrap=True)
    rows = [row for row in rows if any(row[name] for name in ("processes", *MATTERS))]
    if not rows:
        terminal.print("No spool here: nothing was recorded, or everything is delivered.")
        return
    columns = ("endpoint", "account", "processes", "spooled", "size", *NUMBERS, "dead letters")
    shown = table(*columns, right=columns[2:])
    for row in rows:
        shown.add_row(
            Text(row["endpoint"] or f"({row['destination']})"),
            Text(row["account"] or ("(by key)" if row["endpoint"] else "-")),
            str(row["processes"]),
            f"{row['spooled']:,}",
            size(row["bytes"]),
            *(f"{row[name]:,}" for name in NUMBERS),
            f"{sum(row['dead_letters'].values()):,}",
        )
    terminal.print(shown)
    _print_troubles(rows)


def _print_troubles(rows: list[dict[str, Any]]) -> None:
    terminal = console()
    for row in rows:
        place = row["endpoint"] or row["destination"]
        for code, count in row["dead_letters"].items():
            told = f"{place}: {count:,} dead letters for {code}"
            terminal.print(Text(told, style="yellow"), soft_wrap=True)
        for failure in row["failures"]:
            terminal.print(Text(f"{place}: last failure {failure}", style="yellow"))
        if row["damaged"]:
            told = f"{place}: {row['damaged']} damaged stretches"
            terminal.print(Text(told, style="red"))


def _row(destination: Destination) -> dict[str, Any]:
    abouts = [writer.about for writer in destination.writers if writer.about is not None]
    living = [w for w in destination.writers if w.state == "alive"]
    owner = abouts[-1].owner if abouts else None
    spooled = in_place = 0
    for writer in destination.writers:
        for found in writer.found():
            in_place += isinstance(found, Damage)
            spooled += not isinstance(found, Damage)
    readings = [about.stats for about in abouts]
    in_memory = sum(_in_memory(w.about.stats) for w in living if w.about is not None)
    return {
        "destination": destination.path.name,
        "endpoint": owner.endpoint if owner else None,
        "account": owner.account if owner else None,
        "processes": len(living),
        "spooled": spooled,
        "bytes": sum(writer.bytes for writer in destination.writers),
        "queued": spooled + in_memory,
        **{name: sum(int(getattr(reading, name)) for reading in readings) for name in TOLD},
        "damaged": in_place + len(destination.damaged),
        "dead_letters": _dead_letters(destination),
        "failures": sorted({r.last_failure for r in readings if r.held and r.last_failure}),
    }


def _in_memory(reading: Stats) -> int:
    return max(0, reading.queued + reading.in_flight - reading.spooled)


def _dead_letters(destination: Destination) -> dict[str, int]:
    """Return how many there are for each code."""
    counts: Counter[str] = Counter()
    with contextlib.suppress(OSError), destination.dead_letters.open("rb") as lines:
        for line in lines:
            try:
                counts[msgspec.json.decode(line, type=_DeadLetter).code] += 1
            except (msgspec.DecodeError, UnicodeDecodeError):
                counts["unreadable"] += 1
    return dict(counts.most_common())
