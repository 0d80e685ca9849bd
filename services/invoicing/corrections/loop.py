"""Takes up the orders about issued invoices, one holder of an invoice at a time."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

import structlog

from services.invoicing.corrections.actions import ActionPassage
from services.invoicing.corrections.models import OPEN_NOTE_STATES, ActionOrder, CreditNote
from services.invoicing.corrections.notes import NotePassage
from services.invoicing.corrections.verdicts import Refused
from services.invoicing.models import Invoice
from services.invoicing.repository import actions, credit_notes, invoices
from services.invoicing.stripe_sync.journal import TooManyAttempts
from services.invoicing.stripe_sync.loop import BACKOFF_SECONDS_MAX, StripeProvider, invoice_lock
from services.invoicing.stripe_types import RequestRefused, Stripe, StripeProblem
from shared.accounts.repository import Account
from shared.clock import Clock
from shared.database import Database
from shared.errors import TallyrollError

logger = structlog.get_logger()

BATCH = 50

Passage = Callable[[Stripe, Invoice], Awaitable[None]]


@dataclass
class CorrectionSync:
    """The loop from orders to Stripe."""

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
                logger.exception("correction_sync_failed")
            await asyncio.sleep(self.interval_seconds)

    async def sync_due(self) -> int:
        """Take every due order as far as it goes; return how many were due."""
        async with self.database.transaction() as connection:
            now = self.clock.now()
            orders = await actions.list_due_actions(connection, now, BATCH)
            notes = await credit_notes.list_due_notes(connection, now, BATCH)
        for order in orders:
            await self._take_action(order)
        for note in notes:
            await self._take_note(note)
        return len(orders) + len(notes)

    async def _take_action(self, order: ActionOrder) -> None:
        async def act(stripe: Stripe, invoice: Invoice) -> None:
            await ActionPassage(self.database, stripe, self.clock, order, invoice).run()
            await record("done", None)

        async def record(state: str, reason: str | None) -> None:
            async with self.database.transaction() as connection:
                values = {"state": state, "reason": reason}
                await actions.update_action(connection, order, values)

        async def back_off() -> None:
            async with self.database.transaction() as connection:
                await actions.update_action(connection, order, self._later(order.failures))

        try:
            await self._hold(order.account, order.invoice_id, act)
        except Refused as verdict:
            await record("refused", str(verdict))
        except StripeProblem:
            await back_off()

    async def _take_note(self, found: CreditNote) -> None:
        async def act(stripe: Stripe, invoice: Invoice) -> None:
            identity = found.credit_note_id
            async with self.database.transaction() as connection:
                # Read under the lock: another may have taken it on since it was listed.
                note = await credit_notes.read_note(connection, found.account, identity)
                lines = await credit_notes.read_note_lines(connection, found.account, [identity])
            if note.state in OPEN_NOTE_STATES:
                await NotePassage(
                    self.database, stripe, self.clock, note, lines[identity], invoice
                ).run()

        async def record(values: dict[str, object]) -> None:
            async with self.database.transaction() as connection:
                now = await credit_notes.read_note(
                    connection, found.account, found.credit_note_id, lock=True
                )
                if now.state in OPEN_NOTE_STATES:
                    await credit_notes.update_note(connection, now, values, self.clock.now())

        try:
            await self._hold(found.account, found.invoice_id, act)
        except Refused as verdict:
            reason = str(verdict)
            logger.warning("credit_note_parked", reason=reason, note=found.credit_note_id)
            await record({"state": "parked", "reason": reason})
        except StripeProblem:
            await record(self._later(found.failures))

    async def _hold(self, account: Account, invoice_id: str, passage: Passage) -> None:
        """Run a passage under the invoice's lock; raises `Refused`, `StripeProblem`.

        When another holds the lock, nothing happens: the order stays due.
        """
        async with self.database.leadership(invoice_lock(invoice_id)) as held:
            if not held:
                return
            try:
                async with self.database.transaction() as connection:
                    invoice = await invoices.read_invoice(connection, account, invoice_id)
                await passage(await self._gateway(account), invoice)
            except RequestRefused as refusal:
                code = refusal.code
                name = code if code.startswith("stripe_") else f"stripe_{code}"
                raise Refused(name) from refusal
            except TooManyAttempts as fault:
                raise Refused("too_many_attempts") from fault
            except TallyrollError as refusal:
                raise Refused(refusal.code) from refusal
            except Refused:
                raise
            except StripeProblem as problem:
                logger.warning("correction_waits", invoice_id=invoice_id, cause=str(problem))
                raise
            except Exception as fault:
                # A fault of ours or of a server: this order waits, the others go on.
                logger.exception("correction_failed", invoice_id=invoice_id)
                raise StripeProblem("correction_failed") from fault

    async def _gateway(self, account: Account) -> Stripe:
        stripe = await self.accounts.gateway(account)
        if stripe is None:
            raise StripeProblem("stripe_account_missing")
        return stripe

    def _later(self, failures: int) -> dict[str, object]:
        pause = timedelta(seconds=min(2**failures, BACKOFF_SECONDS_MAX))
        return {"failures": failures + 1, "next_attempt_at": self.clock.now() + pause}
