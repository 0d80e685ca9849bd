"""Stripe's events: verified over the raw bytes, stored once, answered; processed afterwards.

What an event says of its object is never used: the object is fetched again. So neither order nor
duplication of deliveries changes what comes out.
"""

import asyncio
import hashlib
import hmac
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any

import structlog

from services.invoicing.corrections.refreshing import refresh_invoice
from services.invoicing.corrections.related import event_object, invoice_behind, invoice_id_of
from services.invoicing.models import Invoice, StoredEvent
from services.invoicing.repository import invoices as invoice_repository
from services.invoicing.repository import stripe as repository
from services.invoicing.stripe_sync.loop import StripeProvider, invoice_lock
from services.invoicing.stripe_types import MISSING, RequestRefused, StripeProblem
from shared.accounts.repository import Account
from shared.clock import Clock
from shared.database import Database
from shared.errors import TallyrollError

logger = structlog.get_logger()

BODY_BYTES_MAX = 512 * 1024
TOLERANCE_SECONDS = 300
"""How far a signature's time may lie from ours, in the past and in the future, inclusive."""

EVENT_ID_LENGTH_MAX = 255
BATCH = 100
BACKOFF_SECONDS_MAX = 300
SENT = "invoice.sent"
PAYMENT_EVENTS = ("charge.", "refund.")
"""Events about payments name no invoice; Stripe is asked which one was paid."""


def verify_signature(body: bytes, header: str, secrets: Sequence[str], now: datetime) -> None:
    """Check `t=…,v1=…` over the raw bytes against each active secret; raises `invalid_signature`.

    The answer does not say what was wrong.
    """
    parts = [part.strip().partition("=") for part in header.split(",")]
    times = [value for name, _, value in parts if name == "t"]
    given = [value.encode() for name, _, value in parts if name == "v1"]
    if len(times) != 1 or not _is_near(times[0], now):
        raise _invalid_signature()
    signed = times[0].encode() + b"." + body
    wanted = [hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest() for secret in secrets]
    # Every pair is compared, so that the time taken tells nothing.
    matches = [hmac.compare_digest(one.encode(), other) for one in wanted for other in given]
    if not any(matches):
        raise _invalid_signature()


def _is_near(seconds: str, now: datetime) -> bool:
    plain = seconds.isascii() and seconds.isdigit() and len(seconds) <= len("9999999999")
    return plain and abs(int(now.timestamp()) - int(seconds)) <= TOLERANCE_SECONDS


def _invalid_signature() -> TallyrollError:
    return TallyrollError(
        "invalid_signature", "The signature is missing, wrong or too far in time."
    )


def read_event(body: bytes, account: Account, now: datetime) -> dict[str, Any]:
    """Return the inbox row of a verified event; raises `invalid_event`, `livemode_mismatch`."""
    try:
        event = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise TallyrollError("invalid_event", "The body is no JSON.") from error
    identity = event.get("id") if isinstance(event, dict) else None
    kind = event.get("type") if isinstance(event, dict) else None
    if not _is_name(identity) or not _is_name(kind):
        raise TallyrollError("invalid_event", "An event has an id and a type.")
    if event.get("livemode") is not (account.mode == "live"):
        message = f"The event does not belong to {account.mode} mode."
        raise TallyrollError("livemode_mismatch", message, subject="livemode")
    return {
        "vendor_id": account.vendor_id,
        "mode": account.mode,
        "event_id": identity,
        "type": kind,
        "stripe_invoice_id": invoice_id_of(event_object(event)),
        "payload": body,
        "received_at": now,
        "next_attempt_at": now,
    }


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and value.isprintable() and 0 < len(value) <= EVENT_ID_LENGTH_MAX


@dataclass
class WebhookInbox:
    """Receives Stripe's events for one deployment."""

    database: Database
    accounts: Any
    clock: Clock

    async def receive(self, account: Account, body: bytes, signature: str) -> None:
        """Verify and store an event; twice is once. A refused one is not stored."""
        credentials = await self.accounts.credentials(account)
        secrets = credentials.webhook_secrets if credentials else ()
        verify_signature(body, signature, secrets, self.clock.now())
        row = read_event(body, account, self.clock.now())
        async with self.database.transaction() as connection:
            fresh = await repository.store_event(connection, row)
        logger.info("stripe_event_stored", event_id=row["event_id"], type=row["type"], fresh=fresh)


def payload_too_large() -> TallyrollError:
    message = f"An event has at most {BODY_BYTES_MAX} bytes."
    return TallyrollError("body_too_large", message, HTTPStatus.REQUEST_ENTITY_TOO_LARGE)


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
        stripe_invoice_id = event.stripe_invoice_id or await self._invoice_behind(event)
        if stripe_invoice_id is None:
            return True  # stored, not ours to act on
        account = Account(event.vendor_id, event.mode)
        async with self.database.transaction() as connection:
            invoice = await invoice_repository.find_by_stripe_id(
                connection, account, stripe_invoice_id
            )
        return True if invoice is None else await self._refresh(invoice, event)

    async def _invoice_behind(self, event: StoredEvent) -> str | None:
        """Return the invoice of an event about a payment, a refund or a dispute."""
        if not event.type.startswith(PAYMENT_EVENTS):
            return None
        stripe = await self.accounts.gateway(Account(event.vendor_id, event.mode))
        if stripe is None:
            return None
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
