"""`tallyrollctl webhooks`: a vendor's endpoints, what they were sent, sending it again."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Annotated, TypeVar

import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy.ext.asyncio import AsyncConnection

from services.invoicing.repository import webhook_deliveries, webhook_endpoints
from services.invoicing.repository.webhook_deliveries import DeliveryFilter
from services.invoicing.settings import InvoicingSettings
from services.invoicing.webhooks_out.endpoints import open_endpoint
from services.invoicing.webhooks_out.models import DeliveryState
from services.invoicing.webhooks_out.secrets import EndpointKey
from shared.accounts.repository import Account
from shared.clock import SystemClock
from shared.database import Database
from shared.events.message import Mode
from shared.logging import configure_logging

app = typer.Typer(help="Webhooks to vendors: endpoints, deliveries, replay.", no_args_is_help=True)

LISTED_MAX = 1_000
Result = TypeVar("Result")
Vendor = Annotated[str, typer.Option(help="id of the vendor")]
OfMode = Annotated[Mode, typer.Option("--mode", help="test or live")]
EndpointOption = Annotated[str, typer.Option(help="id of the endpoint")]


def _run(use: Callable[[AsyncConnection], Awaitable[Result]]) -> Result:
    """Run a use case in one transaction."""
    configure_logging("tallyrollctl", "console")
    url = InvoicingSettings().invoicing_database_url.get_secret_value()

    async def transact() -> Result:
        database = Database(url, connections=1)
        try:
            async with database.transaction() as connection:
                return await use(connection)
        finally:
            await database.close()

    return asyncio.run(transact())


@app.command()
def endpoints(vendor: Vendor, mode: OfMode = "test") -> None:
    """List a vendor's endpoints."""
    found = _run(lambda c: webhook_endpoints.list_all(c, Account(vendor, mode)))
    table = Table("endpoint", "state", "types", "failing since")
    for one in found:
        since = one.failing_since.strftime("%Y-%m-%d %H:%M:%S") if one.failing_since else ""
        table.add_row(one.endpoint_id, one.state, ", ".join(one.event_types), since)
    Console().print(table)


@app.command()
def deliveries(
    vendor: Vendor,
    endpoint: EndpointOption,
    mode: OfMode = "test",
    state: Annotated[
        DeliveryState | None, typer.Option(help="pending, delivered or dead; all by default")
    ] = None,
) -> None:
    """List an endpoint's deliveries, the newest event first."""
    key = EndpointKey(Account(vendor, mode), endpoint)
    wanted = DeliveryFilter(state=state, limit=LISTED_MAX)
    table = Table("event", "type", "tenant", "state", "reason", "attempts")
    for one in _run(lambda c: webhook_deliveries.list_deliveries(c, key, wanted)):
        names = (one.event_id, one.type, one.tenant_id or "", one.state, one.reason or "")
        table.add_row(*names, str(one.attempts))
    Console().print(table)


@app.command()
def replay(
    vendor: Vendor,
    endpoint: EndpointOption,
    mode: OfMode = "test",
    event: Annotated[str, typer.Option(help="one event's id, whatever became of it")] = "",
    dead_since: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"],
            help="all dead deliveries of events since then, UTC, inclusive",
        ),
    ] = None,
) -> None:
    """Send one delivery again, or all dead ones since a time; each keeps its `webhook-id`."""
    key = EndpointKey(Account(vendor, mode), endpoint)
    if bool(event) == bool(dead_since):
        raise typer.BadParameter("name one --event, or choose with --dead-since")

    async def send(connection: AsyncConnection) -> int:
        now = SystemClock().now()
        await open_endpoint(connection, key)
        if dead_since is None:
            await webhook_deliveries.replay_one(connection, key, event, now)
            return 1
        since = dead_since.replace(tzinfo=UTC)
        return await webhook_deliveries.replay_dead(connection, key, since, now)

    typer.echo(f"{_run(send)} deliveries are due")
