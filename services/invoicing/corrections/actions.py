"""An issued invoice voided or given up at Stripe: one journaled step, then a fresh look.

One that is replaced is voided, too: the fresh look then drafts what replaces it.
"""

from dataclasses import dataclass

from services.invoicing.corrections.models import STATUSES, Action, ActionOrder
from services.invoicing.corrections.refreshing import refresh_invoice
from services.invoicing.models import Invoice, StripeJob
from services.invoicing.stripe_sync.journal import Journal
from services.invoicing.stripe_sync.requests import StripeCall
from services.invoicing.stripe_types import OutcomeUnknown, RequestRefused, Step, Stripe
from shared.clock import Clock
from shared.database import Database

_STEPS: dict[Action, Step] = {
    "void": "void_invoice",
    "mark_uncollectible": "mark_uncollectible",
    "revise": "void_invoice",
}


@dataclass
class ActionPassage:
    """The way of one order; whoever runs it holds the invoice's lock."""

    database: Database
    stripe: Stripe
    clock: Clock
    order: ActionOrder
    invoice: Invoice

    async def run(self) -> None:
        """Bring the order to its end; raises `StripeProblem`, `TooManyAttempts`."""
        assert self.invoice.stripe_invoice_id is not None, "an issued invoice is at Stripe"
        identity = self.invoice.stripe_invoice_id
        journal = Journal(self.database, self.stripe, self.clock)
        try:
            await journal.perform(lambda attempt: self._call(identity, attempt), self._look)
        except RequestRefused:
            # Somebody did it in Stripe's dashboard: what was wanted is there.
            if not await self._is_done(identity):
                raise
        now = await refresh_invoice(self.database, self.stripe, self.clock, self.invoice)
        if now.state == self.invoice.state != STATUSES[self.order.action]:
            # Stripe did it, and a read that is behind does not show it yet.
            raise OutcomeUnknown("change_not_seen")

    def _call(self, identity: str, attempt: int) -> StripeCall:
        action = self.order.action
        return StripeCall(
            self.order.account,
            self.order.tenant_id,
            _STEPS[action],
            identity,
            f"{action}/{identity}/{attempt}",
            {},
        )

    async def _look(self, job: StripeJob) -> str | None:
        return job.target if await self._is_done(job.target) else None

    async def _is_done(self, identity: str) -> bool:
        observed = await self.stripe.retrieve_invoice(identity)
        return observed.status == STATUSES[self.order.action]
