"""`tallyrollctl pricing …`: what an operator asks of pricing's database."""

import asyncio
from datetime import date, datetime
from typing import Annotated

import typer
from rich.console import Console

from services.pricing.handlers.wallets import expire_wallet
from services.pricing.repository import dead_letters, wallets
from services.pricing.settings import PricingSettings
from shared.accounts.repository import Account
from shared.database import Database
from shared.events.message import Mode

app = typer.Typer(help="Price books, statements and what waits for an operator.")


@app.callback()
def pricing() -> None:
    """Group the commands of pricing under their own name."""


@app.command("dead-letters")
def show_dead_letters() -> None:
    """Count the messages that could not be read, by code."""
    counts = asyncio.run(_count_dead_letters())
    console = Console()
    for code, number in sorted(counts.items()):
        console.print(f"{code}: {number}")
    if not counts:
        console.print("none")


@app.command("expire-credits")
def expire_credits(
    vendor: Annotated[str, typer.Option(help="whose tenants")],
    through: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="last day, inclusive")],
    mode: Annotated[Mode, typer.Option(help="test or live")] = "test",
) -> None:
    """Book the end of credits that no period can use any more. Twice is once."""
    ended = asyncio.run(_expire_credits(Account(vendor, mode), through.date()))
    Console().print(f"{ended} grants ended")


async def _expire_credits(account: Account, through: date) -> int:
    settings = PricingSettings()
    database = Database(settings.pricing_database_url.get_secret_value(), connections=1)
    ended = 0
    try:
        async with database.transaction() as connection:
            held_wallets = await wallets.list_wallets(connection, account)
        for held in held_wallets:
            async with database.transaction() as connection:
                ended += await expire_wallet(connection, held, through=through)
    finally:
        await database.close()
    return ended


async def _count_dead_letters() -> dict[str, int]:
    settings = PricingSettings()
    database = Database(settings.pricing_database_url.get_secret_value(), connections=1)
    try:
        async with database.transaction() as connection:
            return await dead_letters.count(connection)
    finally:
        await database.close()
