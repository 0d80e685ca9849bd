"""The lines of an invoice as they are stored, and as they are sent where that differs."""

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction

from services.invoicing.domain.allocation import AllocatedLine, Allocation
from services.invoicing.domain.rollup import SentGroup
from services.invoicing.domain.wire import lines_to_wire, shares_to_wire
from services.invoicing.models import InvoiceLine, InvoiceLineDetail, LineStep
from services.invoicing.own_lines import ROUNDING_LINE, ROUNDING_LINE_KEY, exact_amount
from shared.events.statement_rated import StatementLine
from shared.money import Currency, exact, format_decimal, format_exact, parse_exact

ROLLED_UP = "rolled_up"


def stored_lines(
    ordered: Sequence[StatementLine],
    allocation: Allocation,
    groups: Sequence[SentGroup],
    currency: Currency,
) -> tuple[InvoiceLine, ...]:
    """Return the lines in their order, each with its share of what is sent of it."""
    amounts = [line.amount_minor for line in allocation.lines]
    wire, rounding = _wire_amounts(amounts, allocation.rounding_minor, groups, currency)
    sent_keys = {
        at: group.sent_key for group in groups if len(group.members) > 1 for at in group.members
    }
    lines = [
        _stored_line(at, line, amounts[at], wire[at], sent_keys.get(at))
        for at, line in enumerate(ordered)
    ]
    if allocation.rounding_minor:
        position = len(lines) + 1
        lines.append(_rounding_line(allocation.rounding_minor, rounding, position, currency))
    return tuple(lines)


def _wire_amounts(
    amounts: Sequence[int], rounding_minor: int, groups: Sequence[SentGroup], currency: Currency
) -> tuple[list[int], int]:
    """Return each line's integer for the wire, and the rounding line's (0 for none)."""
    sums = [sum(amounts[at] for at in group.members) for group in groups]
    sent = lines_to_wire([*sums, *([rounding_minor] if rounding_minor else [])], currency)
    wire = [0] * len(amounts)
    for group, amount in zip(groups, sent, strict=False):
        shares = shares_to_wire(amount, [amounts[at] for at in group.members], currency)
        for at, share in zip(group.members, shares, strict=True):
            wire[at] = share
    return wire, sent[-1] if rounding_minor else 0


def _stored_line(
    at: int, line: StatementLine, amount_minor: int, stripe_amount: int, sent_key: str | None
) -> InvoiceLine:
    return InvoiceLine(
        position=at + 1,
        line_key=line.line_key,
        charge=line.charge,
        description=_explained(line),
        quantity=format_decimal(line.quantity),
        unit=line.unit,
        amount_exact=format_exact(exact_amount(line.amount_exact)),
        amount_minor=amount_minor,
        stripe_amount=stripe_amount,
        period_start=line.advance.period_start if line.advance else None,
        period_end=line.advance.period_end if line.advance else None,
        steps=tuple(LineStep(**vars(step)) for step in line.steps),
        sent_key=sent_key,
    )


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


def sent_lines(
    lines: Sequence[InvoiceLine], groups: Sequence[SentGroup]
) -> tuple[InvoiceLine, ...]:
    """Return what is sent instead of the lines; empty where they are sent as they are."""
    if len(groups) == sum(len(group.members) for group in groups):
        return ()
    grouped = [_sent_line(group, [lines[at] for at in group.members]) for group in groups]
    rest = lines[sum(len(group.members) for group in groups) :]  # the rounding line, if any
    numbered = [*grouped, *rest]
    return tuple(line.at(position) for position, line in enumerate(numbered, start=1))


def _sent_line(group: SentGroup, members: Sequence[InvoiceLine]) -> InvoiceLine:
    first = members[0]
    if len(members) == 1:
        return first
    units = {line.unit for line in members}
    quantity = sum((Decimal(line.quantity) for line in members), Decimal(0))
    amount = sum((parse_exact(line.amount_exact) for line in members), Fraction(0))
    days = {(line.period_start, line.period_end) for line in members}
    start, end = days.pop() if len(days) == 1 else (None, None)
    return InvoiceLine(
        position=first.position,
        line_key=group.sent_key,
        charge=ROLLED_UP,
        description=group.title,
        quantity=format_decimal(quantity) if len(units) == 1 else str(len(members)),
        unit=first.unit if len(units) == 1 else "lines",
        amount_exact=format_exact(amount),
        amount_minor=sum(line.amount_minor for line in members),
        stripe_amount=sum(line.stripe_amount for line in members),
        period_start=start,
        period_end=end,
    )


def stored_details(
    ordered: Sequence[StatementLine], allocation: Allocation
) -> tuple[InvoiceLineDetail, ...]:
    """Return the details of all lines in their order."""
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
            amount_exact=format_exact(exact_amount(detail.amount_exact)),
            amount_minor=amount_minor,
        )
        for position, (detail, amount_minor) in enumerate(
            zip(line.details, allocated.details_minor, strict=True), start=1
        )
    ]
