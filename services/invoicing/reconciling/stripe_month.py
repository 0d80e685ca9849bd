"""A month's invoices beside Stripe's: page by page, and what has no counterpart on either side."""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from services.invoicing.corrections.models import CreditNote
from services.invoicing.models import Invoice
from services.invoicing.reconciling.credit_notes import differences_of_notes
from services.invoicing.reconciling.parts import invoice_ids
from services.invoicing.reconciling.stripe_sides import Sides, differences_of_sides
from services.invoicing.repository import reconciling as repository
from services.invoicing.repository.credit_notes import counted_notes
from services.invoicing.repository.invoices import read_all_sent_lines
from services.invoicing.stripe_types import (
    MISSING,
    RequestRefused,
    StripeCreditNote,
    StripeInvoice,
    StripeLine,
)
from shared.accounts.repository import Account
from shared.database import Database
from shared.differences import Difference, difference

CLOCK_SLACK = timedelta(hours=1)
"""Stripe's clock and ours may differ by this much."""

CREATED_WITHIN = timedelta(days=45)
"""An invoice is created at Stripe so long after ours at most, retries by people included."""

INTERNAL = "billing_internal"
"""The reason of an invoice that stays ours: its tenant is never billed."""

Listed = tuple[StripeInvoice, Sequence[StripeLine] | None]
"""An invoice with its lines; None where a list does not hold all of them."""


class StripeReader(Protocol):
    """What is read of a Stripe account. Every call raises a `StripeProblem` when it fails."""

    def list_created(
        self, *, created_from: int, created_before: int
    ) -> AsyncIterator[list[Listed]]: ...

    async def retrieve_invoice(self, invoice_id: str) -> StripeInvoice: ...

    async def list_lines(self, invoice_id: str) -> list[StripeLine]: ...

    async def list_credit_notes(self, invoice_id: str) -> list[StripeCreditNote]: ...


@dataclass
class StripeMonth:
    """Compares the invoices of a month; `seen` counts what Stripe holds of them.

    `notes` counts the credit notes of ours that were compared.
    """

    database: Database
    stripe: StripeReader
    account: Account
    invoices: Sequence[Invoice]
    seen: int = 0
    notes: int = 0
    advance: Callable[[int], None] = field(default=lambda _done: None)

    def __post_init__(self) -> None:
        self._ours = {one.stripe_invoice_id: one for one in self.invoices if one.stripe_invoice_id}
        self._customers: dict[str, str] = {}

    async def differences(self, first: datetime, end: datetime) -> AsyncIterator[Difference]:
        """Yield every difference; the month is [first, end)."""
        for invoice in self.invoices:
            if _is_missing_at_stripe(invoice):
                figures = {"ours": f"{invoice.state}, {invoice.total_minor}", "Stripe": None}
                ids = invoice_ids(invoice) | {"reason": invoice.reason}
                yield difference("invoice_not_at_stripe", ids, figures)
        async with self.database.transaction() as connection:
            self._customers = await repository.read_customers(connection, self.account)
        waiting = dict(self._ours)
        async for page in self._pages(first, end):
            for found in await self._page(page):
                yield found
            for observed, _ in page:
                waiting.pop(observed.id, None)
        for identity, invoice in waiting.items():
            for found in await self._single(identity, invoice):
                yield found

    def _pages(self, first: datetime, end: datetime) -> AsyncIterator[list[Listed]]:
        """List what was created when this month's invoices were; without any, since it began."""
        begun = [invoice.created_at for invoice in self.invoices]
        return self.stripe.list_created(
            created_from=int((min(begun, default=first) - CLOCK_SLACK).timestamp()),
            created_before=int((max([*begun, end]) + CREATED_WITHIN).timestamp()),
        )

    async def _page(self, page: Sequence[Listed]) -> list[Difference]:
        ours = [self._ours[observed.id] for observed, _ in page if observed.id in self._ours]
        async with self.database.transaction() as connection:
            identities = [invoice.invoice_id for invoice in ours]
            lines = await read_all_sent_lines(connection, self.account, identities)
            notes = await counted_notes(connection, self.account, identities)
        found = await self._orphans([observed for observed, _ in page])
        for observed, listed in page:
            invoice = self._ours.get(observed.id)
            if invoice is not None:
                theirs: Sequence[StripeLine] | None = listed
                if theirs is None:
                    theirs = await self.stripe.list_lines(observed.id)
                customer, own = self._customers.get(invoice.tenant_id), lines[invoice.invoice_id]
                found += self._compare(Sides(invoice, own, customer, observed, theirs))
                found += await self._credited(invoice, notes[invoice.invoice_id], observed)
        return found

    def _compare(self, sides: Sides) -> list[Difference]:
        self.seen += 1
        self.advance(1)
        return list(differences_of_sides(sides))

    async def _credited(
        self, invoice: Invoice, notes: Sequence[CreditNote], observed: StripeInvoice
    ) -> list[Difference]:
        """Compare an invoice's credit notes; Stripe is asked where either side has any."""
        self.notes += len(notes)
        if not notes and not observed.credited:
            return []
        theirs = await self.stripe.list_credit_notes(observed.id)
        return list(differences_of_notes(invoice, notes, theirs))

    async def _single(self, identity: str, invoice: Invoice) -> list[Difference]:
        """Look for an invoice that no page held: created at another time, or deleted."""
        try:
            observed = await self.stripe.retrieve_invoice(identity)
        except RequestRefused as refusal:
            if refusal.code != MISSING:
                raise
            ids = invoice_ids(invoice) | {"stripe_invoice_id": identity}
            figures = {"ours": f"{invoice.state}, {invoice.total_minor}", "Stripe": None}
            return [difference("stripe_invoice_missing", ids, figures)]
        return await self._page([(observed, None)])

    async def _orphans(self, observed: Sequence[StripeInvoice]) -> list[Difference]:
        """Return invoices that carry a key of this account and that none of ours points at."""
        prefix = f"{self.account.vendor_id}/{self.account.mode}/"
        named = [
            one
            for one in observed
            if one.metadata.get("invoice_key", "").startswith(prefix) and one.status != "void"
        ]
        async with self.database.transaction() as connection:
            known = await repository.keys_by_stripe_id(
                connection, self.account, [one.id for one in named]
            )
        return [
            difference(
                "stripe_orphan",
                {"stripe_invoice_id": one.id, "invoice_key": one.metadata["invoice_key"]},
                {"ours": None, "Stripe": f"{one.status}, {one.total}"},
            )
            for one in named
            if one.id not in known
        ]


def _is_missing_at_stripe(invoice: Invoice) -> bool:
    """Tell whether Stripe should have the invoice.

    One with nothing to pay is not sent there, nor is an internal tenant's (rule 9.4).
    """
    return (
        invoice.stripe_invoice_id is None
        and invoice.total_minor + (invoice.tax_minor or 0) > 0
        and invoice.state != "void"
        and invoice.reason != INTERNAL
    )
