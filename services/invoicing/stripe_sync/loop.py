"""Takes up the invoices that are due, one holder each, and decides what a failure means."""

import asyncio
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import structlog

from services.invoicing import handlers
from services.invoicing.domain.states import SYNCED_STATES
from services.invoicing.domain.tax_places import NOT_LOCATED as ADDRESS_NOT_LOCATED
from services.invoicing.domain.tax_places import waits_for_place
from services.invoicing.handlers import Change
from services.invoicing.models import Invoice
from services.invoicing.repository import invoices as repository
from services.invoicing.repository.tenant_tax import put_not_located
from services.invoicing.stripe_sync.drafts import NotSendable
from services.invoicing.stripe_sync.journal import TooManyAttempts
from services.invoicing.stripe_sync.loading import Loaded, StripeProvider, load_invoices
from services.invoicing.stripe_sync.locks import InvoiceLocks, invoice_lock, invoice_locks
from services.invoicing.stripe_sync.passage import Passage
from services.invoicing.stripe_sync.writing import Writer
from services.invoicing.stripe_types import NOT_LOCATED, RequestRefused, StripeProblem
from shared.accounts.repository import Account
from shared.clock import Clock
from shared.database import Database
from shared.errors import TallyrollError, not_found

logger = structlog.get_logger()

IN_FLIGHT = 100
BACKOFF_SECONDS_MAX = 300
WAIT = timedelta(seconds=60)
"""How long an invoice rests that waits for its vendor: no Stripe account, billing on hold."""

HELD = timedelta(hours=1)
"""How long a draft rests that waits for its approval."""

__all__ = ["InvoiceSync", "StripeProvider", "invoice_lock"]


@dataclass
class InvoiceSync:
    """The way of our invoices to Stripe: so many at once, the next as soon as there is room."""

    database: Database
    accounts: StripeProvider
    clock: Clock
    interval_seconds: float = 0.5
    in_flight: int = IN_FLIGHT

    def __post_init__(self) -> None:
        self.writer = Writer(self.database, self.clock)

    async def run(self) -> None:
        """Sync until cancelled."""
        while True:
            try:
                async with invoice_locks(self.database) as locks:
                    await _Pipeline(self, locks).run(rest_seconds=self.interval_seconds)
            except Exception:
                logger.exception("invoice_sync_failed")
            await asyncio.sleep(self.interval_seconds)

    async def sync_due(self) -> int:
        """Take every due invoice as far as it goes, until none is due; return how many were.

        None is taken twice: what is due again by then waits for the next call.
        """
        async with invoice_locks(self.database) as locks:
            pipeline = _Pipeline(self, locks)
            await pipeline.run(rest_seconds=None)
        return len(pipeline.taken)

    async def sync(self, account: Account, invoice_id: str) -> None:
        """Take one invoice as far as it goes, unless another process is at it."""
        async with self.database.leadership(invoice_lock(invoice_id)) as held:
            if not held:
                return
            loaded = await load_invoices(self.database, self.accounts, [(account, invoice_id)])
            if not loaded:
                raise not_found("invoice", invoice_id)
            await self.advance(loaded[0])

    async def advance(self, loaded: Loaded) -> None:
        """Take an invoice, whose lock is held, as far as it goes; a failure is its own."""
        invoice = loaded.invoice
        if invoice.state not in SYNCED_STATES:
            return None
        try:
            await self._pass(loaded)
        except NotSendable as verdict:
            await self._park(invoice, str(verdict))
        except RequestRefused as refusal:
            code = refusal.code
            if code == NOT_LOCATED and invoice.tax_treatment == "automatic":
                return await self._wait_for_place(loaded)
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

    async def _pass(self, loaded: Loaded) -> None:
        invoice, tenant, stripe = loaded.invoice, loaded.tenant, loaded.stripe
        held, rest = self._held(loaded)
        if held is not None:
            return await self._wait(invoice, held, rest)
        if tenant is None:
            raise NotSendable("unknown_tenant")
        # Also with a number: nothing more reaches the tenant while its billing is held.
        if tenant.billing != "on":
            return await self._wait(invoice, f"billing_{tenant.billing}")
        if stripe is None:
            return await self._wait(invoice, "stripe_account_missing")
        if invoice.tax_treatment == "automatic":
            placeless = waits_for_place(tenant.address, tenant.tax.not_located)
            if placeless is not None:
                return await self._wait(invoice, placeless)
        if isinstance(stripe, TallyrollError):
            raise NotSendable(stripe.code)
        return await Passage(
            self.database,
            stripe,
            self.clock,
            invoice,
            loaded.lines,
            tenant,
            self.writer,
            loaded.customer,
        ).run()

    def _held(self, loaded: Loaded) -> tuple[str | None, timedelta]:
        """Return what a draft waits for, if anything, and for how long at most."""
        hold, now = loaded.hold, self.clock.now()
        if hold is None or loaded.invoice.state != "draft":
            return None, WAIT
        # An approval takes the draft up at once; so it is looked at now and then only.
        return hold.reason(now), HELD if hold.approval else hold.until - now

    async def _wait_for_place(self, loaded: Loaded) -> None:
        """Wait for another address: Stripe is not asked again about one that it does not know."""
        assert loaded.tenant is not None, "without a tenant nothing is sent"
        async with self.database.transaction() as connection:
            now = await repository.read_invoice(
                connection, loaded.invoice.account, loaded.invoice.invoice_id, lock=True
            )
            address = loaded.tenant.address
            await put_not_located(connection, now.account, now.tenant_id, address)
        await self._wait(now, ADDRESS_NOT_LOCATED)

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


