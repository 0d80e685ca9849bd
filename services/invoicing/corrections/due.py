"""Invoices whose due day has passed are asked about by ourselves: an event may never come.

The vendor's endpoint at Stripe may not list `invoice.overdue`, and a delivery may be given up; an
invoice that nobody pays must be seen all the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import structlog

from services.invoicing.corrections.refreshing import refresh_invoice
from services.invoicing.models import Invoice
from services.invoicing.repository import due
from services.invoicing.stripe_sync.loop import StripeProvider, invoice_lock
from services.invoicing.stripe_sync.requests import DAYS_UNTIL_DUE
from services.invoicing.stripe_types import StripeProblem
from shared.clock import Clock
from shared.database import Database
from shared.errors import TallyrollError

logger = structlog.get_logger()

BATCH = 100
AGAIN = timedelta(days=1)
"""How often an invoice is asked about that stays unpaid after its due day."""

INTERVAL_SECONDS = 60


@dataclass
class DueWatch:
    """Looks at what should have been paid."""

    database: Database
    accounts: StripeProvider
    clock: Clock

    async def look(self) -> int:
        """Refresh all that is past its due day and was not seen since; return how many were."""
        seen, failed = 0, 0
        while True:
            # Those that failed stay at the front, and are not in the way of the others.
            found = await self._past_due(skip=failed)
            for invoice in found:
                if await self._refresh(invoice):
                    seen += 1
                else:
                    failed += 1
            if len(found) < BATCH:
                return seen

    async def _past_due(self, *, skip: int) -> Sequence[Invoice]:
        now = self.clock.now()
        async with self.database.transaction() as connection:
            return await due.list_past_due(
                connection,
                now,
                drafted_before=now - timedelta(days=DAYS_UNTIL_DUE),
                seen_before=now - AGAIN,
                page=(skip, BATCH),
            )

    async def _refresh(self, invoice: Invoice) -> bool:
        async with self.database.leadership(invoice_lock(invoice.invoice_id)) as held:
            if not held:
                return False
            try:
                stripe = await self.accounts.gateway(invoice.account)
                if stripe is None:
                    return False
                await refresh_invoice(self.database, stripe, self.clock, invoice)
            except (StripeProblem, TallyrollError) as problem:
                logger.warning("due_invoice_waits", invoice=invoice.invoice_id, cause=str(problem))
                return False
        return True
