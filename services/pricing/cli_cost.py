"""`tallyrollctl cost`: what a model costs at its provider on a day."""

import asyncio
from datetime import date, datetime
from fractions import Fraction
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from services.pricing.domain.cost.prices import Reason
from services.pricing.domain.cost.provider_cost import FoundPrice, ProviderPrices
from services.pricing.domain.usage import Usage
from services.pricing.handlers.provider_prices import load_prices
from services.pricing.list_prices import KIND_FIELDS, list_prices, list_release
from services.pricing.settings import PricingSettings
from shared.accounts.repository import Account
from shared.clock import SystemClock, utc_day
from shared.context_bands import BAND_ABOVE, CONTEXT_BANDS
from shared.database import Database
from shared.events.message import Mode
from shared.money import format_shown

app = typer.Typer()

PER = 1_000_000
EXIT_UNPRICED = 1


@app.command()
def cost(
    model: Annotated[str, typer.Argument(help="as usage names it")],
    provider: Annotated[str, typer.Option(help="as usage names it")],
    *,
    day: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="UTC day; today by default")
    ] = None,
    vendor: Annotated[str | None, typer.Option(help="put this vendor's own prices first")] = None,
    mode: Annotated[Mode, typer.Option(help="test or live")] = "test",
    service_tier: Annotated[str, typer.Option(help="as the response names it")] = "",
    speed: Annotated[str, typer.Option(help="as the response names it")] = "",
    batch: Annotated[bool, typer.Option(help="prices of batch requests")] = False,
) -> None:
    """Show what a million units of each kind cost, by context. Exit code 1 when nothing does."""
    on = day.date() if day else utc_day(SystemClock().now())
    prices = asyncio.run(_prices(vendor, mode))
    asked = _row(model, provider, on, (service_tier, speed, "true" if batch else "false"))
    rows = _rows(prices, asked)
    title = f"{provider} {model} on {on}: USD per 1,000,000"
    table = Table(title=escape(title), caption=list_release(), title_justify="left")
    for name in ("kind", "input tokens of the request", "price", "source"):
        table.add_column(name, justify="right" if name == "price" else "left")
    for row in rows:
        table.add_row(*map(escape, row))
    Console().print(table)
    if all(row[2] == "" for row in rows):
        raise typer.Exit(EXIT_UNPRICED)


async def _prices(vendor: str | None, mode: Mode) -> ProviderPrices:
    if vendor is None:
        return ProviderPrices(list_prices())
    url = PricingSettings().pricing_database_url.get_secret_value()
    database = Database(url, connections=1)
    try:
        async with database.transaction() as connection:
            return await load_prices(connection, Account(vendor, mode))
    finally:
        await database.close()


def _row(model: str, provider: str, day: date, context: tuple[str, str, str]) -> Usage:
    tier, speed, batch = context
    return Usage(
        provider=provider,
        agent="",
        model=model,
        kind="",
        context_band="",
        service_tier=tier,
        batch=batch,
        speed=speed,
        region="",
        purpose="",
        status="",
        usage_day=day,
        quantity=Fraction(1),
    )


def _rows(prices: ProviderPrices, asked: Usage) -> list[tuple[str, str, str, str]]:
    """Return (kind, bands, price, source or reason); bands with one price share a row."""
    rows = []
    for kind in KIND_FIELDS:
        merged: list[tuple[list[str], FoundPrice | Reason]] = []
        for band in (*(name for name, _ in CONTEXT_BANDS), BAND_ABOVE):
            found = prices.find(_at(asked, kind, band))
            if merged and merged[-1][1] == found:
                merged[-1][0].append(band)
            else:
                merged.append(([band], found))
        rows += [_cells(kind, bands, found) for bands, found in merged]
    return rows


def _at(asked: Usage, kind: str, band: str) -> Usage:
    return asked._replace(kind=kind, context_band=band)


def _cells(kind: str, bands: list[str], found: FoundPrice | Reason) -> tuple[str, str, str, str]:
    last = bands[-1]
    span = "any" if last == BAND_ABOVE else f"up to {last}"
    if last == BAND_ABOVE and bands[0] != CONTEXT_BANDS[0][0]:
        span = "above"
    if isinstance(found, Reason):
        return kind, span, "", f"unpriced: {found.value}"
    return kind, span, format_shown(found.unit_amount * PER), found.source.value
