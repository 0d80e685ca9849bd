"""`tallyrollctl close`: seals days by hand."""

import asyncio
from datetime import date, datetime
from typing import Annotated

import typer
from rich.console import Console

from services.metering.app import open_database
from services.metering.ingest.log import KafkaLogEnds
from services.metering.sealing import Sealed, Sealer
from services.metering.settings import MeteringSettings
from shared.accounts.repository import Account, read_vendor
from shared.clock import SystemClock
from shared.errors import TallyrollError
from shared.events.message import Mode
from shared.logging import configure_logging

app = typer.Typer(help="Metering: sealing days.", no_args_is_help=True)

EXIT_REFUSED = 1


@app.command()
def close(
    vendor: Annotated[str, typer.Option(help="whose days")],
    through: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="last day, inclusive")],
    mode: Annotated[Mode, typer.Option(help="test or live")] = "test",
) -> None:
    """Seal every open day of a vendor up to a day that is over. Sealed days stay as they are."""
    settings = MeteringSettings()
    configure_logging("tallyrollctl", "console")
    try:
        sealed = asyncio.run(close_days(settings, Account(vendor, mode), through.date()))
    except TallyrollError as refusal:
        typer.echo(f"{refusal.code}: {refusal.message}", err=True)
        raise typer.Exit(EXIT_REFUSED) from refusal
    if sealed is None:
        typer.echo(f"{vendor} {mode}: already sealed through {through.date()}")
    else:
        typer.echo(f"{vendor} {mode}: sealed {sealed.first} through {sealed.through}")


async def close_days(settings: MeteringSettings, account: Account, through: date) -> Sealed | None:
    """Close an account's days with the settings' database and broker."""
    database = open_database(settings)
    ends = KafkaLogEnds(settings.kafka_bootstrap)
    try:
        async with database.transaction() as connection:
            await read_vendor(connection, account.vendor_id)
        sealer = Sealer(database, ends, SystemClock())
        sealer.require_over(through)
        await ends.start()
        with Console(stderr=True).status("waiting for the worker") as status:
            return await sealer.close(
                account,
                through,
                progress=lambda remaining: status.update(f"{remaining} records to be counted"),
            )
    finally:
        await ends.stop()
        await database.close()
