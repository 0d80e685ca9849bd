"""Invoices and credit notes as PDF."""

from typing import Any

from deploy.local.stripe_simulator.pdf import MARGIN, WIDTH, Document, wrapped

_RIGHT = WIDTH - MARGIN
_VALUE_AT = MARGIN + 110
_LINE_POINTS = 13
_LINE_WIDTH = 360


def printed(title: str, context: dict[str, Any]) -> bytes:
    """Return the PDF of what `pages.py` gathers about an invoice or a credit note."""
    document = Document()
    _head(document, title, context)
    _table_head(document)
    for line in context["lines"]:
        _line(document, line)
    document.down(4)
    for name, amount in context["totals"]:
        document.room(_LINE_POINTS)
        last = name == context["totals"][-1][0]
        font = "bold" if last else "regular"
        document.text(MARGIN + 250, name, font=font)
        document.right(_RIGHT, amount, font=font)
        document.down(_LINE_POINTS + 2)
    if context["footer"]:
        document.down(12)
        _paragraph(document, context["footer"])
    document.down(12)
    document.room(_LINE_POINTS)
    document.text(MARGIN, "Test mode. Made by a Stripe simulator; no payment is taken.", size=8)
    return document.encoded()


def _head(document: Document, title: str, context: dict[str, Any]) -> None:
    document.down(12)
    document.text(MARGIN, title, size=20, font="bold")
    document.down(24)
    document.text(MARGIN, context["vendor"], font="bold")
    document.down(22)
    for name, value in context["facts"]:
        document.text(MARGIN, name)
        document.text(_VALUE_AT, value)
        document.down(_LINE_POINTS)
    document.down(10)
    document.text(MARGIN, "Bill to", font="bold")
    for row in context["billed_to"]:
        document.down(_LINE_POINTS)
        document.text(MARGIN, row)
    document.down(28)
    if context["memo"]:
        _paragraph(document, context["memo"])
        document.down(8)


def _paragraph(document: Document, text: str) -> None:
    for row in wrapped(text, 9.5, _RIGHT - MARGIN):
        document.room(_LINE_POINTS)
        document.text(MARGIN, row)
        document.down(_LINE_POINTS)


def _table_head(document: Document) -> None:
    document.text(MARGIN, "Description", font="bold")
    document.right(_RIGHT, "Amount", font="bold")
    document.down(6)
    document.rule()
    document.down(14)


def _line(document: Document, line: dict[str, str]) -> None:
    """Write a line's text over as many rows as it needs, its amount beside the first."""
    quantity = f" x {line['quantity']}" if line["quantity"] != "1" else ""
    rows = list(wrapped(line["description"] + quantity, 9.5, _LINE_WIDTH))
    if document.room(_LINE_POINTS * (len(rows) + 1)):
        _table_head(document)
    document.right(_RIGHT, line["amount"])
    for row in rows:
        document.text(MARGIN, row)
        document.down(_LINE_POINTS)
    if line["period"]:
        document.text(MARGIN, line["period"], size=8)
        document.down(_LINE_POINTS)
    document.down(3)
