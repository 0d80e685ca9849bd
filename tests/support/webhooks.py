"""Webhooks out on a real database, step by step: events in, one round of deliveries, rows out."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from sqlalchemy import text

from services.invoicing.repository import webhook_deliveries, webhook_endpoints
from services.invoicing.repository.webhook_deliveries import DeliveryFilter
from services.invoicing.webhook_schemas import WebhookEndpointWrite
from services.invoicing.webhooks_out.composing import invoice_event
from services.invoicing.webhooks_out.endpoints import EndpointPolicy, Endpoints, open_endpoint
from services.invoicing.webhooks_out.loop import WebhookDeliveries
from services.invoicing.webhooks_out.models import Attempt, Delivery, Endpoint
from services.invoicing.webhooks_out.recording import record_event
from services.invoicing.webhooks_out.secrets import EndpointKey
from services.invoicing.webhooks_out.sender import WebhookSender
from shared.accounts.repository import Account
from shared.clock import FrozenClock
from shared.database import Database
from shared.events.invoice_changed import InvoiceChanged
from shared.ids import new_id

SECRET_KEY = b"a-secret-key-of-thirty-two-bytes-or-more"
ATTEMPTS_MAX = 3
HALF_A_DAY = 12 * 3600 * 1.25


@dataclass
class Hooks:
    """One vendor's webhooks."""

    database: Database
    clock: FrozenClock
    account: Account
    seconds_max: float = 10.0
    senders: list[WebhookSender] = field(default_factory=list)

    @property
    def endpoints(self) -> Endpoints:
        return Endpoints(SECRET_KEY, EndpointPolicy(allow_loopback=True), self.clock)

    def key(self, endpoint_id: str = "books") -> EndpointKey:
        return EndpointKey(self.account, endpoint_id)

    async def add(self, url: str, endpoint_id: str = "books", **values: Any) -> str:
        """Write an endpoint; return its secret, empty for a change."""
        written = WebhookEndpointWrite(url=url, **values)
        async with self.database.transaction() as connection:
            made = await self.endpoints.put(connection, self.key(endpoint_id), written)
        return made.text if made else ""

    async def rotate(self, hours: int) -> str:
        async with self.database.transaction() as connection:
            made = await self.endpoints.rotate(connection, self.key(), timedelta(hours=hours))
        return made.text

    def changed(self, **values: Any) -> InvoiceChanged:
        fields: dict[str, Any] = {
            "vendor_id": self.account.vendor_id,
            "mode": self.account.mode,
            "tenant_id": "acme",
            "invoice_id": "i-1",
            "invoice_key": "k",
            "number": "V-1",
            "state": "sent",
            "reason": None,
            "currency": "USD",
            "total_minor": 534,
            "period_start": date(2026, 1, 1),
            "period_end": date(2026, 2, 1),
            "stripe_invoice_id": None,
            "changed_at": self.clock.now(),
        }
        return InvoiceChanged(**(fields | values))

    async def happen(self, message_id: str = "", **values: Any) -> str | None:
        """Handle a message as the consumer does; return the event's id."""
        event = invoice_event(self.changed(**values), message_id or new_id())
        async with self.database.transaction() as connection:
            return await record_event(connection, event, self.clock.now())

    def loop(self) -> WebhookDeliveries:
        """Return a delivery loop as a process of its own has it."""
        sender = WebhookSender(allow_loopback=True, seconds_max=self.seconds_max)
        self.senders.append(sender)
        return WebhookDeliveries(
            database=self.database,
            endpoints=self.endpoints,
            sender=sender,
            clock=self.clock,
            attempts_max=ATTEMPTS_MAX,
            attempt_seconds_max=self.seconds_max,
            interval_seconds=0.01,
        )

    async def send(self, *, later: float = 0.0) -> None:
        """Send what is due, after so many seconds of the clock."""
        self.clock.advance(timedelta(seconds=later))
        await self.loop().send_due()

    async def deliveries(self, endpoint_id: str = "books") -> list[Delivery]:
        """Return an endpoint's deliveries, the newest event first."""
        async with self.database.transaction() as connection:
            found = await webhook_deliveries.list_deliveries(
                connection, self.key(endpoint_id), DeliveryFilter()
            )
        return list(found)

    async def states(self, endpoint_id: str = "books") -> list[tuple[str, str | None]]:
        return [(one.state, one.reason) for one in await self.deliveries(endpoint_id)]

    async def attempts(self, event_id: str, endpoint_id: str = "books") -> list[Attempt]:
        async with self.database.transaction() as connection:
            found = await webhook_deliveries.list_attempts(
                connection, self.key(endpoint_id), event_id
            )
        return list(found)

    async def endpoint(self, endpoint_id: str = "books") -> Endpoint:
        async with self.database.transaction() as connection:
            return await webhook_endpoints.read(connection, self.key(endpoint_id))

    async def replay(self, since: Any = None, event_id: str = "") -> None:
        now = self.clock.now()
        async with self.database.transaction() as connection:
            await open_endpoint(connection, self.key())
            if event_id:
                await webhook_deliveries.replay_one(connection, self.key(), event_id, now)
            else:
                await webhook_deliveries.replay_dead(connection, self.key(), since, now)

    async def forget_all(self) -> None:
        """Delete every row: what one test leaves due, the next one's loop would send."""
        for sender in self.senders:
            await sender.close()
        tables = "invoicing.webhook_endpoint, invoicing.webhook_event"
        async with self.database.transaction() as connection:
            await connection.execute(text(f"truncate {tables} cascade"))


@asynccontextmanager
async def running_loop(hooks: Hooks) -> AsyncIterator[None]:
    """Run a delivery loop inside a block; at its end it dies as a process does."""
    task = asyncio.create_task(hooks.loop().run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
