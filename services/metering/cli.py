"""`tallyrollctl close`, `recount` and `deadletters`, and metering's part of `verify`."""

import asyncio
from collections.abc import Callable
from datetime import date, datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from services.metering.archive.storage import ArchiveStorage
from services.metering.archive.verification import Verifier, wait_until_verified
from services.metering.background import open_sealer
from services.metering.cli_deadletters import app as deadletters
from services.metering.ingest.log import KafkaLogEnds
from services.metering.invariants.checking import Checked
from services.metering.invariants.checking import verify as check_rules
from services.metering.invariants.rule import OFFENDING_SHOWN, Scope
from services.metering.repository.verification import Verification
from services.metering.running import open_database
from services.metering.sealing import Sealed
from services.metering.settings import MeteringSettings
from shared.accounts.repository import Account, read_vendor
from shared.clock import SystemClock
from shared.errors import TallyrollError
from shared.events.message import Mode
from shared.logging import configure_logging

app = typer.Typer(help="Metering: sealing, recounts, dead letters.", no_args_is_help=True)
app.add_typer(deadletters, name="deadletters")

EXIT_REFUSED = 1
EXIT_DIFFERS = 3
DIFFERENCES_PRINTED = 10
_SHOWN = ("tenant_id", "model", "kind", "usage_day", "entry", "counted", "recounted")

Show = Callable[[str], None]


@app.command()
def close(
    vendor: Annotated[str, typer.Option(help="whose days")],
    through: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="last day, inclusive")],
    mode: Annotated[Mode, typer.Option(help="test or live")] = "test",
) -> None:
    """Seal every open day of a vendor up to a day that is over. Sealed days stay as they are.

    Where days are counted again, wait for that; a day that differs makes the exit code 3.
    """
    settings = MeteringSettings()
    configure_logging("tallyrollctl", "console")
    try:
        sealed, differing = asyncio.run(close_days(settings, Account(vendor, mode), through.date()))
    except TallyrollError as refusal:
        raise _refused(refusal) from refusal
    if sealed is None:
        typer.echo(f"{vendor} {mode}: already sealed through {through.date()}")
    else:
        typer.echo(f"{vendor} {mode}: sealed {sealed.first} through {sealed.through}")
    for day in differing:
        typer.echo(f"{vendor} {mode}: the recount of {day} differs", err=True)
    if differing:
        raise typer.Exit(EXIT_DIFFERS)


def findings_table(checked: list[Checked]) -> Table:
    """Return the rules as rows, ✓ or ✗ each."""
    table = Table("", "rule", "checked", "first that break it", border_style="dim")
    for one in checked:
        offending = one.finding.offending
        shown = [*offending[:OFFENDING_SHOWN]]
        if len(offending) > OFFENDING_SHOWN:
            shown.append(f"and {len(offending) - OFFENDING_SHOWN} more")
        sign = "✗" if offending else "✓"
        table.add_row(sign, one.name, f"{one.finding.rows:,}", escape("\n".join(shown)))
    return table


async def verify_count(settings: MeteringSettings, scope: Scope) -> list[Checked]:
    """Check every rule with the settings' database and broker."""
    database = open_database(settings)
    ends = KafkaLogEnds(settings.kafka_bootstrap)
    try:
        await ends.start()
        return await check_rules(database, ends, scope)
    finally:
        await ends.stop()
        await database.close()


async def close_days(
    settings: MeteringSettings, account: Account, through: date
) -> tuple[Sealed | None, list[date]]:
    """Close an account's days; return what was sealed, and which sealed days differ."""
    database = open_database(settings)
    ends = KafkaLogEnds(settings.kafka_bootstrap)
    try:
        async with database.transaction() as connection:
            await read_vendor(connection, account.vendor_id)
        sealer = open_sealer(settings, database, ends)
        sealer.require_over(through)
        await ends.start()
        with Console(stderr=True).status("waiting for the worker") as status:
            sealed = await sealer.close(
                account,
                through,
                progress=lambda remaining: status.update(f"{remaining} records to be counted"),
            )
            differing = await wait_until_verified(
                database,
                account,
                through,
                progress=lambda days: status.update(f"{days} days to be counted again"),
            )
            return sealed, differing
    finally:
        await ends.stop()
        await database.close()


@app.command()
def recount(
    vendor: Annotated[str, typer.Option(help="whose day")],
    day: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="the booked day")],
    mode: Annotated[Mode, typer.Option(help="test or live")] = "test",
) -> None:
    """Count a booked day again from the archive, and compare it with what was counted.

    A sealed day's outcome is published again; a day that is still open is compared as it stands.
    Exit code 3 when the two differ.
    """
    settings = MeteringSettings()
    configure_logging("tallyrollctl", "console")
    try:
        verification = asyncio.run(recount_day(settings, Account(vendor, mode), day.date()))
    except TallyrollError as refusal:
        raise _refused(refusal) from refusal
    typer.echo(
        f"{vendor} {mode} {verification.day}: {verification.outcome}, "
        f"{verification.events} events in {verification.duration_seconds} s"
    )
    if verification.outcome == "differs":
        _print_differences(verification)
        raise typer.Exit(EXIT_DIFFERS)


async def recount_day(settings: MeteringSettings, account: Account, day: date) -> Verification:
    """Count an account's booked day again with the settings' database and archive."""
    database = open_database(settings)
    verifier = Verifier(database, ArchiveStorage.open(settings.archive_url), SystemClock())
    try:
        async with database.transaction() as connection:
            await read_vendor(connection, account.vendor_id)
        with Console(stderr=True).status("reading what was counted") as status:
            return await verifier.verify(account, day, report=status.update)
    finally:
        await database.close()


def _print_differences(verification: Verification) -> None:
    table = Table(*_SHOWN, title=f"{verification.differing_rows} rows differ")
    for difference in verification.differences[:DIFFERENCES_PRINTED]:
        figures = {
            name: f"{difference[name]} ({difference[f'{name}_events']})"
            for name in ("counted", "recounted")
        }
        table.add_row(*(str(figures.get(name, difference.get(name))) for name in _SHOWN))
    Console().print(table)


def _refused(refusal: TallyrollError) -> typer.Exit:
    typer.echo(f"{refusal.code}: {refusal.message}", err=True)
    return typer.Exit(EXIT_REFUSED)
