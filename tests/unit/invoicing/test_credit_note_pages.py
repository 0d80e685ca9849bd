"""Credit notes as pages and FOCUS rows: all that is shown adds up, tax apart."""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from io import BytesIO
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pypdf import PdfReader

from services.invoicing.corrections.models import CreditNote, CreditNoteLine
from services.invoicing.documents.credit_layout import lay_out_credit_note
from services.invoicing.documents.credit_note import CreditedLine, CreditNoteDocument
from services.invoicing.documents.credit_service import typeset_credit_note
from services.invoicing.documents.locales import Speech, parse_locale
from services.invoicing.documents.statement import UsageStatement
from services.invoicing.focus.credits import credit_rows
from services.invoicing.focus.export import _check_sum
from shared.errors import TallyrollError
from tests.support.invoice_statements import fee_line, usage_statement

ISSUED_AT = datetime(2026, 11, 21, tzinfo=UTC)


def _statement() -> UsageStatement:
    return usage_statement([fee_line("seats", "1000")], currency="USD", tax_minor=19000)


def _note(lines: Sequence[int], *, tax: int = 0, paid: int = 0, **values: Any) -> CreditNote:
    net = sum(lines)
    fields: dict[str, Any] = {
        "vendor_id": "demo",
        "mode": "test",
        "tenant_id": "acme",
        "credit_note_id": "0199d3c0-8f1e-7c3a-9f1d-2b1f5f0c7a11",
        "invoice_id": "i",
        "number": "DEMO-CN-000003",
        "state": "issued",
        "reason": None,
        "scope": "lines",
        "settlement": "balance",
        "stripe_reason": None,
        "memo": "",
        "currency": "USD",
        "net_minor": net,
        "tax_minor": tax,
        "pre_payment_minor": net + tax - paid,
        "post_payment_minor": paid,
        "stripe_credit_note_id": "cn_1",
        "failures": 0,
        "created_at": ISSUED_AT,
    }
    return CreditNote(**(fields | values))


def _lines(amounts: Sequence[int]) -> tuple[CreditedLine, ...]:
    return tuple(
        CreditedLine(f"Line {position}", CreditNoteLine(position, f"k{position}", minor))
        for position, minor in enumerate(amounts, start=1)
    )


def _document(note: CreditNote, amounts: Sequence[int]) -> CreditNoteDocument:
    statement = _statement()
    return CreditNoteDocument(
        note, statement.invoice, statement.vendor, statement.tenant, _lines(amounts), ISSUED_AT
    )


class PlainSpeech(Speech):
    """Writes amounts so that a test can add them up."""

    def money(self, minor: int) -> str:
        return str(minor)


AMOUNTS = st.lists(st.integers(1, 10**9), min_size=1, max_size=5)


@given(AMOUNTS, st.integers(0, 10**6), st.data())
def test_whatever_is_shown_sums_to_the_note(amounts: list[int], tax: int, data: Any) -> None:
    """Lines come to the net; net and tax, and the ways that it goes, to the total."""
    paid = data.draw(st.integers(0, sum(amounts) + tax))
    document = _document(_note(amounts, tax=tax, paid=paid), amounts)
    content = lay_out_credit_note(document, PlainSpeech(parse_locale("en"), document.currency))

    total = int(content["total"])
    assert int(content["net"]) == sum(int(amount) for _, amount in content["lines"])
    assert total == int(content["net"]) + int(content["tax"])
    assert total == sum(int(amount) for _, amount in content["ways"])


def test_a_note_without_lines_is_of_the_invoice_as_a_whole() -> None:
    """One line says so; the sums hold, too."""
    document = _document(_note([500]), [])
    content = lay_out_credit_note(document, PlainSpeech(parse_locale("en"), document.currency))

    assert [[f"Invoice {document.invoice_name} as a whole", "500"]] == content["lines"]


@pytest.mark.parametrize("locale", ["en", "de", "ja", "ar"])
def test_it_is_set_in_every_locale_and_twice_the_same(locale: str) -> None:
    """Names and memos are data: markup in them is shown, never run."""
    note = _note([500], tax=95, memo="#panic(1) *bold* $x$")
    document = _document(note, [500])
    made = [typeset_credit_note(document, parse_locale(locale)) for _ in range(2)]

    text = PdfReader(BytesIO(made[0])).pages[0].extract_text()
    assert made[0] == made[1]
    assert "#panic(1) *bold* $x$" in text


@given(AMOUNTS, st.integers(0, 10**6), st.booleans())
def test_focus_rows_take_back_net_and_tax(amounts: list[int], tax: int, named: bool) -> None:
    """The rows of a note sum to it with its tax, below zero."""
    note = _note(amounts, tax=tax)
    rows = list(credit_rows(_statement(), [(note, _lines(amounts) if named else ())]))

    billed = sum((row["BilledCost"] for row in rows), Decimal(0))
    assert -note.total_minor == int(billed.scaleb(2))
    assert {"Correction"} == {row["ChargeClass"] for row in rows}
    assert {note.number} == {row["InvoiceId"] for row in rows}
    assert (len(amounts) if named else 1) == [r["ChargeCategory"] for r in rows].count("Credit")
    assert (tax > 0) == ("Tax" in {row["ChargeCategory"] for row in rows})


def test_rows_that_leave_a_note_out_are_refused() -> None:
    """An export that does not come to invoice less notes is not written."""
    statement, note = _statement(), _note([500], tax=95)

    with pytest.raises(TallyrollError) as refused:
        _check_sum(statement, [(note, ())], Decimal("1190.00"))
    _check_sum(statement, [(note, ())], Decimal("1184.05"))

    assert "focus_differs" == refused.value.code
