"""A statement as an invoice: rows to store, lines with their integers, the state to begin in."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from services.invoicing.domain.allocation import Allocation, ExactLine, allocate, payable_multiple
from services.invoicing.domain.carrying import CarriedIn, CarriedOut, is_carried
from services.invoicing.domain.coupons import NamedCoupon
from services.invoicing.domain.errors import InvalidStatement
from services.invoicing.domain.invoice_key import InvoiceKey
from services.invoicing.domain.line_kinds import adjusted_from, line_kind
from services.invoicing.domain.rollup import LINES_MAX, RollupLine, SentGroup, group_lines
from services.invoicing.domain.states import State
from services.invoicing.domain.taxing import NO_TAX, TaxPlan
from services.invoicing.domain.wire import lines_sha256
from services.invoicing.draft_lines import sent_lines, stored_details, stored_lines
from services.invoicing.models import InvoiceLine, InvoiceLineDetail
from services.invoicing.own_lines import (
    ROUNDING_LINE_KEY,
    carried_in_lines,
    carried_out_line,
    coupon_lines,
    credit_lines,
    exact_amount,
)
from services.invoicing.tax.drafts import UNTAXED, DraftTax, draft_tax, taxable_of, with_tax
from shared.events.statement_rated import StatementLine, StatementRated
from shared.money import CURRENCIES, Currency, format_exact, round_to_minor_units

AMOUNT_MINOR_MAX = 10**15
"""Beyond this an amount is a fault, not a bill."""

SEQUENCE_MAX = 2**31 - 1


@dataclass(frozen=True)
class Draft:
    """An invoice to store; `values` are its columns beside the key.

    `sent` is empty where the lines are sent as they are. `carried_in` are the ids of what it takes
    over from invoices before it; `carried_out` is left to the next one.
    """

    key: InvoiceKey
    values: dict[str, Any]
    lines: tuple[InvoiceLine, ...]
    details: tuple[InvoiceLineDetail, ...]
    sent: tuple[InvoiceLine, ...] = ()
    carried_in: tuple[str, ...] = ()
    carried_out: CarriedOut | None = None
    tax: DraftTax = UNTAXED


def compose_draft(
    statement: StatementRated,
    carried: Sequence[CarriedIn] = (),
    coupons: Sequence[NamedCoupon] = (),
    plan: TaxPlan = NO_TAX,
) -> Draft:
    """Compose the invoice of a statement, which takes over what is `carried` to it.

    `coupons` are those for it, in their order; `plan` is how it is taxed. Raises
    `InvalidStatement`.
    """
    currency = _currency(statement)
    agrees = _agrees(statement)
    taken = carried if agrees else ()
    rated = [
        *sorted(statement.lines, key=lambda line: line.line_key),
        *credit_lines(statement),
    ]
    ordered = [
        *rated,
        *coupon_lines(rated, coupons if agrees else ()),
        *carried_in_lines(taken),
    ]
    out = _carried_out(ordered, taken, plan, currency) if agrees else None
    if out is not None:
        ordered.append(carried_out_line(out.amount))
    _check_keys(ordered)
    tax = draft_tax(plan, taxable_of(_amounts(ordered), taken, out), currency)
    return _composed(statement, ordered, currency, agrees=agrees, taken=taken, out=out, tax=tax)


def _composed(
    statement: StatementRated,
    ordered: Sequence[StatementLine],
    currency: Currency,
    *,
    agrees: bool,
    taken: Sequence[CarriedIn],
    out: CarriedOut | None,
    tax: DraftTax,
) -> Draft:
    groups = _groups(ordered, currency)
    allocation = allocate(
        [_exact_line(line) for line in ordered],
        currency,
        [group.members for group in groups],
        tax_minor=tax.minor,
    )
    _check_range(statement, allocation, tax)
    lines = stored_lines(ordered, allocation, groups, currency)
    lines, sent = with_tax(lines, sent_lines(lines, groups), tax, currency)
    wire = [(line.line_key, line.stripe_amount) for line in sent or lines]
    charged = allocation.total_minor + tax.minor
    state, reason = _first_state(charged, agrees=agrees, carried_out=out is not None)
    return Draft(
        key=_key(statement),
        values={
            "period_end": statement.period_end,
            "statement_id": statement.statement_id,
            "rating_hash": statement.rating_hash,
            "currency": currency.code,
            "total_exact": format_exact(allocation.total_exact),
            "total_minor": allocation.total_minor,
            "lines_sha256": lines_sha256(currency.code, wire),
            "state": state,
            "reason": reason,
            **tax.columns(),
        },
        lines=lines,
        details=stored_details(ordered, allocation),
        sent=sent,
        carried_in=tuple(one.carry_over_id for one in taken),
        carried_out=out,
        tax=tax,
    )


def _agrees(statement: StatementRated) -> bool:
    """Tell whether the lines of a statement sum to its own total."""
    total = sum((exact_amount(line.amount_exact) for line in statement.lines), Fraction(0))
    return total == exact_amount(statement.total_exact)


def _amounts(lines: Sequence[StatementLine]) -> list[tuple[str, Fraction]]:
    return [(line.line_key, exact_amount(line.amount_exact)) for line in lines]


def _carried_out(
    lines: Sequence[StatementLine], taken: Sequence[CarriedIn], plan: TaxPlan, currency: Currency
) -> CarriedOut | None:
    """Return what these lines leave to the next invoice; None: they are an invoice."""
    amounts = _amounts(lines)
    total = sum((amount for _, amount in amounts), Fraction(0))
    taxable = taxable_of(amounts, taken, None)
    tax = draft_tax(plan, taxable, currency).minor
    carried = is_carried(round_to_minor_units(total, currency), currency, tax)
    return CarriedOut(total, taxable) if carried else None


def _check_keys(ordered: Sequence[StatementLine]) -> None:
    if len({line.line_key for line in ordered} | {ROUNDING_LINE_KEY}) != len(ordered) + 1:
        raise InvalidStatement("duplicate_line_key", "Two lines have the same key.")


def _groups(ordered: Sequence[StatementLine], currency: Currency) -> list[SentGroup]:
    rounding = 1 if payable_multiple(currency) > 1 else 0  # keeps its place free
    return group_lines([_rollup_line(line) for line in ordered], LINES_MAX - rounding)


def _rollup_line(line: StatementLine) -> RollupLine:
    days = (line.advance.period_start, line.advance.period_end) if line.advance else None
    return RollupLine(
        line_key=line.line_key,
        kind=line_kind(line.line_key, has_details=bool(line.details)),
        charge=line.charge,
        models=tuple(sorted({detail.model for detail in line.details})),
        token_types=tuple(sorted({detail.kind for detail in line.details})),
        adjusted_from=adjusted_from(line.line_key),
        days=days,
    )


def _check_range(statement: StatementRated, allocation: Allocation, tax: DraftTax) -> None:
    amounts = [allocation.total_minor + tax.minor, allocation.total_minor]
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


def _exact_line(line: StatementLine) -> ExactLine:
    details = tuple(exact_amount(detail.amount_exact) for detail in line.details)
    return ExactLine(exact_amount(line.amount_exact), details)


def _first_state(
    charged_minor: int, *, agrees: bool, carried_out: bool
) -> tuple[State, str | None]:
    """Return where the invoice begins. Nothing to pay is paid: it is not sent to Stripe.

    What is to pay is with tax: credit may pay all but the tax.
    """
    if not agrees:
        return "parked", "statement_total_differs"
    if carried_out:
        return "paid", "carried_over"
    if charged_minor == 0:
        return "paid", "zero_total"
    return "draft", None
