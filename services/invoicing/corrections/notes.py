"""One credit note from order to issued: previewed, compared, numbered, made, recorded.

1. What is left to pay is asked afresh, as it decides what lowers the invoice and what is paid back.
2. Stripe's preview is compared with ours; nothing is made that differs. 3. The number, bound to the
note. 4. The note, journaled. 5. What Stripe made is stored, the invoice refreshed, others are told.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from services.invoicing.corrections.models import CreditNote, CreditNoteLine
from services.invoicing.corrections.refreshing import refresh_invoice
from services.invoicing.corrections.verdicts import Refused
from services.invoicing.domain.credit_notes import Credited, Settlement, settle
from services.invoicing.domain.crediting import preview_differences
from services.invoicing.domain.numbering import credit_note_number
from services.invoicing.domain.taxing import Tax
from services.invoicing.domain.wire import from_wire, to_wire
from services.invoicing.models import Invoice, StripeJob
from services.invoicing.repository import credit_notes, invoices, taxes
from services.invoicing.stripe_sync.journal import Journal
from services.invoicing.stripe_sync.requests import StripeCall
from services.invoicing.stripe_types import OutcomeUnknown, Stripe, StripeCreditNote, StripeLine
from services.invoicing.tax.credits import RateIds, credited_taxes, rate_ids_of
from services.invoicing.telling import tell
from shared.clock import Clock
from shared.database import Database
from shared.money import CURRENCIES

_WAYS: dict[Settlement, str] = {
    "balance": "credit_amount",
    "refund": "refund_amount",
    "out_of_band": "out_of_band_amount",
}


@dataclass
class NotePassage:
    """The way of one credit note; whoever runs it holds the lock of its invoice."""

    database: Database
    stripe: Stripe
    clock: Clock
    note: CreditNote
    lines: list[CreditNoteLine]
    invoice: Invoice

    async def run(self) -> None:
        """Take the note as far as it goes; raises `Refused`, `StripeProblem`."""
        self.currency = CURRENCIES[self.note.currency]
        self.taxes = await self._own_taxes()
        params = await self._content()
        if self.note.state == "pending":
            await self._approve(params)
        journal = Journal(self.database, self.stripe, self.clock)
        call = self._call(params)
        identity = await journal.perform(
            lambda attempt: replace(call, material=f"{call.material}/{attempt}"), self._look
        )
        await self._record(identity)

    async def _content(self) -> dict[str, Any]:
        """Return what is credited, in Stripe's words: the same for preview and creation."""
        params: dict[str, Any] = {"invoice": self._identity}
        if self.note.scope != "lines":
            return params | {"amount": to_wire(self.note.total_minor, self.currency)}
        lines = await self.stripe.list_lines(self._identity)
        held = {line.line_key: line for line in lines if line.line_key is not None}
        amounts = await self._sent_amounts()
        if any(key not in held for key in amounts):
            raise Refused("line_is_gone")
        taxed = credited_taxes(
            self.invoice, self.taxes, list(amounts.values()), await self._rate_ids(held)
        )
        if taxed is None:
            raise Refused("tax_rate_is_gone")
        content = [
            {
                "type": "invoice_line_item",
                "invoice_line_item": held[key].id,
                "amount": to_wire(minor, self.currency),
                **tax,
            }
            for (key, minor), tax in zip(amounts.items(), taxed, strict=True)
        ]
        return params | {"lines": content}

    async def _rate_ids(self, held: Mapping[str, StripeLine]) -> RateIds:
        if not self.invoice.has_own_tax:
            return {}
        async with self.database.transaction() as connection:
            return rate_ids_of(await invoices.read_sent_lines(connection, self.invoice), held)

    async def _own_taxes(self) -> list[Tax]:
        """Return the invoice's taxes, where they are ours."""
        account, identity = self.invoice.account, self.invoice.invoice_id
        async with self.database.transaction() as connection:
            return (await taxes.read_taxes(connection, account, [identity]))[identity]

    async def _sent_amounts(self) -> dict[str, int]:
        """Return what is credited of each line that Stripe has: it may stand for several."""
        account, identity = self.invoice.account, self.invoice.invoice_id
        async with self.database.transaction() as connection:
            found = (await invoices.read_lines(connection, account, [identity]))[identity]
        sent_key = {line.line_key: line.sent_key or line.line_key for line in found}
        amounts: dict[str, int] = {}
        for line in self.lines:
            key = sent_key[line.line_key]
            amounts[key] = amounts.get(key, 0) + line.amount_minor
        return amounts

    @property
    def _identity(self) -> str:
        assert self.invoice.stripe_invoice_id is not None, "an issued invoice is at Stripe"
        return self.invoice.stripe_invoice_id

    async def _approve(self, params: dict[str, Any]) -> None:
        """Compare Stripe's preview with ours and take the number in one transaction."""
        observed = await self.stripe.retrieve_invoice(self._identity)
        remaining = from_wire(observed.amount_remaining, self.currency)
        settled = settle(self.note.total_minor, remaining_minor=remaining)
        paid_back = self._paid_back(settled.post_payment_minor)
        preview = await self.stripe.preview_credit_note(params | paid_back)
        credited = self._credited(preview)
        found = preview_differences(
            Credited(self.note.net_minor, self.note.tax_minor),
            credited,
            self.note.scope,
            line_count=self._slack(),
        )
        if from_wire(preview.post_payment_amount, self.currency) != settled.post_payment_minor:
            found.append("settlement_differs")
        if found:
            raise Refused(",".join(found))
        values = self._values(preview) | {"state": "approved"}
        async with self.database.transaction() as connection:
            if self.note.number is None:
                account = self.note.account
                position = await credit_notes.take_note_position(connection, account)
                values["number"] = credit_note_number(account.vendor_id, position)
            self.note = await credit_notes.update_note(
                connection, self.note, values, self.clock.now()
            )

    def _slack(self) -> int:
        """Return how many units Stripe's split of net and tax may lie off ours."""
        if self.note.scope == "lines":
            return 0 if self.invoice.has_own_tax else len(self.lines)
        return max(len(self.taxes), 1)

    def _paid_back(self, post_payment_minor: int | None) -> dict[str, int]:
        if not post_payment_minor:
            return {}
        return {_WAYS[self.note.settlement]: to_wire(post_payment_minor, self.currency)}

    def _credited(self, observed: StripeCreditNote) -> Credited:
        net = from_wire(observed.total_excluding_tax, self.currency)
        return Credited(net, from_wire(observed.total, self.currency) - net)

    def _values(self, observed: StripeCreditNote) -> dict[str, Any]:
        credited = self._credited(observed)
        return {
            "net_minor": credited.net_minor,
            "tax_minor": credited.tax_minor,
            "pre_payment_minor": from_wire(observed.pre_payment_amount, self.currency),
            "post_payment_minor": from_wire(observed.post_payment_amount, self.currency),
        }

    def _call(self, content: dict[str, Any]) -> StripeCall:
        note = self.note
        assert note.number is not None, "an approved note has a number"
        params = content | self._paid_back(note.post_payment_minor)
        params["memo"] = f"{note.number}: {note.memo}" if note.memo else note.number
        params["metadata"] = {
            "credit_note_id": note.credit_note_id,
            "number": note.number,
            "invoice_key": self.invoice.invoice_key,
        }
        if note.stripe_reason is not None:
            params["reason"] = note.stripe_reason
        material = f"cn/{self._identity}/{note.credit_note_id}"
        return StripeCall(note.account, note.tenant_id, "create_credit_note", "", material, params)

    async def _look(self, _job: StripeJob) -> str | None:
        found = await self._made()
        return None if found is None else found.id

    async def _made(self) -> StripeCreditNote | None:
        for one in await self.stripe.list_credit_notes(self._identity):
            if one.metadata.get("credit_note_id") == self.note.credit_note_id:
                return one
        return None

    async def _record(self, identity: str) -> None:
        """Store what Stripe made. Dying before: the journal answers again, and it is stored."""
        made = await self._made()
        if made is None:
            # Stripe answered its id: a list that does not show it yet is behind.
            raise OutcomeUnknown("credit_note_not_listed")
        # First the invoice: a note that is issued is not looked at again.
        invoice = await refresh_invoice(self.database, self.stripe, self.clock, self.invoice)
        values = self._values(made) | {"state": "issued", "stripe_credit_note_id": identity}
        async with self.database.transaction() as connection:
            now = self.clock.now()
            self.note = await credit_notes.update_note(connection, self.note, values, now)
            await tell(connection, invoice, "credited", None, self.clock)
