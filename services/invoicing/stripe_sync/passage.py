"""One invoice from draft to sent: the steps in their order, each safe to begin again.

1. The tenant's customer, once, and what changed of it. 2. An empty draft. 3. Its lines, in chunks.
4. The gate: what Stripe holds is read back and compared; nothing passes that differs. 5. The
number, bound to the invoice. 6. Finalizing. 7. Sending. Dying between two steps loses nothing: the
next run reads what is there and goes on.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus

import structlog

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
from services.invoicing.stripe_sync.known_customers import Known
from services.invoicing.stripe_sync.tax_at_stripe import (
    TaxAtStripe,
    has_negative_line,
    own_tax_on_wire,
)
from services.invoicing.stripe_sync.writing import Approved, Changed, Writer
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
    customer: Known | None = None

    def __post_init__(self) -> None:
        self._writer = self.writer or Writer(self.database, self.clock)
        self.journal = Journal(self.database, self.stripe, self.clock, writer=self._writer)

    async def run(self) -> None:
        """Take the invoice as far as it goes; raises `NotSendable`, `StripeProblem`."""
        try:
            if self.invoice.state != "issued":
                draft_id = await self._approved_draft()
                await self._issue(draft_id)
            await self._send()
        except Exception:
            await self.journal.flush()  # what Stripe answered is kept, whatever stops the invoice
            raise
        await self.journal.flush()

    async def _approved_draft(self) -> str:
        """Return our draft at Stripe, filled, compared and numbered."""
        if has_negative_line(self.invoice, self.lines):
            raise NotSendable("negative_line_beside_automatic_tax")
        drafts = Drafts(self.database, self.stripe, self.journal, self.lines)
        customer_id = await Customers(
            self.stripe,
            self.journal,
            self._writer,
            self.invoice.account,
            self.invoice.tenant_id,
            self.tenant,
            locate=self.invoice.tax_treatment == "automatic",
            known=self.customer,
        ).current()
        tax = TaxAtStripe(self.database, self.stripe, self.journal, self.invoice, self.tenant)
        await tax.tell(customer_id)
        draft_id, listed = await self._located(drafts, customer_id)
        if await self._pass_gate(draft_id, listed):
            await drafts.delete_others(self.invoice, listed, keep=draft_id)
            self.invoice = await self.journal.change(Approved(self.invoice))
        return draft_id

    async def _located(
        self, drafts: Drafts, customer_id: str
    ) -> tuple[str, Sequence[StripeInvoice]]:
        """Return our filled draft, and all of its customer's invoices since.

        A draft keeps the place that it was filled with: after another address it is made anew. One
        with a number is not: finalizing works its tax out again. Raises `RequestRefused` if Stripe
        knows no place for its tax.
        """
        since = requests.created_since(self.invoice.created_at)
        for _ in range(2):
            self.invoice, draft_id = await drafts.filled(self.invoice, self.tenant, customer_id)
            listed = await self.stripe.list_invoices(customer_id, created_from=since)
            if await self._is_located(draft_id, listed):
                return draft_id, listed
            self.invoice = await drafts.discard(self.invoice, draft_id)
        raise RequestRefused(NOT_LOCATED, HTTPStatus.BAD_REQUEST)

    async def _is_located(self, draft_id: str, listed: Sequence[StripeInvoice]) -> bool:
        if self.invoice.tax_treatment != "automatic" or self.invoice.number is not None:
            return True
        shown = next((one for one in listed if one.id == draft_id), None)
        draft = shown or await self.stripe.retrieve_invoice(draft_id)
        return draft.status != "draft" or draft.located

    async def _pass_gate(self, draft_id: str, listed: Sequence[StripeInvoice]) -> bool:
        """Tell whether the draft has yet to be approved; raises `NotSendable` if it differs.

        It is read among its customer's invoices. A list may be older than what it lists, so
        a difference counts only when the draft itself, asked for alone, has it too.
        """
        observed = next((one for one in listed if one.id == draft_id), None)
        found = ["not_listed"] if observed is None else await self._differences(observed)
        if found:
            observed = await self.stripe.retrieve_invoice(draft_id)
            if observed.status != "draft" and self._is_ours(observed):
                return False
            found = await self._differences(observed)
        if found:
            raise NotSendable(",".join(found))
        return True

    def _is_ours(self, observed: StripeInvoice) -> bool:
        """Tell whether a finalized invoice is the one that we had approved."""
        return self.invoice.number is not None and observed.number == self.invoice.number

    async def _differences(self, observed: StripeInvoice) -> list[str]:
        lines = observed.lines
        if lines is None:
            lines = tuple(await self.stripe.list_lines(observed.id))
        return differences(
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
        finalized = await self.journal.post(
            lambda attempt: requests.finalize_call(invoice, draft_id, attempt=attempt),
            self._look_for_finalized,
        )
        issued = finalized.invoice or await self.stripe.retrieve_invoice(draft_id)
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
        """Change the invoice with what is written next: before any call, and at the end."""
        changed = Changed(self.invoice, change)
        await self.journal.later(changed)
        self.invoice = changed.result()


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
