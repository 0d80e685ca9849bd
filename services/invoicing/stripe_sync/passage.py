"""One invoice from draft to sent: the steps in their order, each safe to begin again.

1. The tenant's customer, once, and what changed of it. 2. An empty draft. 3. Its lines, in chunks.
4. The gate: what Stripe holds is read back and compared; nothing passes that differs. 5. The
number, bound to the invoice. 6. Finalizing. 7. Sending. Dying between two steps loses nothing: the
next run reads what is there and goes on.
"""

from dataclasses import dataclass
from http import HTTPStatus

import structlog

from services.invoicing import handlers
from services.invoicing.corrections.balance import foreign_balance
from services.invoicing.domain.gate import ExpectedDraft, ObservedDraft, differences
from services.invoicing.domain.states import state_from_stripe
from services.invoicing.domain.wire import from_wire, to_wire
from services.invoicing.handlers import Change
from services.invoicing.models import Invoice, InvoiceLine, StripeJob, Tenant
from services.invoicing.stripe_sync import requests
from services.invoicing.stripe_sync.customers import Customers
from services.invoicing.stripe_sync.drafts import Drafts, NotSendable
from services.invoicing.stripe_sync.journal import Journal
from services.invoicing.stripe_sync.tax_at_stripe import (
    TaxAtStripe,
    has_negative_line,
    own_tax_on_wire,
)
from services.invoicing.stripe_sync.together import Work, Writer
from services.invoicing.stripe_types import NOT_LOCATED, RequestRefused, Stripe, StripeInvoice
from shared.clock import Clock
from shared.database import Database
from shared.money import CURRENCIES

logger = structlog.get_logger()


