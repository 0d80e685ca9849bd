"""`tallyrollctl tenants link FILE`: tenants whose customers exist at Stripe already."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from services.invoicing.linking import Fault, Link, Linking, read_links
from services.invoicing.settings import InvoicingSettings
from services.invoicing.stripe_accounts import StripeAccounts
from shared.accounts.repository import Account
from shared.clock import SystemClock
from shared.database import Database
from shared.errors import TallyrollError
from shared.events.message import Mode

app = typer.Typer(no_args_is_help=True, help="Tenants and their customers at Stripe.")


@app.callback()
def group() -> None:
    """Keep `link` a command of its own while it is the only one."""


@app.command()
def link(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="CSV: tenant,customer")],
    vendor: Annotated[str, typer.Option(help="id of the vendor")],
    mode: Annotated[Mode, typer.Option(help="test or live")] = "test",
) -> None:
    """Link tenants to customers of the vendor's Stripe account: all of them, or none."""
    with file.open(encoding="utf-8-sig", newline="") as lines:
        links, faults = read_links(lines)
    if not faults:
        faults = asyncio.run(_link(Account(vendor, mode), links))
    for fault in faults:
        typer.secho(str(fault), fg=typer.colors.RED, err=True)
    if faults:
        raise typer.Exit(1)
    typer.echo(f"linked: {len(links)} tenants")


async def _link(account: Account, links: list[Link]) -> list[Fault]:
    settings = InvoicingSettings()
    database = Database(settings.invoicing_database_url.get_secret_value(), connections=2)
    accounts = StripeAccounts(database, settings)
    try:
        stripe = await accounts.gateway(account)
        if stripe is None:
            message = f"{account.vendor_id} has no Stripe account in {account.mode} mode."
            raise TallyrollError("stripe_account_missing", message)
        return await Linking(database, stripe, account, SystemClock()).link(links)
    finally:
        await accounts.close()
        await database.close()
