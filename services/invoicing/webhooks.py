"""Stripe's events: verified over the raw bytes, stored once, answered; processed afterwards.

What an event says of its object is never used: the object is fetched again. So neither order nor
duplication of deliveries changes what comes out.
"""

import asyncio
from collections.abc import AsyncIterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import structlog
from prometheus_client import Counter

from services.invoicing.corrections.refreshing import refresh_invoice
from services.invoicing.corrections.related import invoice_behind
from services.invoicing.models import Invoice, StoredEvent
from services.invoicing.repository import invoices as invoice_repository
from services.invoicing.repository import stripe as repository
from services.invoicing.stripe_accounts import StripeAccounts
from services.invoicing.stripe_events import (
    RefusedEvent,
    invalid_signature,
    read_body,
    read_event,
    verify_signature,
)
from services.invoicing.stripe_sync.loop import StripeProvider, invoice_lock
from services.invoicing.stripe_types import MISSING, RequestRefused, Stripe, StripeProblem
from shared.accounts.repository import Account
from shared.clock import Clock
from shared.database import Database
from shared.errors import TallyrollError

logger = structlog.get_logger()

BATCH = 100
BACKOFF_SECONDS_MAX = 300
SENT = "invoice.sent"
PAYMENT_EVENTS = ("charge.", "refund.")
"""Events about payments name no invoice; Stripe is asked which one was paid."""


@dataclass
class WebhookInbox:
    """Receives Stripe's events for one deployment."""

    database: Database
    accounts: StripeAccounts
    clock: Clock
    refused: Counter

    async def receive(self, account: Account, chunks: AsyncIterable[bytes], signature: str) -> None:
        """Verify and store an event; sent again it is there once. A refused one is counted alone.

        Raises `invalid_signature`, `invalid_event`, `livemode_mismatch`, `body_too_large` (413).
        """
        try:
            await self._receive(account, await read_body(chunks), signature)
        except RefusedEvent as refusal:
            self.refused.labels(refusal.reason).inc()
            logger.warning(
                "stripe_event_refused", reason=refusal.reason, vendor_id=account.vendor_id
            )
            raise

    async def _receive(self, account: Account, body: bytes, signature: str) -> None:
        credentials = await self.accounts.credentials(account)
        secrets = credentials.webhook_secrets if credentials else ()
        now = self.clock.now()
        signed_at = verify_signature(body, signature, secrets, now)
        row = read_event(body, account, now) | {"signed_at": signed_at}
        async with self.database.transaction() as connection:
            if not await repository.store_event(connection, row):
                raise invalid_signature("replayed")
        logger.info("stripe_event_stored", event_id=row["event_id"], type=row["type"])


@dataclass
class WebhookProcessor:
    """Applies stored events, each by fetching its invoice again."""

    database: Database
    accounts: StripeProvider
    clock: Clock
    interval_seconds: float = 0.5

    async def run(self) -> None:
        """Process until cancelled."""
        while True:
            try:
                await self.process_due()
            except Exception:
                logger.exception("webhook_processing_failed")
            await asyncio.sleep(self.interval_seconds)

    async def process_due(self) -> int:
        """Process every due event once; return how many there were."""
        async with self.database.transaction() as connection:
            events = await repository.list_due_events(connection, self.clock.now(), BATCH)
        for event in events:
            done = await self._process(event)
            await self._record(event, done=done)
        return len(events)

    async def _record(self, event: StoredEvent, *, done: bool) -> None:
        now = self.clock.now()
        pause = timedelta(seconds=min(2**event.failures, BACKOFF_SECONDS_MAX))
        values: dict[str, Any] = {"failures": event.failures + 1, "next_attempt_at": now + pause}
        async with self.database.transaction() as connection:
            await repository.update_event(
                connection, event, {"processed_at": now} if done else values
            )

    async def _process(self, event: StoredEvent) -> bool:
        """Apply an event; False when it must be tried again later."""
        try:
            return await self._apply(event)
        except (StripeProblem, TallyrollError) as problem:
            logger.warning("stripe_event_waits", event_id=event.event_id, cause=str(problem))
            return False
        except Exception:
            # A fault of ours: this event waits, the others go on.
            logger.exception("stripe_event_failed", event_id=event.event_id)
            return False

    async def _apply(self, event: StoredEvent) -> bool:
        account = Account(event.vendor_id, event.mode)
        stripe_invoice_id = event.stripe_invoice_id
        if stripe_invoice_id is None and event.type.startswith(PAYMENT_EVENTS):
            stripe = await self.accounts.gateway(account)
            if stripe is None:
                return False  # nobody can be asked now, and the event has nothing else to say
            stripe_invoice_id = await self._invoice_behind(stripe, event)
        if stripe_invoice_id is None:
            return True  # stored, not ours to act on
        async with self.database.transaction() as connection:
            invoice = await invoice_repository.find_by_stripe_id(
                connection, account, stripe_invoice_id
            )
        return True if invoice is None else await self._refresh(invoice, event)

    async def _invoice_behind(self, stripe: Stripe, event: StoredEvent) -> str | None:
        """Return the invoice of an event about a payment, a refund or a dispute."""
        async with self.database.transaction() as connection:
            payload = await repository.read_event_payload(connection, event)
        return await invoice_behind(stripe, payload)

    async def _refresh(self, invoice: Invoice, event: StoredEvent) -> bool:
        async with self.database.leadership(invoice_lock(invoice.invoice_id)) as held:
            if not held:
                return False
            stripe = await self.accounts.gateway(invoice.account)
            if stripe is None or invoice.stripe_invoice_id is None:
                return False
            try:
                sent = event.type == SENT
                await refresh_invoice(self.database, stripe, self.clock, invoice, sent=sent)
            except RequestRefused as refusal:
                return refusal.code == MISSING
        return True