@dataclass
class Passage:
    """The way of one invoice; whoever runs it holds the invoice's lock."""

    database: Database
    stripe: Stripe
    clock: Clock
    invoice: Invoice
    lines: list[InvoiceLine]
    tenant: Tenant
    writer: Writer | None = None
    """Shared by the invoices that are under way at the same time."""

    def __post_init__(self) -> None:
        self._writer = self.writer or Writer(self.database)
        self.journal = Journal(self.database, self.stripe, self.clock, writer=self._writer)

    async def run(self) -> None:
        """Take the invoice as far as it goes; raises `NotSendable`, `StripeProblem`."""
        if self.invoice.state != "issued":
            draft_id = await self._approved_draft()
            await self._issue(draft_id)
        await self._send()

    async def _approved_draft(self) -> str:
        """Return our draft at Stripe, filled, compared and numbered."""
        drafts = Drafts(self.database, self.stripe, self.journal, self.lines, self._writer)
        invoice = self.invoice
        if has_negative_line(invoice, self.lines):
            raise NotSendable("negative_line_beside_automatic_tax")
        customer_id = await Customers(
            self.database,
            self.stripe,
            self.journal,
            invoice.account,
            invoice.tenant_id,
            self.tenant,
            locate=invoice.tax_treatment == "automatic",
        ).current()
        tax = TaxAtStripe(self.database, self.stripe, self.journal, invoice, self.tenant)
        await tax.tell(customer_id)
        observed = await self._located(drafts, customer_id)
        draft_id = observed.id
        if observed.status != "draft" and self._is_ours(observed):
            return draft_id
        await self._pass_gate(observed)
        await drafts.delete_others(self.invoice, customer_id, keep=draft_id)
        await self._write(
            lambda connection: handlers.approve_invoice(connection, self.invoice, self.clock)
        )
        return draft_id

    async def _located(self, drafts: Drafts, customer_id: str) -> StripeInvoice:
        """Return our filled draft; raises `RequestRefused` if Stripe knows no place for its tax.

        A draft keeps the place that it was filled with: after another address it is made anew. One
        with a number is not: finalizing works its tax out again.
        """
        for _ in range(2):
            self.invoice, draft_id = await drafts.filled(self.invoice, self.tenant, customer_id)
            observed = await self.stripe.retrieve_invoice(draft_id)
            numbered = self.invoice.number is not None
            if observed.status != "draft" or observed.located or numbered:
                return observed
            self.invoice = await drafts.discard(self.invoice, draft_id)
        raise RequestRefused(NOT_LOCATED, HTTPStatus.BAD_REQUEST)

    def _is_ours(self, observed: StripeInvoice) -> bool:
        """Tell whether a finalized invoice is the one that we had approved."""
        return self.invoice.number is not None and observed.number == self.invoice.number

    async def _pass_gate(self, observed: StripeInvoice) -> None:
        lines = observed.lines
        if lines is None:
            lines = tuple(await self.stripe.list_lines(observed.id))
        found = differences(
            self._expected(),
            ObservedDraft(
                status=observed.status,
                invoice_key=observed.metadata.get("invoice_key"),
                currency=observed.currency,
                total_excluding_tax=observed.total_excluding_tax,
                starting_balance=await foreign_balance(
                    self.database, self.stripe, self.invoice, observed
                ),
                lines=tuple((line.line_key, line.amount) for line in lines),
                lines_sha256=observed.metadata.get("lines_sha256"),
                total=observed.total,
                automatic_tax=observed.automatic_tax,
            ),
        )
        if found:
            raise NotSendable(",".join(found))

    def _expected(self) -> ExpectedDraft:
        return ExpectedDraft(
            invoice_key=self.invoice.invoice_key,
            currency=self.invoice.currency,
            total=to_wire(self.invoice.total_minor, CURRENCIES[self.invoice.currency]),
            lines=tuple((line.line_key, line.stripe_amount) for line in self.lines),
            lines_sha256=self.invoice.lines_sha256,
            tax=own_tax_on_wire(self.invoice),
            automatic_tax=None
            if self.invoice.tax_treatment == "none"
            else self.invoice.tax_treatment == "automatic",
        )

    async def _issue(self, draft_id: str) -> None:
        invoice = self.invoice
        number = invoice.number
        assert number is not None, "an approved invoice has a number"
        await self.journal.perform(
            lambda attempt: requests.number_call(invoice, draft_id, number, attempt=attempt),
            self._look_for_number,
        )
        await self.journal.perform(
            lambda attempt: requests.finalize_call(invoice, draft_id, attempt=attempt),
            self._look_for_finalized,
        )
        issued = await self.stripe.retrieve_invoice(draft_id)
        net, ours = issued.total_excluding_tax, self._expected()
        if net != ours.total or ours.tax_differs(net, issued.total) or not self._is_ours(issued):
            raise NotSendable("issued_differs")
        await self._change(Change("issued", values=stripe_values(invoice, issued)))
        if issued.status != "open":
            # Stripe calls a total under its minimum charge paid at once: nothing is sent.
            await self._change(Change(state_from_stripe("issued", issued.status, sent=False)))

    async def _look_for_number(self, job: StripeJob) -> str | None:
        observed = await self.stripe.retrieve_invoice(job.target)
        return job.target if self._is_ours(observed) else None

    async def _look_for_finalized(self, job: StripeJob) -> str | None:
        observed = await self.stripe.retrieve_invoice(job.target)
        return job.target if observed.status != "draft" else None

    async def _send(self) -> None:
        invoice = self.invoice
        if invoice.state != "issued" or invoice.stripe_invoice_id is None:
            return
        identity = invoice.stripe_invoice_id
        await self.journal.perform(
            lambda attempt: requests.send_call(invoice, identity, attempt=attempt),
            self._look_for_sent,
        )
        await self._change(Change("sent"))

    async def _look_for_sent(self, _job: StripeJob) -> str | None:
        """Nothing at Stripe tells whether an e-mail went out: a second one is the lesser harm."""
        return None

    async def _change(self, change: Change) -> None:
        await self._write(
            lambda connection: handlers.change_state(connection, self.invoice, change, self.clock)
        )

    async def _write(self, work: Work) -> None:
        """Commit a change of the invoice; until then ours stays as it was."""
        self.invoice = await self._writer.change(work)


def stripe_values(invoice: Invoice, observed: StripeInvoice) -> tuple[tuple[str, object], ...]:
    """Return what is stored of Stripe's side, in our minor units."""
    currency = CURRENCIES[invoice.currency]
    net = observed.total_excluding_tax
    if net is None:
        net = observed.total
    return (
        ("stripe_status", observed.status),
        ("stripe_total_minor", from_wire(net, currency)),
        ("stripe_tax_minor", from_wire(observed.total - net, currency)),
    )
