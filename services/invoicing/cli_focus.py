"""`tallyrollctl focus`: a month's billed invoices as FOCUS rows."""

import asyncio
import sys
from pathlib import Path
from typing import IO, Annotated

import typer

from services.invoicing.focus.export import Exported, export_focus, month_of
from services.invoicing.repository.documents import Billed
from services.invoicing.settings import InvoicingSettings
from services.invoicing.sheets import Form
from shared.accounts.repository import Account
from shared.database import Database
from shared.events.message import Mode
from shared.money import format_decimal

app = typer.Typer()


@app.command()
def focus(
    month: Annotated[str, typer.Option(help="periods that begin in it, such as 2026-10")],
    vendor: Annotated[str, typer.Option(help="id of the vendor")],
    *,
    mode: Annotated[Mode, typer.Option(help="test or live")] = "test",
    tenant: Annotated[str | None, typer.Option(help="one tenant; all by default")] = None,
    form: Annotated[Form, typer.Option("--format", help="csv or parquet")] = "csv",
    out: Annotated[Path | None, typer.Option(help="a file; standard output by default")] = None,
) -> None:
    """Write a month's billed invoices as FOCUS 1.2 rows; they sum to the invoices."""
    billed = Billed(Account(vendor, mode), tenant, *month_of(month))
    if out is None:
        exported = asyncio.run(_export(billed, sys.stdout.buffer, form))
    else:
        with out.open("wb") as file:
            exported = asyncio.run(_export(billed, file, form))
    sums = ", ".join(f"{code} {format_decimal(sum_)}" for code, sum_ in exported.billed.items())
    typer.echo(
        f"focus: {exported.rows} rows of {exported.invoices} invoices, {sums or 'nothing billed'}",
        err=True,
    )


async def _export(billed: Billed, file: IO[bytes], form: Form) -> Exported:
    url = InvoicingSettings().invoicing_database_url.get_secret_value()
    database = Database(url, connections=1)
    try:
        async with database.transaction("REPEATABLE READ") as connection:
            return await export_focus(connection, billed, file, form)
    finally:
        await database.close()
