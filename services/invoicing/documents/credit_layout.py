"""What stands on the pages of a credit note: text that is written out, nothing left to compute."""

from datetime import UTC, timedelta
from typing import Any

from services.invoicing.documents.credit_note import CreditNoteDocument
from services.invoicing.documents.layout import EN_DASH, breakable, letterhead
from services.invoicing.documents.locales import Speech
from services.invoicing.domain.credit_notes import Settlement

_PAID_BACK: dict[Settlement, str] = {
    "balance": "Put on your balance, for your next invoice",
    "refund": "Paid back on your means of payment",
    "out_of_band": "Settled with you directly",
}


def lay_out_credit_note(document: CreditNoteDocument, speech: Speech) -> dict[str, Any]:
    """Return the content of the pages, as the template takes it. What is credited is above 0."""
    note = document.note
    return {
        "han": speech.han,
        "vendor": breakable(document.vendor.name),
        "tenant": [breakable(line) for line in letterhead(document.tenant, speech)],
        "mark": "",
        "test": note.mode == "test",
        "name": document.name,
        "invoice": document.invoice_name,
        "facts": _facts(document, speech),
        "currency": note.currency,
        "memo": breakable(note.memo),
        "net": speech.money(note.net_minor),
        "tax": speech.money(note.tax_minor),
        "total": speech.money(note.total_minor),
        "lines": _lines(document, speech),
        "ways": _ways(document, speech),
    }


def _facts(document: CreditNoteDocument, speech: Speech) -> list[list[str]]:
    invoice = document.invoice
    last_day = invoice.period_end - timedelta(days=1)
    facts = [
        ["Credit note", document.name],
        ["Of invoice", document.invoice_name],
        ["Period", f"{speech.day(invoice.period_start)} {EN_DASH} {speech.day(last_day)}"],
        ["Issued", speech.day(document.issued_at.astimezone(UTC).date())],
        ["Currency", document.note.currency],
    ]
    if document.tenant.purchase_order:
        facts.insert(2, ["Purchase order", document.tenant.purchase_order])
    return [[label, breakable(value)] for label, value in facts]


def _lines(document: CreditNoteDocument, speech: Speech) -> list[list[str]]:
    """Return the lines that are credited; a note without lines is of the invoice as a whole."""
    if document.lines:
        return [
            [breakable(one.title), speech.money(one.line.amount_minor)] for one in document.lines
        ]
    whole = f"Invoice {document.invoice_name} as a whole"
    return [[breakable(whole), speech.money(document.note.net_minor)]]


def _ways(document: CreditNoteDocument, speech: Speech) -> list[list[str]]:
    note = document.note
    ways = [
        ("Off what is left to pay of the invoice", note.pre_payment_minor),
        (_PAID_BACK[note.settlement], note.post_payment_minor),
    ]
    return [[words, speech.money(minor)] for words, minor in ways if minor]
