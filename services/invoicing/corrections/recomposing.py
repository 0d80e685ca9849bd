"""The content of an invoice's next revision, from what the invoice says itself.

Rated lines and credits never change: they are its statement's. What invoicing adds (coupons, what
is carried over, rounding) is made anew, as it is valid now.
"""

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction

from services.invoicing.documents.statement import DocumentLine
from services.invoicing.domain.line_kinds import LineKind
from services.invoicing.manual import ManualInvoice, ManualLine
from services.invoicing.models import Invoice, InvoiceLine
from services.invoicing.own_lines import ROUNDING_LINE
from services.invoicing.repository.revisions import MadeFor
from shared.events.statement_rated import (
    FeePeriod,
    RatingStep,
    StatementDetail,
    StatementLine,
    StatementRated,
)
from shared.money import format_exact, parse_decimal, parse_exact

MADE_ANEW: frozenset[LineKind] = frozenset({"coupon", "carried", "rounding"})


def statement_again(
    invoice: Invoice, made_for: MadeFor, lines: Sequence[DocumentLine]
) -> StatementRated:
    """Return the statement of an invoice as far as invoices are made of it.

    What credits paid stands among its lines. Prices and the input are not kept: nothing reads them.
    """
    rated = [_line(line) for line in lines if line.kind not in MADE_ANEW]
    total = sum((parse_exact(line.amount_exact) for line in rated), Fraction(0))
    return StatementRated.model_validate(
        {
            "vendor_id": invoice.vendor_id,
            "mode": invoice.mode,
            "tenant_id": invoice.tenant_id,
            "statement_id": invoice.statement_id,
            "subscription_id": invoice.subscription_id,
            "kind": made_for.kind,
            "sequence": made_for.sequence,
            "period_start": invoice.period_start,
            "period_end": invoice.period_end,
            "currency": invoice.currency,
            **dict.fromkeys(("price_book", "price_hash", "plan", "input_hash"), ""),
            "price_version": 1,
            "rating_hash": made_for.rating_hash,
            "total_exact": format_exact(total),
            "lines": rated,
            "unrated": [],
        }
    )


def _line(line: DocumentLine) -> StatementLine:
    own = line.line
    advance = None
    if own.period_start is not None and own.period_end is not None:
        advance = FeePeriod(period_start=own.period_start, period_end=own.period_end)
    return StatementLine(
        line_key=own.line_key,
        charge=own.charge,
        model=own.charge,
        description=line.title,
        quantity=parse_decimal(own.quantity),
        unit=own.unit,
        amount_exact=own.amount_exact,
        steps=[RatingStep(**vars(step)) for step in own.steps],
        details=[
            StatementDetail(
                agent=detail.agent,
                model=detail.model,
                kind=detail.kind,
                usage_day=detail.usage_day,
                quantity=parse_decimal(detail.quantity),
                amount_exact=detail.amount_exact,
            )
            for detail in line.details
        ],
        advance=advance,
    )


def written_again(
    invoice: Invoice, lines: Sequence[InvoiceLine], given: Sequence[dict[str, str]] | None
) -> ManualInvoice:
    """Return a one-off invoice with the lines that are given for it, else with its own."""
    if given is None:
        written = [_as_written(line) for line in lines if line.charge != ROUNDING_LINE]
    else:
        written = [
            ManualLine(
                one["description"],
                Decimal(one["quantity"]),
                one["unit"],
                Fraction(Decimal(one["amount"])),
            )
            for one in given
        ]
    return ManualInvoice(
        tenant_id=invoice.tenant_id,
        currency=invoice.currency,
        period_start=invoice.period_start,
        period_end=invoice.period_end,
        lines=written,
    )


def _as_written(line: InvoiceLine) -> ManualLine:
    amount = parse_exact(line.amount_exact)
    return ManualLine(line.description, Decimal(line.quantity), line.unit, amount)
