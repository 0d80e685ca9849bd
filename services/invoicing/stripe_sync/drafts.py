"""Our draft at Stripe: created once, filled once, thrown away when it holds what is not ours."""

import json
from dataclasses import dataclass
from typing import Any

import structlog

from services.invoicing.domain.filling import compare_lines
from services.invoicing.models import Invoice, InvoiceLine, StripeJob, Tenant
from services.invoicing.repository import invoices as invoice_repository
from services.invoicing.repository import stripe_jobs
from services.invoicing.stripe_sync import requests
from services.invoicing.stripe_sync.journal import Journal
from services.invoicing.stripe_sync.requests import StripeCall
from services.invoicing.stripe_sync.together import Writer
from services.invoicing.stripe_types import MISSING, RequestRefused, Stripe
from shared.database import Database

logger = structlog.get_logger()

REBUILDS_MAX = 3
_DEAD = frozenset({"void", "deleted"})


class NotSendable(Exception):  # noqa: N818 - a verdict; the message is the reason's code
    """The invoice cannot go on without a person; the text is the stable reason."""


@dataclass
class Drafts:
    """Finds, makes and fills the Stripe draft of one invoice."""

    database: Database
    stripe: Stripe
    journal: Journal
    lines: list[InvoiceLine]
    writer: Writer | None = None

    def __post_init__(self) -> None:
        self.writer = self.writer or Writer(self.database)

    async def filled(
        self, invoice: Invoice, tenant: Tenant, customer_id: str
    ) -> tuple[Invoice, str]:
        """Return the invoice and its draft, which holds our lines and no others.

        A draft that is gone or holds foreign lines is replaced by the next attempt. One that is
        finalized is returned as it is.
        """
        for _ in range(REBUILDS_MAX):
            fresh = invoice.stripe_invoice_id is None
            invoice, draft_id = await self._existing(invoice, tenant, customer_id)
            if fresh:
                # Nothing of ours can be in it yet; what others put there, the gate sees.
                await self._add(invoice, draft_id, self.lines)
                return invoice, draft_id
            if await self._fill(invoice, draft_id):
                return invoice, draft_id
            invoice = await self.discard(invoice, draft_id)
        raise NotSendable("draft_keeps_changing")

    async def _existing(
        self, invoice: Invoice, tenant: Tenant, customer_id: str
    ) -> tuple[Invoice, str]:
        if invoice.stripe_invoice_id is not None:
            return invoice, invoice.stripe_invoice_id
        attempts = []

        def make(attempt: int) -> StripeCall:
            attempts.append(attempt)
            return requests.invoice_call(
                invoice, tenant, customer_id, attempt=attempt, line_count=len(self.lines)
            )

        async def look(job: StripeJob) -> str | None:
            wanted = json.loads(job.params)["metadata"]
            found = await self.stripe.list_invoices(
                customer_id, created_from=requests.created_from(job)
            )
            same = (one.id for one in found if wanted.items() <= one.metadata.items())
            return next(same, None)

        draft_id = await self.journal.perform(make, look, first=invoice.attempt)
        values = {"stripe_invoice_id": draft_id, "attempt": attempts[-1]}
        return await self._update(invoice, values), draft_id

    async def _update(self, invoice: Invoice, values: dict[str, Any]) -> Invoice:
        assert self.writer is not None
        changed: Invoice = await self.writer.change(
            lambda connection: invoice_repository.update_invoice(connection, invoice, values)
        )
        return changed

    async def _fill(self, invoice: Invoice, draft_id: str) -> bool:
        """Add the lines that are missing; False when the draft must be replaced."""
        try:
            if (await self.stripe.retrieve_invoice(draft_id)).status != "draft":
                return True
            sent = await self._finish_pending(invoice, draft_id)
            held = await self.stripe.list_lines(draft_id)
        except RequestRefused as refusal:
            if refusal.code == MISSING:
                return False
            raise
        found = compare_lines(
            tuple((line.line_key, line.stripe_amount) for line in self.lines),
            tuple((line.line_key, line.amount) for line in held),
        )
        if found.unexpected or sent & set(found.missing):
            return False
        missing = [line for line in self.lines if line.line_key in found.missing]
        await self._add(invoice, draft_id, missing)
        return True

    async def _finish_pending(self, invoice: Invoice, draft_id: str) -> set[str]:
        """Bring every begun chunk to an end; return the keys of all lines that were sent.

        Only afterwards can the missing lines be told: a chunk that is still under way would be
        added twice.
        """
        async with self.database.transaction() as connection:
            jobs = await stripe_jobs.list_jobs(
                connection, invoice.account, step="add_lines", target=draft_id
            )
        for job in jobs:
            if job.state == "pending":
                call = StripeCall(
                    invoice.account,
                    invoice.tenant_id,
                    "add_lines",
                    draft_id,
                    job.material,
                    json.loads(job.params),
                )
                await self.journal.resend(job, call, self._look_for_lines)
        return {key for job in jobs if job.state == "done" for key in _line_keys(job)}

    async def _look_for_lines(self, job: StripeJob) -> str | None:
        held = {line.line_key for line in await self.stripe.list_lines(job.target)}
        return job.target if _line_keys(job) <= held else None

    async def _add(self, invoice: Invoice, draft_id: str, missing: list[InvoiceLine]) -> None:
        chunks = requests.chunk_count(missing)
        for index in range(chunks):

            def make(attempt: int, index: int = index) -> StripeCall:
                return requests.lines_calls(invoice, draft_id, missing, attempt=attempt)[index]

            await self.journal.perform(make, self._look_for_lines)

    async def discard(self, invoice: Invoice, draft_id: str) -> Invoice:
        """Delete the draft and raise the attempt. Dying between the two: it is found missing."""
        logger.warning("stripe_draft_replaced", invoice_id=invoice.invoice_id)
        await self.stripe.delete_draft(draft_id)
        values = {"stripe_invoice_id": None, "attempt": invoice.attempt + 1}
        return await self._update(invoice, values)

    async def delete_others(self, invoice: Invoice, customer_id: str, *, keep: str) -> None:
        """Leave one Stripe invoice with this key: delete other drafts, refuse any other."""
        since = requests.created_since(invoice.created_at)
        found = await self.stripe.list_invoices(customer_id, created_from=since)
        for other in found:
            if other.metadata.get("invoice_key") != invoice.invoice_key or other.id == keep:
                continue
            if other.status == "draft":
                await self.stripe.delete_draft(other.id)
            elif other.status not in _DEAD:
                raise NotSendable("duplicate_stripe_invoice")


def _line_keys(job: StripeJob) -> set[str]:
    return {line["metadata"]["line_key"] for line in json.loads(job.params)["lines"]}
