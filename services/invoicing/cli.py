"""Commands of invoicing for operators; mounted as `tallyrollctl invoicing`."""

import asyncio
from typing import Annotated

import typer

from services.invoicing.repository.messages import list_dead_letters
from services.invoicing.settings import InvoicingSettings
from services.invoicing.waiting import list_attention
from shared.accounts.repository import Account
from shared.database import Database
from shared.events.message import Mode

app = typer.Typer(no_args_is_help=True, help="Invoices and what waits for a person.")


def _database() -> Database:
    url = InvoicingSettings().invoicing_database_url.get_secret_value()
    return Database(url, connections=1)


@app.command()
def attention(
    vendor: Annotated[str, typer.Option(help="id of the vendor")],
    mode: Annotated[str, typer.Option(help="test or live")] = "test",
) -> None:
    """List what waits for a person in a vendor's invoicing."""
    typed_mode: Mode = "live" if mode == "live" else "test"
    asyncio.run(_attention(Account(vendor, typed_mode)))


async def _attention(account: Account) -> None:
    database = _database()
    async with database.transaction() as connection:
        found = await list_attention(connection, account)
    for item in found:
        typer.echo(f"{item.subject}  {item.tenant_id or '-'}  {item.code}  {item.reason}")
    await database.close()


@app.command("dead-letters")
def dead_letters(
    limit: Annotated[int, typer.Option(min=1, max=1000, help="how many at most")] = 50,
) -> None:
    """List records that could not be used, newest first."""
    asyncio.run(_dead_letters(limit))


async def _dead_letters(limit: int) -> None:
    database = _database()
    async with database.transaction() as connection:
        found = await list_dead_letters(connection, limit)
    for row in found:
        typer.echo(f"{row['topic']}/{row['partition']}/{row['offset']}  {row['code']}")
    await database.close()
