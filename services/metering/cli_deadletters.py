"""`tallyrollctl deadletters`: look at what was rejected, send it again, close it."""

import asyncio
import getpass
import json
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from services.metering import deadletters
from services.metering.deadletters import Operator, format_position, parse_position
from services.metering.ingest.log import KafkaLogEnds
from services.metering.repository import deadletters as repository
from services.metering.repository import halts
from services.metering.repository.deadletters import Selection
from services.metering.running import open_database
from services.metering.settings import MeteringSettings
from shared.clock import SystemClock
from shared.errors import TallyrollError, not_found
from shared.logging import configure_logging
from shared.topics import USAGE_RECORDED

app = typer.Typer(help="What was accepted and could not be counted.", no_args_is_help=True)

LISTED_MAX = 1_000
EXIT_REFUSED = 1
Result = TypeVar("Result")

Vendor = Annotated[str, typer.Option(help="only this vendor's")]
Code = Annotated[str, typer.Option(help="only this reason")]
Since = Annotated[
    datetime | None,
    typer.Option(formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"], help="rejected since, UTC, inclusive"),
]
Positions = Annotated[
    list[str] | None, typer.Argument(help="partition:offset:index, as `list` shows them")
]
Reason = Annotated[str, typer.Option(help="why; stands in the audit row")]
Actor = Annotated[str, typer.Option(help="who; default: the user of this shell")]
AsJson = Annotated[bool, typer.Option("--json", help="one JSON document instead of a table")]


def _run(use: Callable[[AsyncConnection], Awaitable[Result]]) -> Result:
    """Run a use case in one transaction; a refusal is one line and exit code 1."""
    settings = MeteringSettings()
    configure_logging("tallyrollctl", "console")

    async def transact() -> Result:
        database = open_database(settings)
        try:
            async with database.transaction() as connection:
                return await use(connection)
        finally:
            await database.close()

    try:
        return asyncio.run(transact())
    except TallyrollError as refusal:
        typer.echo(f"{refusal.code}: {refusal.message}", err=True)
        raise typer.Exit(EXIT_REFUSED) from refusal


def _selection(vendor: str, code: str, since: datetime | None, *, closed: bool) -> Selection:
    return Selection(vendor, code, since and since.replace(tzinfo=UTC), closed)


def _shown(row: RowMapping) -> dict[str, Any]:
    names = ("state", "code", "field", "message", "vendor_id", "mode", "tenant_id", "event_id")
    shown = {"position": format_position(row), **{name: row[name] for name in names}}
    return {**shown, "rejected_at": row["rejected_at"].isoformat(), "event": row["event"]}


@app.command("list")
def list_(
    vendor: Vendor = "",
    code: Code = "",
    since: Since = None,
    *,
    closed_too: Annotated[
        bool, typer.Option("--all", help="replayed and discarded ones, too")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """List dead letters, newest first."""
    chosen = _selection(vendor, code, since, closed=closed_too)
    rows = _run(lambda c: repository.list_dead_letters(c, chosen, limit=LISTED_MAX))
    if as_json:
        typer.echo(json.dumps([_shown(row) for row in rows]))
        return
    table = Table("position", "state", "code", "vendor", "tenant", "event", "rejected at")
    for row in rows:
        names = ("state", "code", "vendor_id", "tenant_id", "event_id")
        rejected_at = row["rejected_at"].strftime("%Y-%m-%d %H:%M:%S")
        table.add_row(format_position(row), *(row[name] for name in names), rejected_at)
    Console().print(table)


@app.command()
def show(position: Annotated[str, typer.Argument(help="partition:offset:index")]) -> None:
    """Print one dead letter as JSON, with all that was done about it."""

    async def read(connection: AsyncConnection) -> dict[str, Any]:
        parsed = parse_position(position)
        row = await repository.read_dead_letter(connection, parsed)
        if row is None:
            raise not_found("dead_letter", position)
        actions = await repository.list_actions(connection, parsed)
        names = ("action", "actor", "reason", "result", "message")
        history = [{**{n: a[n] for n in names}, "at": a["at"].isoformat()} for a in actions]
        return {**_shown(row), "actions": history}

    typer.echo(json.dumps(_run(read), indent=2))


@app.command()
def replay(
    positions: Positions = None,
    vendor: Vendor = "",
    code: Code = "",
    since: Since = None,
    *,
    reason: Reason,
    actor: Actor = "",
) -> None:
    """Send events to the log again, with their ids: named ones, or all that the filters choose.

    Each is checked first as the worker will check it. What cannot be sent says why, and the exit
    code is 1.
    """
    operator = Operator(actor or getpass.getuser(), reason)

    async def send(name: str, connection: AsyncConnection) -> str:
        return await deadletters.replay(connection, parse_position(name), operator)

    names = _names(positions, _selection(vendor, code, since, closed=False))
    refused = 0
    for name in names:
        refusal = _run(partial(send, name))
        refused += bool(refusal)
        typer.echo(f"{name}: {refusal or 'queued'}")
    if refused:
        raise typer.Exit(EXIT_REFUSED)


@app.command()
def discard(
    positions: Positions = None,
    vendor: Vendor = "",
    code: Code = "",
    since: Since = None,
    *,
    reason: Reason,
    actor: Actor = "",
) -> None:
    """Close dead letters for good: their events are never counted."""
    operator = Operator(actor or getpass.getuser(), reason)

    async def close(name: str, connection: AsyncConnection) -> None:
        await deadletters.discard(connection, parse_position(name), operator)

    for name in _names(positions, _selection(vendor, code, since, closed=False)):
        _run(partial(close, name))
        typer.echo(f"{name}: discarded")


def _names(positions: Sequence[str] | None, selection: Selection) -> list[str]:
    """Return the named dead letters, else those of the filters; without both it is a mistake."""
    if positions:
        return list(positions)
    if selection == Selection():
        raise typer.BadParameter("name positions, or choose with --vendor, --code or --since")
    rows = _run(lambda c: repository.list_dead_letters(c, selection, limit=LISTED_MAX))
    return [format_position(row) for row in rows]


@app.command()
def accept(
    partition: Annotated[int, typer.Option(min=0, help="the partition that is halted")],
    *,
    reason: Reason,
    actor: Actor = "",
) -> None:
    """Let the workers reject what a halted partition holds up to its present end."""
    ends = asyncio.run(_read_ends(MeteringSettings()))
    who = actor or getpass.getuser()

    async def allow(connection: AsyncConnection) -> int:
        found = await halts.read_open_halts(connection, USAGE_RECORDED)
        for halt in (halt for halt in found if halt["partition"] == partition):
            await halts.accept_halt(
                connection,
                halt,
                below=ends[partition],
                actor=who,
                reason=reason,
                now=SystemClock().now(),
            )
            return ends[partition]
        raise not_found("halt", str(partition))

    below = _run(allow)
    typer.echo(f"partition {partition}: rejections below offset {below} are accepted")


async def _read_ends(settings: MeteringSettings) -> dict[int, int]:
    ends = KafkaLogEnds(settings.kafka_bootstrap)
    await ends.start()
    try:
        return await ends.end_offsets()
    finally:
        await ends.stop()
