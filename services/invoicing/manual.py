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
from services.invoicing.domain.invoice_key import NO_SUBSCRIPTION, InvoiceKey
from services.invoicing.domain.wire import lines_sha256, lines_to_wire
from services.invoicing.drafting import AMOUNT_MINOR_MAX
from services.invoicing.handlers import record_new_draft
from services.invoicing.models import Invoice, InvoiceLine
from services.invoicing.own_lines import ROUNDING_LINE, ROUNDING_LINE_KEY
from services.invoicing.repository import invoices
from services.invoicing.repository.new_invoices import insert_invoice
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
    currency = CURRENCIES[written.currency]
    allocation = allocate([ExactLine(line.amount) for line in written.lines], currency)
    _check(allocation)
    lines = _lines(written, allocation, currency)
    key = await _next_key(connection, account, written)
    invoice_id, now = new_id(), clock.now()
    sent = [(line.line_key, line.stripe_amount) for line in lines]
    nothing = allocation.total_minor == 0
    values: dict[str, Any] = {
        "invoice_id": invoice_id,
        "period_end": written.period_end,
        "statement_id": f"{MANUAL}-{invoice_id}",
        "rating_hash": sha256(repr(written).encode()).hexdigest(),
        "currency": currency.code,
        "total_exact": format_exact(allocation.total_exact),
        "total_minor": allocation.total_minor,
        "lines_sha256": lines_sha256(currency.code, sent),
        "state": "paid" if nothing else "draft",
        "reason": "zero_total" if nothing else None,
        "created_at": now,
        "next_attempt_at": now,
    }
    made = await insert_invoice(connection, key, values)
    assert made is not None, "the tenant's sequence is locked"
    await record_new_draft(connection, made, lines, clock)
    return made


def _check(allocation: Allocation) -> None:
    if allocation.total_minor < 0:
        message = "An invoice is not below zero; credit an earlier one instead."
        raise _invalid("negative_total", message)
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
