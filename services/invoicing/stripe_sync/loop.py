"""Takes up the invoices that are due, one holder each, and decides what a failure means."""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol

import structlog

from services.invoicing import handlers
from services.invoicing.domain.states import SYNCED_STATES
from services.invoicing.handlers import Change
from services.invoicing.models import Invoice, Tenant
from services.invoicing.repository import holds
from services.invoicing.repository import invoices as repository
from services.invoicing.stripe_sync.drafts import NotSendable
from services.invoicing.stripe_sync.journal import TooManyAttempts
from services.invoicing.stripe_sync.passage import Passage
from services.invoicing.stripe_types import RequestRefused, Stripe, StripeProblem
from shared.accounts.repository import Account, read_tenant
from shared.clock import Clock
from shared.database import Database
from shared.errors import TallyrollError

logger = structlog.get_logger()

BATCH = 50
CONCURRENCY = 2
"""Invoices under way at once; each holds one connection for its lock and takes one at a time."""

BACKOFF_SECONDS_MAX = 300
WAIT = timedelta(seconds=60)
"""How long an invoice rests that waits for its vendor: no Stripe account, billing on hold."""

HELD = timedelta(hours=1)
"""How long a draft rests that waits for its approval."""


class StripeProvider(Protocol):
    """Finds the Stripe account that serves a vendor's mode."""

    def gateway(self, account: Account) -> Awaitable[Stripe | None]: ...


@dataclass
class InvoiceSync:
    """The loop from our invoices to Stripe."""

    database: Database
    accounts: StripeProvider
    clock: Clock
    interval_seconds: float = 0.5

    async def run(self) -> None:
        """Sync until cancelled."""
        while True:
            try:
                await self.sync_due()
            except Exception:
                logger.exception("invoice_sync_failed")
            await asyncio.sleep(self.interval_seconds)

    async def sync_due(self) -> int:
        """Take every due invoice as far as it goes; return how many were due."""
        async with self.database.transaction() as connection:
            due = await repository.list_due(connection, self.clock.now(), BATCH)
        gate = asyncio.Semaphore(CONCURRENCY)

        async def one(account: Account, invoice_id: str) -> None:
            async with gate:
                await self.sync(account, invoice_id)

        await asyncio.gather(*(one(account, invoice_id) for account, invoice_id in due))
        return len(due)

    async def sync(self, account: Account, invoice_id: str) -> None:
        """Take one invoice as far as it goes, unless another process is at it."""
        async with self.database.leadership(invoice_lock(invoice_id)) as held:
            if not held:
                return
            async with self.database.transaction() as connection:
                invoice = await repository.read_invoice(connection, account, invoice_id)
            if invoice.state in SYNCED_STATES:
                await self._advance(invoice)

    async def _advance(self, invoice: Invoice) -> None:
        try:
            await self._pass(invoice)
        except NotSendable as verdict:
            await self._park(invoice, str(verdict))
        except RequestRefused as refusal:
            code = refusal.code
            await self._park(invoice, code if code.startswith("stripe_") else f"stripe_{code}")
        except TooManyAttempts:
            await self._park(invoice, "too_many_attempts")
        except StripeProblem as problem:
            logger.warning("stripe_unreachable", invoice_id=invoice.invoice_id, cause=str(problem))
            await self._back_off(invoice)
        except Exception:
            # A fault of ours or of a server: this invoice waits, the others go on.
            logger.exception("invoice_sync_failed", invoice_id=invoice.invoice_id)
            await self._back_off(invoice)

    async def _pass(self, invoice: Invoice) -> None:
        held, rest = await self._held(invoice)
        if held is not None:
            return await self._wait(invoice, held, rest)
        tenant = await self._tenant(invoice)
        # Also with a number: nothing more reaches the tenant while its billing is held.
        if tenant.billing != "on":
            return await self._wait(invoice, f"billing_{tenant.billing}")
        stripe = await self._stripe(invoice)
        if stripe is None:
            return await self._wait(invoice, "stripe_account_missing")
        async with self.database.transaction() as connection:
            lines = await repository.read_sent_lines(connection, invoice)
        passage = Passage(self.database, stripe, self.clock, invoice, lines, tenant)
        return await passage.run()

    async def _held(self, invoice: Invoice) -> tuple[str | None, timedelta]:
        """Return what a draft waits for, if anything, and for how long at most."""
        async with self.database.transaction() as connection:
            hold = await holds.read_hold(connection, invoice)
        now = self.clock.now()
        if hold is None or invoice.state != "draft":
            return None, WAIT
        # An approval takes the draft up at once; so it is looked at now and then only.
        return hold.reason(now), HELD if hold.approval else hold.until - now

    async def _tenant(self, invoice: Invoice) -> Tenant:
        async with self.database.transaction() as connection:
            try:
                row = await read_tenant(connection, invoice.account, invoice.tenant_id)
            except TallyrollError as refusal:
                raise NotSendable(refusal.code) from refusal
        return Tenant(
            name=row["legal_name"],
            billing_email=row["billing_email"],
            address=row["address"],
            purchase_order=row["purchase_order"],
            billing=row["billing"],
        )

    async def _stripe(self, invoice: Invoice) -> Stripe | None:
        try:
            return await self.accounts.gateway(invoice.account)
        except TallyrollError as refusal:
            raise NotSendable(refusal.code) from refusal

    async def _park(self, invoice: Invoice, reason: str) -> None:
        async with self.database.transaction() as connection:
            # Read again: the passage may have moved it since.
            now = await repository.read_invoice(
                connection, invoice.account, invoice.invoice_id, lock=True
            )
            await handlers.park_invoice(connection, now, reason, self.clock)

    async def _wait(self, invoice: Invoice, reason: str, rest: timedelta = WAIT) -> None:
        values: tuple[tuple[str, Any], ...] = (("next_attempt_at", self.clock.now() + rest),)
        async with self.database.transaction() as connection:
            change = Change(invoice.state, reason, values)
            await handlers.change_state(connection, invoice, change, self.clock)

    async def _back_off(self, invoice: Invoice) -> None:
        pause = timedelta(seconds=min(2**invoice.failures, BACKOFF_SECONDS_MAX))
        values = {"failures": invoice.failures + 1, "next_attempt_at": self.clock.now() + pause}
        async with self.database.transaction() as connection:
            await repository.update_invoice(connection, invoice, values)


def invoice_lock(invoice_id: str) -> str:
    """Return the name of the lock that whoever changes an invoice's state by Stripe holds."""
    return f"invoice:{invoice_id}"
