"""A statement as an invoice: rows to store, lines with their integers, the state to begin in."""

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

from services.invoicing.domain.allocation import AllocatedLine, Allocation, ExactLine, allocate
from services.invoicing.domain.errors import InvalidStatement
from services.invoicing.domain.invoice_key import InvoiceKey
from services.invoicing.domain.states import State
from services.invoicing.domain.wire import lines_sha256, lines_to_wire
from services.invoicing.models import InvoiceLine, InvoiceLineDetail, LineStep
from shared.events.statement_rated import StatementLine, StatementRated
from shared.money import (
    CURRENCIES,
    Currency,
    exact,
    format_decimal,
    format_exact,
    parse_exact,
)

LINES_MAX = 250
"""Stripe takes this many lines on an invoice."""

AMOUNT_MINOR_MAX = 10**15
"""Beyond this an amount is a fault, not a bill."""

SEQUENCE_MAX = 2**31 - 1

CREDIT_LINE = "credits"
CREDIT_LINE_KEYS = {"at_use": "~credits", "at_purchase": "~credits-taxed"}
"""Credit as a discount, and credit that was taxed when it was bought: a line each, at the end."""

RETURN_LINE_KEY = "~credits~returned"
"""What an adjustment below zero gives back as credit instead of as money."""

ROUNDING_LINE = "rounding"
ROUNDING_LINE_KEY = "~rounding"


@dataclass(frozen=True)
class Draft:
    """An invoice to store; `values` are its columns beside the key."""

    key: InvoiceKey
    values: dict[str, Any]
    lines: tuple[InvoiceLine, ...]
    details: tuple[InvoiceLineDetail, ...]


def compose_draft(statement: StatementRated) -> Draft:
    """Compose the invoice of a statement; raises `InvalidStatement`."""
    currency = _currency(statement)
    ordered = sorted(statement.lines, key=lambda line: line.line_key) + credit_lines(statement)
    if len({line.line_key for line in ordered} | {ROUNDING_LINE_KEY}) != len(ordered) + 1:
        raise InvalidStatement("duplicate_line_key", "Two lines have the same key.")
    allocation = allocate([_exact_line(line) for line in ordered], currency)
    _check_range(statement, allocation)
    lines = _lines(ordered, allocation, currency)
    sent = [(line.line_key, line.stripe_amount) for line in lines]
    state, reason = _first_state(statement, allocation, len(lines))
    return Draft(
        key=_key(statement),
        values={
            "period_end": statement.period_end,
            "statement_id": statement.statement_id,
            "rating_hash": statement.rating_hash,
            "currency": currency.code,
            "total_exact": format_exact(allocation.total_exact),
            "total_minor": allocation.total_minor,
            "lines_sha256": lines_sha256(currency.code, sent),
            "state": state,
            "reason": reason,
        },
        lines=lines,
        details=_details(ordered, allocation),
    )


def credit_lines(statement: StatementRated) -> list[StatementLine]:
    """Return what credits pay as lines below zero, by how they are taxed, and what returns."""
    lines = []
    for tax, key in CREDIT_LINE_KEYS.items():
        amounts = [_amount(draw.amount_exact) for draw in statement.credits if draw.tax == tax]
        if amounts:
            lines.append(_credit_line(key, "Prepaid credits used", -sum(amounts, Fraction(0))))
    returned = [_amount(one.amount_exact) for one in statement.returns]
    if returned:
        description = "Returned to prepaid credits"
        lines.append(_credit_line(RETURN_LINE_KEY, description, sum(returned, Fraction(0))))
    return lines


def _credit_line(key: str, description: str, amount: Fraction) -> StatementLine:
    return StatementLine(
        line_key=key,
        charge=CREDIT_LINE,
        model=CREDIT_LINE,
        description=description,
        quantity=Decimal(1),
        unit=CREDIT_LINE,
        amount_exact=format_exact(amount),
        steps=[],
        details=[],
    )


def _check_range(statement: StatementRated, allocation: Allocation) -> None:
    amounts = [allocation.total_minor]
    for line in allocation.lines:
        amounts += [line.amount_minor, *line.details_minor]
    if statement.sequence > SEQUENCE_MAX or max(map(abs, amounts)) > AMOUNT_MINOR_MAX:
        raise InvalidStatement("value_out_of_range", "A number is beyond any real bill.")


