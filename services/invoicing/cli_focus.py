"""`tallyrollctl focus`: a month's billed invoices as FOCUS rows."""

import asyncio
import sys
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import IO, Annotated

import typer
from sqlalchemy.ext.asyncio import AsyncConnection

from services.invoicing.focus.export import Exported, export_focus, month_of
from services.invoicing.repository.documents import Billed, list_vendors
from services.invoicing.settings import InvoicingSettings
from services.invoicing.sheets import Form
from shared.accounts.repository import Account
from shared.database import Database
from shared.errors import TallyrollError
from shared.events.message import Mode
from shared.money import format_decimal

app = typer.Typer()

VENDORS_NAMED_MAX = 10


@app.command()
def focus(
    month: Annotated[str, typer.Option(help="periods that begin in it, such as 2026-10")],
    vendor: Annotated[
        str | None, typer.Option(help="whose; needed where there are several")
    ] = None,
    *,
    mode: Annotated[Mode, typer.Option(help="test or live")] = "test",
    tenant: Annotated[str | None, typer.Option(help="one tenant; all by default")] = None,
    form: Annotated[Form, typer.Option("--format", help="csv or parquet")] = "csv",
    out: Annotated[Path | None, typer.Option(help="a file; standard output by default")] = None,
) -> None:
    """Write a month's billed invoices as FOCUS 1.2 rows; they sum to the invoices."""
    asked = Asked(vendor, mode, tenant, *month_of(month))
    if out is None:
        exported = asyncio.run(_export(asked, sys.stdout.buffer, form))
    else:
        with out.open("wb") as file:
            exported = asyncio.run(_export(asked, file, form))
    sums = ", ".join(f"{code} {format_decimal(sum_)}" for code, sum_ in exported.billed.items())
    typer.echo(
        f"focus: {exported.rows} rows of {exported.invoices} invoices, {sums or 'nothing billed'}",
        err=True,
    )


@dataclass(frozen=True)
class Asked:
    """What the command line asks for; `vendor_id` None: the only one that has invoices."""

    vendor_id: str | None
    mode: Mode
    tenant_id: str | None
    first: date
    end: date


async def _export(asked: Asked, file: IO[bytes], form: Form) -> Exported:
    url = InvoicingSettings().invoicing_database_url.get_secret_value()
    database = Database(url, connections=1)
    try:
        async with database.transaction("REPEATABLE READ") as connection:
            vendor_id = asked.vendor_id or await _only_vendor(connection, asked.mode)
            account = Account(vendor_id, asked.mode)
            billed = Billed(account, asked.tenant_id, asked.first, asked.end)
            return await export_focus(connection, billed, file, form)
    finally:
        await database.close()


async def _only_vendor(connection: AsyncConnection, mode: Mode) -> str:
    vendors = await list_vendors(connection, mode)
    if len(vendors) == 1:
        return vendors[0]
    names = ", ".join(vendors[:VENDORS_NAMED_MAX]) or "nobody"
    message = f"Name the vendor with --vendor: in {mode} mode {names} has invoices."
    raise TallyrollError("vendor_required", message, subject="vendor")
