"""`tallyroll tail`: events as they are recorded in the spools of this machine."""

import threading
import time
from typing import Annotated

import typer
from rich.text import Text

from tallyroll.cli.options import AsJson, Directory, directory_of
from tallyroll.cli.output import console
from tallyroll.cli.shown import cells, decoded
from tallyroll.spool.following import Follower

LOOK_SECONDS = 0.05


def tail(
    *,
    directory: Directory = None,
    from_start: Annotated[
        bool, typer.Option("--from-start", help="Begin with the events that wait already.")
    ] = False,
    events: Annotated[
        int | None, typer.Option(min=1, help="End after so many events; else at Ctrl-C.")
    ] = None,
    seconds: Annotated[float | None, typer.Option(min=0, help="End after so long.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show events as processes of this machine record them, whatever becomes of them later.

    Reads the spool's files and changes nothing. A process that begins, is answered and ends within
    a twentieth of a second can be missed.
    """
    follower = Follower(directory_of(directory), from_start=from_start)
    ends_at = None if seconds is None else time.monotonic() + seconds
    pause, shown = threading.Event(), 0
    try:
        while True:
            for payload in follower.read():
                _show(payload, as_json=as_json)
                shown += 1
                if shown == events:
                    return
            if ends_at is not None and time.monotonic() >= ends_at:
                return
            pause.wait(LOOK_SECONDS)
    except KeyboardInterrupt:
        return


def _show(payload: bytes, *, as_json: bool) -> None:
    event = decoded(payload)
    if as_json or event is None:
        typer.echo(payload)
        return
    instant, tenant, agent, model, told = cells(event)
    line = Text(f"{instant}  ", style="dim")
    line.append(f"{tenant}  ", style="cyan").append(f"{agent}  ", style="default")
    line.append(f"{model}  ", style="magenta").append(told, style="default")
    console().print(line, soft_wrap=True)