def _key(statement: StatementRated) -> InvoiceKey:
    return InvoiceKey(
        vendor_id=statement.vendor_id,
        mode=statement.mode,
        tenant_id=statement.tenant_id,
        subscription_id=statement.subscription_id,
        kind=statement.kind,
        sequence=statement.sequence,
        period_start=statement.period_start,
    )


def _currency(statement: StatementRated) -> Currency:
    currency = CURRENCIES.get(statement.currency)
    if currency is None:
        message = f"{statement.currency[:10]!r} is no currency that invoices are made in."
        raise InvalidStatement("unsupported_currency", message)
    return currency


def _amount(text: str) -> Fraction:
    try:
        return parse_exact(text)
    except (ValueError, ZeroDivisionError) as error:
        message = "An amount is no plain decimal and no numerator/denominator."
        raise InvalidStatement("invalid_amount", message) from error


def _exact_line(line: StatementLine) -> ExactLine:
    details = tuple(_amount(detail.amount_exact) for detail in line.details)
    return ExactLine(_amount(line.amount_exact), details)


def _first_state(
    statement: StatementRated, allocation: Allocation, lines: int
) -> tuple[State, str | None]:
    """Return where the invoice begins. Nothing to pay is paid: it is not sent to Stripe."""
    credit = sum((_amount(line.amount_exact) for line in credit_lines(statement)), Fraction(0))
    if allocation.total_exact != _amount(statement.total_exact) + credit:
        return "parked", "statement_total_differs"
    if allocation.total_minor < 0:
        return "parked", "negative_total"
    if lines > LINES_MAX:
        return "parked", "too_many_lines"
    if allocation.total_minor == 0:
        return "paid", "zero_total"
    return "draft", None


def _lines(
    ordered: list[StatementLine], allocation: Allocation, currency: Currency
) -> tuple[InvoiceLine, ...]:
    amounts = [line.amount_minor for line in allocation.lines]
    if allocation.rounding_minor:
        amounts.append(allocation.rounding_minor)
    sent = lines_to_wire(amounts, currency)
    lines = [
        InvoiceLine(
            position=position,
            line_key=line.line_key,
            charge=line.charge,
            description=_explained(line),
            quantity=format_decimal(line.quantity),
            unit=line.unit,
            amount_exact=format_exact(_amount(line.amount_exact)),
            amount_minor=allocated.amount_minor,
            stripe_amount=sent[position - 1],
            period_start=line.advance.period_start if line.advance else None,
            period_end=line.advance.period_end if line.advance else None,
            steps=tuple(LineStep(**vars(step)) for step in line.steps),
        )
        for position, (line, allocated) in enumerate(
            zip(ordered, allocation.lines, strict=True), start=1
        )
    ]
    if allocation.rounding_minor:
        lines.append(_rounding_line(allocation.rounding_minor, sent[-1], len(amounts), currency))
    return tuple(lines)


def _explained(line: StatementLine) -> str:
    """Return what the customer reads: the charge, and how its amount came about."""
    steps = "; ".join(step.description for step in line.steps)
    return f"{line.description}: {steps}" if steps else line.description


def _rounding_line(minor: int, sent: int, position: int, currency: Currency) -> InvoiceLine:
    return InvoiceLine(
        position=position,
        line_key=ROUNDING_LINE_KEY,
        charge=ROUNDING_LINE,
        description=f"Rounding to an amount that can be paid in {currency.code}",
        quantity="1",
        unit="rounding",
        amount_exact=format_exact(exact(minor) / 10**currency.exponent),
        amount_minor=minor,
        stripe_amount=sent,
    )


def _details(ordered: list[StatementLine], allocation: Allocation) -> tuple[InvoiceLineDetail, ...]:
    return tuple(
        detail
        for position, (line, allocated) in enumerate(
            zip(ordered, allocation.lines, strict=True), start=1
        )
        for detail in _line_details(position, line, allocated)
    )


def _line_details(
    line_position: int, line: StatementLine, allocated: AllocatedLine
) -> list[InvoiceLineDetail]:
    return [
        InvoiceLineDetail(
            line_position=line_position,
            position=position,
            agent=detail.agent,
            model=detail.model,
            kind=detail.kind,
            usage_day=detail.usage_day,
            quantity=format_decimal(detail.quantity),
            amount_exact=format_exact(_amount(detail.amount_exact)),
            amount_minor=amount_minor,
        )
        for position, (detail, amount_minor) in enumerate(
            zip(line.details, allocated.details_minor, strict=True), start=1
        )
    ]
