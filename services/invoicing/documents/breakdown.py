"""The tables of a statement by agent, model and token type, and by day; all sum to the invoice."""

from collections.abc import Callable, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from services.invoicing.documents.locales import Speech
from services.invoicing.documents.statement import UsageStatement
from services.invoicing.documents.sums import Sum, largest, sum_by
from services.invoicing.models import InvoiceLineDetail

ROWS_SHOWN = 120
"""Rows of one table on the pages: about three of them. The files have everything."""

DAYS_SHOWN = 62

HEADINGS = {"agent": "Agent", "model": "Model", "kind": "Token type or unit"}
LADDERS = (
    (("agent", "model", "kind"), ("agent", "model"), ("agent",)),
    (("model", "kind"), ("model",)),
)
"""What the tables are grouped by: the first grouping of a ladder that fits. The second table says
what the first one had to leave out."""

Names = tuple[str, ...]


def usage_details(statement: UsageStatement) -> list[InvoiceLineDetail]:
    """Return the details of all lines, those of adjustments included."""
    return [detail for line in statement.lines for detail in line.details]


def usage_tables(statement: UsageStatement, speech: Speech) -> list[dict[str, Any]]:
    """Return the table by agent, model and token type; if that is too long, two shorter ones."""
    details = usage_details(statement)
    if not details:
        return []
    rest = _rest_row(statement, speech)
    tables = []
    for ladder in LADDERS:
        names, sums = _fitting(details, ladder)
        counted = "kind" in names  # tokens and searches do not add up
        rows = [_row(one, speech, counted=counted) for one in largest(sums, ROWS_SHOWN)]
        headings = [HEADINGS[name] for name in names]
        tables.append({"headings": headings, "counted": counted, "rows": rows + rest})
        if names == LADDERS[0][0]:
            break
    return tables


def _fitting(
    details: Sequence[InvoiceLineDetail], ladder: Sequence[Names]
) -> tuple[Names, list[Sum[Names]]]:
    for names in ladder:
        sums = sum_by(details, _key_of(names))
        if len(sums) <= ROWS_SHOWN:
            break
    return names, sums


def _key_of(names: Names) -> Callable[[InvoiceLineDetail], Names]:
    return lambda detail: tuple(getattr(detail, name) for name in names)


def _row(one: Sum[Names], speech: Speech, *, counted: bool) -> dict[str, Any]:
    amount = speech.money(one.amount_minor)
    if one.key is None:
        return _wide_row(f"{speech.number(Decimal(one.keys))} more", amount)
    quantity = speech.number(one.quantity) if counted else ""
    return {"names": list(one.key), "quantity": quantity, "amount": amount}


def _wide_row(words: str, amount: str) -> dict[str, Any]:
    return {"names": [], "words": words, "quantity": "", "amount": amount}


def _rest_row(statement: UsageStatement, speech: Speech) -> list[dict[str, Any]]:
    rest = [line.line.amount_minor for line in statement.lines if not line.details]
    if not rest:
        return []
    return [_wide_row("Fees, credits and whatever else no agent used", speech.money(sum(rest)))]


def day_rows(statement: UsageStatement, speech: Speech) -> list[dict[str, Any]]:
    """Return the days with their amounts and the lengths of their bars, 0 to 1000.

    Days of earlier periods stand together before them. More than 62 days make no table.
    """
    invoice = statement.invoice
    days = sum_by(usage_details(statement), lambda detail: detail.usage_day)
    within = sorted(
        (one for one in days if one.key and invoice.period_start <= one.key < invoice.period_end),
        key=lambda one: one.key or date.min,
    )
    if not within or len(within) > DAYS_SHOWN:
        return []
    longest = max([1, *(one.amount_minor for one in within)])
    earlier = sum(one.amount_minor for one in days) - sum(one.amount_minor for one in within)
    rows = [_day_row(one, speech, longest) for one in within]
    return [*_other_row("Days of earlier periods", earlier, speech), *rows]


def _day_row(one: Sum[date], speech: Speech, longest: int) -> dict[str, Any]:
    assert one.key is not None, "a day of the period"
    return {
        "day": speech.day(one.key),
        "short": speech.short_day(one.key),
        "amount": speech.money(one.amount_minor),
        "bar": max(0, one.amount_minor) * 1000 // longest,
    }


def _other_row(title: str, amount_minor: int, speech: Speech) -> list[dict[str, Any]]:
    if not amount_minor:
        return []
    return [{"day": title, "short": "", "amount": speech.money(amount_minor), "bar": 0}]
