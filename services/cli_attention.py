"""`tallyrollctl attention`: what waits for a person in all services, in one table."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from services.invoicing import waiting as invoicing
from services.invoicing.settings import InvoicingSettings
from services.metering import attention as metering
from services.metering.settings import MeteringSettings
from services.pricing.handlers import attention as pricing
from services.pricing.settings import PricingSettings
from shared.accounts.repository import Account, read_vendor
from shared.attention import AttentionItem
from shared.clock import SystemClock
from shared.database import Database
from shared.events.message import Mode

app = typer.Typer()

EXIT_WAITS = 1


@dataclass(frozen=True)
class Waiting:
    """An item, and the service whose it is."""

    service: str
    item: AttentionItem


@app.command()
def attention(
    vendor: Annotated[str, typer.Option(help="whose")],
    mode: Annotated[Mode, typer.Option(help="test or live")] = "test",
    *,
    as_json: Annotated[bool, typer.Option("--json", help="as JSON, for programs")] = False,
) -> None:
    """List what waits for a person, with one action each. Exit code 1 when anything does."""
    found = asyncio.run(list_waiting(Account(vendor, mode)))
    if as_json:
        rows = [{"service": one.service, **one.item.model_dump(mode="json")} for one in found]
        typer.echo(json.dumps({"items": rows}, indent=2))
    elif found:
        Console().print(waiting_table(found))
    else:
        typer.echo("nothing waits")
    if found:
        raise typer.Exit(EXIT_WAITS)


async def list_waiting(account: Account) -> list[Waiting]:
    """Read what waits in each service, by the settings of each; the vendor must be known."""
    metered, priced, invoiced = MeteringSettings(), PricingSettings(), InvoicingSettings()
    urls = {
        "metering": metered.metering_database_url,
        "pricing": priced.pricing_database_url,
        "invoicing": invoiced.invoicing_database_url,
    }
    opened = {n: Database(url.get_secret_value(), connections=1) for n, url in urls.items()}
    grace = timedelta(minutes=metered.seal_grace_minutes)
    moment = metering.Moment(SystemClock().now(), grace)
    try:
        return await read_waiting(opened, account, moment, accepted=priced.accepted_recounts)
    finally:
        for database in opened.values():
            await database.close()


async def read_waiting(
    databases: dict[str, Database],
    account: Account,
    moment: metering.Moment,
    *,
    accepted: frozenset[str],
) -> list[Waiting]:
    """Return what waits, service by service in the way of the data."""
    found: dict[str, Sequence[AttentionItem]] = {}
    async with databases["metering"].transaction("REPEATABLE READ") as connection:
        await read_vendor(connection, account.vendor_id)
        found["metering"] = await metering.list_attention(connection, account, moment)
    async with databases["pricing"].transaction("REPEATABLE READ") as connection:
        found["pricing"] = await pricing.list_attention(connection, account, accepted=accepted)
    async with databases["invoicing"].transaction("REPEATABLE READ") as connection:
        found["invoicing"] = await invoicing.list_attention(connection, account)
    return [Waiting(service, item) for service, items in found.items() for item in items]


def waiting_table(found: Sequence[Waiting]) -> Table:
    """Return the items as rows: what, since when, and what to do."""
    table = Table(border_style="dim")
    for title in ("service", "what", "about", "since", "what to do"):
        table.add_column(title, overflow="fold")
    for one in found:
        item = one.item
        what = item.code if item.count == 1 else f"{item.code} ({item.count})"
        table.add_row(
            one.service,
            what,
            escape(item.subject),
            _when(item.since),
            escape(f"{item.message}\n{item.action.description}\n{item.action.words}"),
        )
    return table


def _when(since: datetime | None) -> str:
    return "" if since is None else since.strftime("%Y-%m-%d %H:%M")
