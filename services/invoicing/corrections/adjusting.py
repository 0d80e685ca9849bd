"""Use case: pricing credits a closed period; on its own invoice, and the rest on the next one."""

from dataclasses import replace
from fractions import Fraction

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from services.invoicing import carrying
from services.invoicing.corrections.crediting import (
    CREDITABLE,
    NoteOrder,
    billed_of,
    earlier_of,
    order_note,
)
from services.invoicing.coupons import named_coupon
from services.invoicing.domain.adjusting import Charged, CreditPlan, coupon_share, plan_credit
from services.invoicing.domain.coupons import Coupon
from services.invoicing.domain.crediting import Wanted
from services.invoicing.domain.errors import InvalidStatement
from services.invoicing.domain.line_kinds import COUPON_PREFIX
from services.invoicing.models import Invoice, InvoiceLine
from services.invoicing.own_lines import CREDIT_LINE, CREDIT_LINE_KEYS, exact_amount
from services.invoicing.repository import actions, adjustments, coupons, invoices
from services.invoicing.repository.adjustments import Adjustment
from services.invoicing.tables import inbox
from shared.accounts.repository import Account
from shared.clock import Clock
from shared.events.statement_rated import AdjustmentCredited
from shared.inbox import claim_message
from shared.money import CURRENCIES, format_exact, parse_exact

logger = structlog.get_logger()


async def credit_adjustment(
    connection: AsyncConnection, credited: AdjustmentCredited, *, message_id: str, clock: Clock
) -> Adjustment | None:
    """Credit what a closed period is cheaper by; None when the message was handled before.

    Raises `InvalidStatement` for one that cannot be right, or whose period has no invoice.
    """
    source = AdjustmentCredited.topic.name
    if not await claim_message(connection, inbox, source=source, message_id=message_id):
        return None
    account = Account(credited.vendor_id, credited.mode)
    amount = _amount(credited)
    invoice = await adjustments.lock_last_invoice(connection, account, credited.statement_id)
    if invoice is None or invoice.currency != credited.currency:
        message = "The adjusted period has no invoice in this currency."
        raise InvalidStatement("unknown_statement", message)
    changes = _changes(credited)
    share = await _coupon_share(connection, invoice, changes)
    plan = await _plan(connection, invoice, max(amount - share, Fraction(0)), changes)
    made = Adjustment(
        vendor_id=credited.vendor_id,
        mode=credited.mode,
        tenant_id=credited.tenant_id,
        adjustment_id=credited.adjustment_id,
        statement_id=credited.statement_id,
        invoice_id=invoice.invoice_id,
        rating_revision=credited.revision,
        amount_exact=format_exact(amount),
        coupons_exact=format_exact(min(share, amount)),
        changes={key: [charge, format_exact(change)] for key, (charge, change) in changes.items()},
        credit_note_id=None,
        credited_minor=plan.credited_minor,
        carried_exact=format_exact(plan.carried),
        created_at=clock.now(),
    )
    if plan.lines:
        made = await _order(connection, invoice, credited, made, plan=plan, clock=clock)
    await adjustments.insert_adjustment(connection, made)
    if plan.carried:
        await carrying.carry_credit(
            connection, invoice, credited.adjustment_id, plan.carried, clock
        )
    logger.info(
        "adjustment_credited",
        adjustment_id=made.adjustment_id,
        invoice_id=made.invoice_id,
        credited_minor=made.credited_minor,
        carried_exact=made.carried_exact,
    )
    return made


def _amount(credited: AdjustmentCredited) -> Fraction:
    """Return what is to be credited, above zero; raises `invalid_amount`."""
    total, returned = exact_amount(credited.total_exact), exact_amount(credited.returned_exact)
    lines = sum((exact_amount(line.amount_exact) for line in credited.lines), Fraction(0))
    if lines != total or returned < 0 or total + returned >= 0:
        message = "The lines do not sum to the total, or nothing is left to credit."
        raise InvalidStatement("invalid_amount", message)
    return -total - returned


def _changes(credited: AdjustmentCredited) -> Charged:
    """Return the differences, and what went back to credits, which had lowered the invoice."""
    changes = {
        line.line_key: (line.charge, exact_amount(line.amount_exact)) for line in credited.lines
    }
    returned = exact_amount(credited.returned_exact)
    if returned:
        changes[CREDIT_LINE_KEYS["at_use"]] = (CREDIT_LINE, returned)
    return changes


async def _coupon_share(
    connection: AsyncConnection, invoice: Invoice, changes: Charged
) -> Fraction:
    """Return what the invoice's coupons had taken off of the difference."""
    account, identity = invoice.account, invoice.invoice_id
    lines = (await invoices.read_lines(connection, account, [identity]))[identity]
    used = await _coupons(connection, invoice, lines)
    if not used:
        return Fraction(0)
    before = {
        line.line_key: (line.charge, parse_exact(line.amount_exact))
        for line in lines
        if line.line_key in changes or _is_rated(line)
    }
    for earlier in await adjustments.of_statement(connection, account, [invoice.statement_id]):
        for key, (charge, change) in earlier.changes.items():
            was = before.get(key, (charge, Fraction(0)))[1]
            before[key] = (charge, was + parse_exact(change))
    return coupon_share(before, changes, used)


def _is_rated(line: InvoiceLine) -> bool:
    """Tell whether a line is discounted by coupons: rated, or credit that is a discount."""
    discounting = {CREDIT_LINE_KEYS["at_use"]}
    own = line.line_key.startswith("~") and not line.line_key.startswith("~adjustment/")
    return line.line_key in discounting or not own


async def _coupons(
    connection: AsyncConnection, invoice: Invoice, lines: list[InvoiceLine]
) -> list[Coupon]:
    """Return the coupons that stand on an invoice, in their order."""
    names = {
        line.line_key.removeprefix(COUPON_PREFIX)
        for line in lines
        if line.line_key.startswith(COUPON_PREFIX)
    }
    if not names:
        return []
    known = await coupons.list_coupons(connection, invoice.account, invoice.tenant_id)
    return [named_coupon(one).coupon for one in known if one.coupon_id in names]


async def _plan(
    connection: AsyncConnection, invoice: Invoice, amount: Fraction, changes: Charged
) -> CreditPlan:
    """Return what can be credited of the invoice as it is now; all is carried where nothing can."""
    revising = await actions.find_action(connection, invoice, "revise")
    under_way = revising is not None and revising.state == "pending"
    creditable = invoice.state in CREDITABLE and invoice.stripe_invoice_id is not None
    if under_way or not creditable:
        return CreditPlan((), amount)
    billed = await billed_of(connection, invoice)
    earlier = await earlier_of(connection, invoice)
    cheaper = [key for key, (_, change) in sorted(changes.items()) if change < 0]
    return plan_credit(amount, billed, earlier, cheaper, CURRENCIES[invoice.currency])


async def _order(
    connection: AsyncConnection,
    invoice: Invoice,
    credited: AdjustmentCredited,
    made: Adjustment,
    *,
    plan: CreditPlan,
    clock: Clock,
) -> Adjustment:
    wanted = Wanted("lines", lines=plan.lines)
    order = NoteOrder(wanted, credited.settlement, None, "Usage of this period was corrected")
    note = await order_note(connection, invoice.account, invoice.invoice_id, order, clock)
    return replace(made, credit_note_id=note.credit_note_id)