@dataclass
class _Pipeline:
    """Goes through what is due. `_ready` is locked and loaded ahead, while others are under way.

    Until the next rest none is taken twice, and what another process holds is left alone.
    """

    sync: InvoiceSync
    locks: InvoiceLocks
    taken: set[str] = field(default_factory=set)
    _left: set[str] = field(default_factory=set)
    _more: bool = True
    _ready: deque[Loaded] = field(default_factory=deque)
    _under_way: dict[asyncio.Task[None], str] = field(default_factory=dict)

    async def run(self, *, rest_seconds: float | None) -> None:
        """Go on for ever, or without a rest until nothing is due."""
        try:
            while self._more or self._ready or self._under_way or rest_seconds is not None:
                if self._more and not self._ready:
                    await self._look()
                self._begin()
                if not self._more and rest_seconds is not None:
                    await self._rest(rest_seconds)
                elif self._under_way and (self._ready or not self._more):
                    await asyncio.wait(self._under_way, return_when=asyncio.FIRST_COMPLETED)
                self._reap()
        finally:
            await _end(self._under_way)

    async def _look(self) -> None:
        """Lock and load some more of what is due."""
        active = set(self._under_way.values())
        async with self.sync.database.transaction() as connection:
            due = await repository.list_due(
                connection, self.sync.clock.now(), self.sync.in_flight, without=active | self._left
            )
        self._left |= {one for _, one in due if one in self.taken}
        new = [(account, one) for account, one in due if one not in self.taken]
        self.taken |= {one for _, one in new}
        ours = set(await self.locks.take([one for _, one in new]) if new else ())
        wanted = [(account, one) for account, one in new if one in ours]
        self._ready += await load_invoices(self.sync.database, self.sync.accounts, wanted)
        self._more = bool(due)

    def _begin(self) -> None:
        while self._ready and len(self._under_way) < self.sync.in_flight:
            loaded = self._ready.popleft()
            task = asyncio.create_task(self._one(loaded))
            self._under_way[task] = loaded.invoice.invoice_id

    async def _one(self, loaded: Loaded) -> None:
        try:
            await self.sync.advance(loaded)
        finally:
            await self.locks.give_back(loaded.invoice.invoice_id)

    async def _rest(self, seconds: float) -> None:
        """Wait for a while, or until all that is locked ahead finds room."""
        if self._under_way:
            await asyncio.wait(
                self._under_way, timeout=seconds, return_when=asyncio.FIRST_COMPLETED
            )
        else:
            await asyncio.sleep(seconds)
        self._more = not self._ready
        if self._more:
            self.taken.clear()
            self._left.clear()

    def _reap(self) -> None:
        for task in [task for task in self._under_way if task.done()]:
            del self._under_way[task]
            task.result()


async def _end(tasks: Iterable[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
