"""`tallyrollctl pricing …`: what an operator asks of pricing's database."""

import asyncio

import typer
from rich.console import Console

from services.pricing.repository import dead_letters
from services.pricing.settings import PricingSettings
from shared.database import Database

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


async def _count_dead_letters() -> dict[str, int]:
    settings = PricingSettings()
    database = Database(settings.pricing_database_url.get_secret_value(), connections=1)
    try:
        async with database.transaction() as connection:
            return await dead_letters.count(connection)
    finally:
        await database.close()
