"""One-off invoices: lines that a person writes, on the same way as those of statements."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction
from hashlib import sha256
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from services.invoicing.domain.allocation import Allocation, ExactLine, allocate
from services.invoicing.domain.carrying import is_carried
from services.invoicing.domain.invoice_key import NO_SUBSCRIPTION, InvoiceKey
from services.invoicing.domain.taxing import TaxPlan, tax_day
from services.invoicing.domain.wire import lines_sha256, lines_to_wire
from services.invoicing.drafting import AMOUNT_MINOR_MAX, Draft
from services.invoicing.handlers import content_of, record_new_drafts
from services.invoicing.models import Invoice, InvoiceLine
from services.invoicing.own_lines import ROUNDING_LINE, ROUNDING_LINE_KEY
from services.invoicing.repository import invoices
from services.invoicing.repository.new_invoices import insert_invoice
from services.invoicing.tax.drafts import draft_tax, with_tax
from services.invoicing.tax.settings import plan_for
from shared.accounts.repository import Account, read_tenant
from shared.clock import Clock
from shared.database import lock_transaction
from shared.errors import Fault, TallyrollError
from shared.ids import new_id
from shared.money import CURRENCIES, Currency, format_decimal, format_exact

MANUAL = "manual"


@dataclass(frozen=True)
class ManualLine:
    """A line as it was written; `amount` is the line's, exact, not that of one unit."""

    description: str
    quantity: Decimal
    unit: str
    amount: Fraction


@dataclass(frozen=True)
class ManualInvoice:
    """What a tenant is to be billed for, in one currency; `period_end` is exclusive."""

    tenant_id: str
    currency: str
    period_start: date
    period_end: date
    lines: Sequence[ManualLine]


async def draft_manual_invoice(
    connection: AsyncConnection, account: Account, written: ManualInvoice, clock: Clock
) -> Invoice:
    """Draft a one-off invoice; raises `unknown_tenant`, `invalid_invoice`."""
    await read_tenant(connection, account, written.tenant_id)
    key = await _next_key(connection, account, written)
    plan = await manual_plan(connection, account, written)
    draft = compose_manual(written, key, plan)
    invoice_id, now = new_id(), clock.now()
    values = draft.values | {
        "invoice_id": invoice_id,
        "statement_id": f"{MANUAL}-{invoice_id}",
        "created_at": now,
        "next_attempt_at": now,
    }
    made = await insert_invoice(connection, key, values)
    assert made is not None, "the tenant's sequence is locked"
    await record_new_drafts(connection, account, [content_of(made, draft)], clock)
    return made


async def manual_plan(
    connection: AsyncConnection, account: Account, written: ManualInvoice
) -> TaxPlan:
    """Return how a one-off invoice is taxed that is drafted now."""
    day = tax_day(MANUAL, written.period_start, written.period_end)
    return await plan_for(connection, account, written.tenant_id, day)


def compose_manual(written: ManualInvoice, key: InvoiceKey, plan: TaxPlan) -> Draft:
    """Compose a one-off invoice, without its ids; raises `invalid_invoice`."""
    currency = CURRENCIES[written.currency]
    exact_lines = [ExactLine(line.amount) for line in written.lines]
    net = sum((line.amount for line in exact_lines), Fraction(0))
    tax = draft_tax(plan, net, currency)
    allocation = allocate(exact_lines, currency, tax_minor=tax.minor)
    _check(allocation, currency)
    lines, other = with_tax(_lines(written, allocation, currency), (), tax, currency)
    sent = [(line.line_key, line.stripe_amount) for line in other or lines]
    nothing = allocation.total_minor + tax.minor == 0
    values: dict[str, Any] = {
        "period_end": written.period_end,
        "rating_hash": sha256(repr(written).encode()).hexdigest(),
        "currency": currency.code,
        "total_exact": format_exact(allocation.total_exact),
        "total_minor": allocation.total_minor,
        "lines_sha256": lines_sha256(currency.code, sent),
        "state": "paid" if nothing else "draft",
        "reason": "zero_total" if nothing else None,
        **tax.columns(),
    }
    return Draft(key, values, lines, (), other, tax=tax)


def _check(allocation: Allocation, currency: Currency) -> None:
    if allocation.total_minor < 0:
        message = "An invoice is not below zero; credit an earlier one instead."
        raise _invalid("negative_total", message)
    if is_carried(allocation.total_minor, currency):
        message = f"Nobody is charged so little in {currency.code}; put it on a larger invoice."
        raise _invalid("below_minimum_charge", message)
    amounts = [allocation.total_minor, *(line.amount_minor for line in allocation.lines)]
    if max(map(abs, amounts)) > AMOUNT_MINOR_MAX:
        raise _invalid("value_out_of_range", "An amount is beyond any real bill.")


def _invalid(code: str, message: str) -> TallyrollError:
    fault = Fault(code, "lines", message)
    return TallyrollError("invalid_invoice", message, faults=[fault])


async def _next_key(
    connection: AsyncConnection, account: Account, written: ManualInvoice
) -> InvoiceKey:
    owner = (account.vendor_id, account.mode, written.tenant_id)
    await lock_transaction(connection, "invoicing.manual", *owner)
    last = await invoices.last_sequence(connection, account, written.tenant_id, kind=MANUAL)
    return InvoiceKey(
        *owner,
        subscription_id=NO_SUBSCRIPTION,
        kind=MANUAL,
        sequence=last + 1,
        period_start=written.period_start,
    )


def _lines(
    written: ManualInvoice, allocation: Allocation, currency: Currency
) -> tuple[InvoiceLine, ...]:
    amounts = [line.amount_minor for line in allocation.lines]
    given = list(written.lines)
    keys = [f"{position:03d}" for position in range(1, len(given) + 1)]
    if allocation.rounding_minor:
        amounts.append(allocation.rounding_minor)
        exact = Fraction(allocation.rounding_minor, 10**currency.exponent)
        text = f"Rounding to an amount that can be paid in {currency.code}"
        given.append(ManualLine(text, Decimal(1), ROUNDING_LINE, exact))
        keys.append(ROUNDING_LINE_KEY)
    sent = lines_to_wire(amounts, currency)
    return tuple(
        InvoiceLine(
            position=position,
            line_key=keys[position - 1],
            charge=ROUNDING_LINE if keys[position - 1] == ROUNDING_LINE_KEY else MANUAL,
            description=line.description,
            quantity=format_decimal(line.quantity),
            unit=line.unit,
            amount_exact=format_exact(line.amount),
            amount_minor=amounts[position - 1],
            stripe_amount=sent[position - 1],
        )
        for position, line in enumerate(given, start=1)
    )
