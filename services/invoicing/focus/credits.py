"""Credit notes as FOCUS rows: corrections of the invoice that they lower.

They stand with their invoice's period, so that a month sums to what is asked for it.
"""

from collections.abc import Iterator, Sequence

from services.invoicing.corrections.models import CreditNote
from services.invoicing.documents.credit_note import CreditedLine
from services.invoicing.documents.statement import UsageStatement
from services.invoicing.focus.rows import CORRECTION, costs_of, invoice_row, midnight
from services.invoicing.sheets import Row
from shared.currencies import Currency
from shared.money import exact, format_exact

ServedNote = tuple[CreditNote, Sequence[CreditedLine]]
"""An issued note and its lines."""


def credit_rows(statement: UsageStatement, notes: Sequence[ServedNote]) -> Iterator[Row]:
    """Return the rows of an invoice's credit notes: a line each, or one of all, then the tax."""
    for note, lines in notes:
        common = invoice_row(statement) | {
            "InvoiceId": note.number,
            "ChargeClass": CORRECTION,
            "ChargeFrequency": "One-Time",
            "ChargePeriodStart": midnight(statement.invoice.period_start),
            "ChargePeriodEnd": midnight(statement.invoice.period_end),
        }
        words = f"Credit note {note.number} of invoice {statement.name}"
        for title, key, minor in _parts(note, lines):
            named = {"ChargeDescription": f"{words}: {title}" if title else words}
            yield common | _credit(statement.currency, minor) | named | {"x_LineKey": key}
        if note.tax_minor:
            yield (
                common
                | _credit(statement.currency, note.tax_minor)
                | {
                    "ChargeCategory": "Tax",
                    "ChargeDescription": f"{words}: tax",
                    "ServiceName": "Tax",
                }
            )


def _parts(
    note: CreditNote, lines: Sequence[CreditedLine]
) -> list[tuple[str | None, str | None, int]]:
    """Return (title, line key, minor units before tax) of what a note credits."""
    if sum(one.line.amount_minor for one in lines) != note.net_minor:
        return [(None, None, note.net_minor)]
    return [(one.title, one.line.line_key, one.line.amount_minor) for one in lines]


def _credit(currency: Currency, minor: int) -> Row:
    amount = format_exact(exact(-minor) / 10**currency.exponent)
    return {
        "ChargeCategory": "Credit",
        "ServiceName": "Credit note",
        **costs_of(currency, -minor, amount),
    }
