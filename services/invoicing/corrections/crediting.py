"""Use cases: credit notes ordered, let go on, given up. The caller commits."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from sqlalchemy.ext.asyncio import AsyncConnection

from services.invoicing import carrying
from services.invoicing.corrections.models import CreditNote, CreditNoteLine
from services.invoicing.corrections.ordering import check_not_revised
from services.invoicing.domain.credit_notes import Settlement
from services.invoicing.domain.crediting import (
    Billed,
    Earlier,
    NotCreditable,
    Wanted,
    expected_credit,
)
from services.invoicing.domain.states import State
from services.invoicing.models import Invoice, InvoiceLine
from services.invoicing.repository import adjustments, credit_notes, invoices, taxes
from shared.accounts.repository import Account
from shared.clock import Clock
from shared.errors import Fault, TallyrollError, conflict
from shared.ids import new_id
from shared.money import CURRENCIES

CREDITABLE: frozenset[State] = frozenset({"issued", "sent", "paid", "uncollectible"})

UNCERTAIN = "too_many_attempts"
"""The reason of a note of which nobody knows whether Stripe has it."""


@dataclass(frozen=True)
class NoteOrder:
    """What is to be credited, how it is settled, and what the customer reads."""

    wanted: Wanted
    settlement: Settlement
    stripe_reason: str | None
    memo: str


async def order_note(
    connection: AsyncConnection, account: Account, invoice_id: str, order: NoteOrder, clock: Clock
) -> CreditNote:
    """Order a credit note of an issued invoice, within what can still be credited.

    Raises `unknown_invoice`, `invoice_not_creditable`, `invoice_being_revised`,
    `invalid_credit_note` with its fault.
    """
    invoice = await invoices.read_invoice(connection, account, invoice_id, lock=True)
    if invoice.state not in CREDITABLE or invoice.stripe_invoice_id is None:
        message = f"The invoice is {invoice.state}; an issued one is credited."
        raise conflict("invoice_not_creditable", message, subject=invoice_id)
    await check_not_revised(connection, invoice)
    billed, earlier = await billed_of(connection, invoice), await earlier_of(connection, invoice)
    try:
        credited = expected_credit(billed, earlier, order.wanted, CURRENCIES[invoice.currency])
    except NotCreditable as verdict:
        fault = Fault(verdict.code, verdict.path, verdict.message)
        raise TallyrollError("invalid_credit_note", verdict.message, faults=[fault]) from verdict
    note = CreditNote(
        vendor_id=invoice.vendor_id,
        mode=invoice.mode,
        tenant_id=invoice.tenant_id,
        credit_note_id=new_id(),
        invoice_id=invoice_id,
        number=None,
        state="pending",
        reason=None,
        scope=order.wanted.scope,
        settlement=order.settlement,
        stripe_reason=order.stripe_reason,
        memo=order.memo,
        currency=invoice.currency,
        net_minor=credited.net_minor,
        tax_minor=credited.tax_minor,
        pre_payment_minor=None,
        post_payment_minor=None,
        stripe_credit_note_id=None,
        failures=0,
        created_at=clock.now(),
    )
    await credit_notes.insert_note(connection, note, _lines(order.wanted))
    return note


def _lines(wanted: Wanted) -> list[CreditNoteLine]:
    return [
        CreditNoteLine(position, line_key, amount_minor)
        for position, (line_key, amount_minor) in enumerate(wanted.lines, start=1)
    ]


async def billed_of(connection: AsyncConnection, invoice: Invoice) -> Billed:
    """Return an issued invoice in minor units."""
    account, identity = invoice.account, invoice.invoice_id
    found = (await invoices.read_lines(connection, account, [identity]))[identity]
    sent = {line.line_key: line for line in await invoices.read_sent_lines(connection, invoice)}
    own = (await taxes.read_taxes(connection, account, [identity]))[identity]
    return Billed(
        net_minor=invoice.total_minor,
        tax_minor=invoice.told_tax_minor or 0,
        lines={line.line_key: _creditable(line, sent) for line in found},
        percent=sum((tax.percent for tax in own), Fraction(0)) if invoice.has_own_tax else None,
    )


def _creditable(line: InvoiceLine, sent: Mapping[str, InvoiceLine]) -> int:
    """Return what can be credited of a line: Stripe's may be less, where others lowered it."""
    at_stripe = sent.get(line.sent_key or line.line_key, line)
    return min(line.amount_minor, at_stripe.amount_minor)


async def earlier_of(connection: AsyncConnection, invoice: Invoice) -> Earlier:
    """Return what all notes take that are issued or may still be."""
    notes = await credit_notes.notes_of_invoice(connection, invoice.account, invoice.invoice_id)
    lines = await credit_notes.read_note_lines(
        connection, invoice.account, [note.credit_note_id for note in notes]
    )
    taken: Counter[str] = Counter()
    for of_note in lines.values():
        for line in of_note:
            taken[line.line_key] += line.amount_minor
    return Earlier(sum(note.total_minor for note in notes), taken)


async def retry_note(
    connection: AsyncConnection, account: Account, credit_note_id: str, clock: Clock
) -> CreditNote:
    """Let a parked note go on, from its preview; raises `credit_note_not_parked`."""
    note = await _parked(connection, account, credit_note_id)
    values = {
        "state": "pending",
        "reason": None,
        "failures": 0,
        "next_attempt_at": clock.now(),
    }
    return await credit_notes.update_note(connection, note, values, clock.now())


async def cancel_note(
    connection: AsyncConnection, account: Account, credit_note_id: str, clock: Clock
) -> CreditNote:
    """Give a parked note up; a number that it has stays with it.

    Raises `credit_note_not_parked`, and `credit_note_uncertain` for one that Stripe may have.
    """
    note = await _parked(connection, account, credit_note_id)
    if note.reason == UNCERTAIN:
        message = "Stripe may have this credit note: retry it, so that it is looked for."
        raise conflict("credit_note_uncertain", message, subject=credit_note_id)
    values = {"state": "cancelled"}
    cancelled = await credit_notes.update_note(connection, note, values, clock.now())
    if await adjustments.find_by_note(connection, account, credit_note_id) is not None:
        # What pricing credits is owed: without the note it opens the next invoice.
        invoice = await invoices.read_invoice(connection, account, note.invoice_id)
        amount = Fraction(note.net_minor, 10 ** CURRENCIES[note.currency].exponent)
        await carrying.carry_credit(connection, invoice, credit_note_id, amount, clock)
    return cancelled


async def _parked(connection: AsyncConnection, account: Account, credit_note_id: str) -> CreditNote:
    note = await credit_notes.read_note(connection, account, credit_note_id, lock=True)
    if note.state != "parked":
        message = f"The credit note is {note.state}; only a parked one is retried or cancelled."
        raise conflict("credit_note_not_parked", message, subject=credit_note_id)
    return note
