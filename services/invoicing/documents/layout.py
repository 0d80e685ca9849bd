"""What stands on the pages of a statement: text that is written out, nothing left to compute."""

import re
from collections.abc import Sequence
from datetime import UTC, timedelta
from decimal import Decimal
from typing import Any

from services.invoicing.documents.breakdown import day_rows, usage_details, usage_tables
from services.invoicing.documents.locales import Speech, isolated
from services.invoicing.documents.statement import DocumentLine, Party, UsageStatement
from services.invoicing.domain.line_kinds import LINE_KINDS, LineKind
from services.invoicing.models import LineStep
from shared.money import nearest_decimal, parse_exact

STEPS_SHOWN = 12
"""Steps of one line on the pages; the files have all of them."""

WORD_LENGTH_MAX = 18
"""Longer words may be broken: behind punctuation, or anywhere."""

BREAK = "\u200b"
EN_DASH = "\u2013"
LAST_OF_ALPHABETS = "\u052f"
"""Latin, Greek and Cyrillic letters come before it."""

_PUNCTUATION = re.compile(r"(?<=[_.:/@+\-])(?=.)")

GROUPS: dict[LineKind, str] = {
    "usage": "Usage",
    "fee": "Fees",
    "adjustment": "Adjustments of earlier periods",
    "progressive": "Invoiced before in this period",
    "credit": "Prepaid credits",
    "coupon": "Coupons",
    "carried": "Carried over",
    "rounding": "Rounding",
}
MARKS = {
    "draft": "Draft",
    "approved": "Draft",
    "parked": "Draft",
    "void": "Void",
    "paid": "Paid",
}


def lay_out(statement: UsageStatement, speech: Speech) -> dict[str, Any]:
    """Return the content of the pages, as the template takes it."""
    invoice = statement.invoice
    return {
        "han": speech.han,
        "vendor": breakable(statement.vendor.name),
        "tenant": [breakable(line) for line in letterhead(statement.tenant, speech)],
        "title": "Invoice details" if statement.one_off else "Usage statement",
        "mark": MARKS.get(invoice.state, ""),
        "test": invoice.mode == "test",
        "name": statement.name,
        "facts": _facts(statement, speech),
        "currency": invoice.currency,
        "total": speech.money(invoice.total_minor),
        "summary": _summary(statement, speech),
        "tax": _tax(statement, speech),
        "groups": _groups(statement, speech),
        "days": day_rows(statement, speech),
        **_usage(statement, speech),
    }


def breakable(text: str) -> str:
    """Return text with marks where its long words may be broken, apart from what surrounds it."""
    return isolated(" ".join(_word(word) for word in text.split(" ")))


def _word(word: str) -> str:
    # Other scripts break by rules of their own, and marks would cut joined letters apart.
    if len(word) <= WORD_LENGTH_MAX or max(word) > LAST_OF_ALPHABETS:
        return word
    parts = []
    for part in _PUNCTUATION.split(word):
        parts += [part[i : i + WORD_LENGTH_MAX] for i in range(0, len(part), WORD_LENGTH_MAX)]
    return BREAK.join(parts)


def letterhead(tenant: Party, speech: Speech) -> list[str]:
    """Return the lines that say who is billed."""
    country = speech.country(tenant.country)
    ids = [f"Tax id {value}" for value in tenant.tax_ids]
    lines = (tenant.name, *tenant.address, country, *ids, tenant.billing_email)
    return [line for line in lines if line]


def _facts(statement: UsageStatement, speech: Speech) -> list[list[str]]:
    invoice = statement.invoice
    last_day = invoice.period_end - timedelta(days=1)
    issued, drafted = statement.issued_at, invoice.created_at
    facts = [
        ["Invoice", statement.name],
        ["Period", f"{speech.day(invoice.period_start)} {EN_DASH} {speech.day(last_day)}"],
        ["Issued" if issued else "Drafted", speech.day((issued or drafted).astimezone(UTC).date())],
        ["Currency", invoice.currency],
    ]
    if not statement.one_off:
        facts.append(["Subscription", invoice.subscription_id])
        facts.append(["Statement", invoice.statement_id])
    if statement.revises:
        facts.insert(1, ["Replaces invoice", statement.revises])
    if statement.tenant.purchase_order:
        facts.insert(1, ["Purchase order", statement.tenant.purchase_order])
    return [[label, breakable(value)] for label, value in facts]


def _title(kind: LineKind, statement: UsageStatement) -> str:
    return "Items" if statement.one_off and kind == "fee" else GROUPS[kind]


def _by_kind(statement: UsageStatement) -> dict[LineKind, list[DocumentLine]]:
    groups: dict[LineKind, list[DocumentLine]] = {kind: [] for kind in LINE_KINDS}
    for line in statement.lines:
        groups[line.kind].append(line)
    return {kind: lines for kind, lines in groups.items() if lines}


def _sum(lines: Sequence[DocumentLine]) -> int:
    return sum(line.line.amount_minor for line in lines)


def _summary(statement: UsageStatement, speech: Speech) -> list[list[str]]:
    return [
        [_title(kind, statement), speech.money(_sum(lines))]
        for kind, lines in _by_kind(statement).items()
    ]


def _tax(statement: UsageStatement, speech: Speech) -> dict[str, Any] | None:
    """Return each tax, the total with them and what stands below; None while nobody has told it."""
    invoice = statement.invoice
    untold = not invoice.has_own_tax and invoice.stripe_tax_minor is None
    if untold or invoice.gross_minor is None:
        return None
    rows = [[breakable(one.title), speech.money(one.amount_minor)] for one in statement.tax_lines]
    return {
        "rows": rows or [["Tax", speech.money(0)]],
        "gross": speech.money(invoice.gross_minor),
        "text": breakable(invoice.tax_text or ""),
    }


def _groups(statement: UsageStatement, speech: Speech) -> list[dict[str, Any]]:
    return [
        {
            "title": _title(kind, statement),
            "amount": speech.money(_sum(lines)),
            "lines": [_line(line, speech) for line in lines],
        }
        for kind, lines in _by_kind(statement).items()
    ]


def _line(line: DocumentLine, speech: Speech) -> dict[str, Any]:
    steps = [_step(step, speech) for step in line.line.steps[:STEPS_SHOWN]]
    more = len(line.line.steps) - len(steps)
    if more > 0:
        steps.append([f"and {more} more steps, all of them in the CSV file", ""])
    counted = line.kind not in ("progressive", "credit", "coupon", "carried", "rounding")
    return {
        "title": breakable(line.title),
        "steps": steps,
        "quantity": speech.number(Decimal(line.line.quantity)) if counted else "",
        "unit": line.line.unit if counted else "",
        "amount": speech.money(line.line.amount_minor),
    }


def _step(step: LineStep, speech: Speech) -> list[str]:
    amount = nearest_decimal(parse_exact(step.amount_exact))
    return [breakable(step.description), speech.exact_money(amount)]


def _usage(statement: UsageStatement, speech: Speech) -> dict[str, Any]:
    tables = usage_tables(statement, speech)
    for table in tables:
        for row in table["rows"]:
            row["names"] = [breakable(name) for name in row["names"]]
    return {"tables": tables, "details": speech.number(Decimal(len(usage_details(statement))))}
