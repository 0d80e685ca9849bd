"""`tallyrollctl reconcile`: a month from its events to Stripe; every difference is one line."""

import asyncio
import logging
import sys
from contextlib import AsyncExitStack
from datetime import date
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from services.cli_reconcile_month import Bar, Reconciliation, Sides
from services.invoicing.focus.export import month_of
from services.invoicing.reconciling.stripe_month import StripeReader
from services.invoicing.settings import InvoicingSettings
from services.invoicing.stripe_accounts import StripeAccounts
from services.invoicing.stripe_gateway import StripeGateway
from services.metering.archive.storage import ArchiveStorage
from services.metering.archive.verification import Verifier
from services.metering.reconciling import ARCHIVE_SECONDS_MAX
from services.metering.settings import MeteringSettings
from services.pricing.settings import PricingSettings
from shared.accounts.repository import Account, read_vendor
from shared.clock import SystemClock
from shared.database import Database
from shared.errors import TallyrollError
from shared.events.message import Mode
from shared.logging import configure_logging

app = typer.Typer()

EXIT_DIFFERS = 1
EXIT_UNREAD = 2
EXIT_INTERRUPTED = 130
"""As a shell reports a program that ^C ended: neither compared nor different."""

READ_ONLY = {"default_transaction_read_only": "on"}


@app.command()
def reconcile(
    vendor: Annotated[str, typer.Option(help="whose month")],
    month: Annotated[str, typer.Option(help="periods whose last day lies in it, as 2026-10")],
    mode: Annotated[Mode, typer.Option(help="test or live")] = "test",
) -> None:
    """Compare events, rollups, statements, invoices and Stripe. Changes nothing.

    Each difference is a line with a code, ids and both figures. Exit code 1 when there is any, 2
    when something could not be read, 130 when it was interrupted.
    """
    configure_logging("tallyrollctl", "console")
    logging.getLogger("stripe").setLevel(logging.WARNING)  # it tells of every request
    try:
        done = asyncio.run(_reconcile(Account(vendor, mode), month_of(month)))
    except TallyrollError as refusal:
        typer.echo(f"{refusal.code}: {refusal.message}", err=True)
        raise typer.Exit(EXIT_UNREAD) from refusal
    except KeyboardInterrupt:
        typer.echo("interrupted: nothing was changed", err=True)
        raise typer.Exit(EXIT_INTERRUPTED) from None
    for note in done.notes:
        typer.echo(f"note: {note}", err=True)
    typer.echo(done.summary())
    if done.unread:
        raise typer.Exit(EXIT_UNREAD)
    if done.found:
        raise typer.Exit(EXIT_DIFFERS)


async def _reconcile(account: Account, days: tuple[date, date]) -> Reconciliation:
    async with AsyncExitStack() as stack:
        sides = await open_sides(stack)
        async with sides.counted.transaction() as connection:
            await read_vendor(connection, account.vendor_id)
        with _progress() as progress:
            done = Reconciliation(
                sides,
                account,
                *days,
                tell=lambda one: _tell(progress, one.line()),
                bars=lambda stage: _bar(progress, stage),
            )
            await done.run()
        return done


async def open_sides(stack: AsyncExitStack) -> Sides:
    """Return the sides by the settings of each service; every session is read-only."""
    metering, invoicing = MeteringSettings(), InvoicingSettings()
    urls = (
        metering.metering_database_url,
        PricingSettings().pricing_database_url,
        invoicing.invoicing_database_url,
    )
    opened = [
        Database(url.get_secret_value(), connections=2, server_settings=READ_ONLY) for url in urls
    ]
    for database in opened:
        stack.push_async_callback(database.close)
    counted, priced, invoiced = opened
    accounts = StripeAccounts(invoiced, invoicing)
    stack.push_async_callback(accounts.close)
    storage = ArchiveStorage.open(metering.archive_url)

    async def stripe(account: Account) -> StripeReader | None:
        gateway = await accounts.gateway(account)
        return gateway if isinstance(gateway, StripeGateway) else None

    return Sides(
        counting=Verifier(counted, storage, SystemClock(), wait_seconds=ARCHIVE_SECONDS_MAX),
        counted=counted,
        priced=priced,
        invoiced=invoiced,
        stripe=stripe,
    )


def _progress() -> Progress:
    """Return bars on standard error, gone at the end: standard output has the lines alone."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=40),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    console = Console(stderr=True)
    return Progress(
        *columns,
        console=console,
        transient=True,
        redirect_stdout=False,
        disable=not console.is_terminal,
    )


def _tell(progress: Progress, line: str) -> None:
    """Print a line on standard output; above the bars where both are the same terminal."""
    if sys.stdout.isatty() and progress.console.is_terminal:
        progress.console.print(line, markup=False, highlight=False, soft_wrap=True)
    else:
        typer.echo(line)


def _bar(progress: Progress, stage: str) -> Bar:
    task = progress.add_task(stage, total=None)
    return Bar(
        start=lambda total: progress.update(task, total=total),
        step=lambda done: progress.advance(task, done),
    )
