"""Use cases of what an invoice leaves to the next one: taken once, given back, settled by hand."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from services.invoicing.domain.carrying import CarriedIn, Settlement, settlement_of
from services.invoicing.drafting import Draft
from services.invoicing.models import CarryOver, Invoice
from services.invoicing.repository import carry_overs
from shared.accounts.repository import Account
from shared.clock import Clock
from shared.errors import conflict
from shared.events.statement_rated import StatementRated
from shared.money import CURRENCIES, format_exact, parse_exact, round_to_minor_units

logger = structlog.get_logger()


async def lock_open(
    connection: AsyncConnection, account: Account, statements: Sequence[StatementRated]
) -> list[list[CarriedIn]]:
    """Return what waits for the invoice of each statement (of different tenants), locked."""
    tenant_ids = [one.tenant_id for one in statements]
    found = await carry_overs.lock_open(connection, account, tenant_ids)
    by_owner: dict[tuple[str, str], list[CarriedIn]] = {}
    for one in found:
        carried = CarriedIn(
            one.carry_over_id,
            parse_exact(one.amount_exact),
            one.subscription_id,
            one.period_start,
            one.period_end,
            None if one.taxable_exact is None else parse_exact(one.taxable_exact),
        )
        by_owner.setdefault((one.tenant_id, one.currency), []).append(carried)
    return [by_owner.get((one.tenant_id, one.currency), []) for one in statements]


async def record(connection: AsyncConnection, made: Invoice, draft: Draft, clock: Clock) -> None:
    """Record what a new invoice has taken over, and what it leaves to the next one."""
    if draft.carried_in:
        taken = await carry_overs.put_on_invoice(connection, made, draft.carried_in)
        assert taken == len(draft.carried_in), "they were locked while open"
    if draft.carried_out is None:
        return
    out = draft.carried_out
    values = {
        "amount_exact": format_exact(out.amount),
        "amount_minor": round_to_minor_units(out.amount, CURRENCIES[made.currency]),
        "taxable_exact": None if out.taxable == out.amount else format_exact(out.taxable),
        "created_at": clock.now(),
    }
    await carry_overs.insert_carry_over(connection, made, values)
    logger.info("carried_over", invoice_id=made.invoice_id, amount_minor=values["amount_minor"])


async def carry_credit(
    connection: AsyncConnection, of: Invoice, carry_over_id: str, amount: Fraction, clock: Clock
) -> None:
    """Let an exact amount (> 0) that is owed to the tenant open its next invoice.

    `of` is the invoice of the period that it is for; `carry_over_id` says what left it, once.
    """
    values = {
        "amount_exact": format_exact(-amount),
        "amount_minor": round_to_minor_units(-amount, CURRENCIES[of.currency]),
        "created_at": clock.now(),
        "carry_over_id": carry_over_id,
        "of_invoice_id": of.invoice_id,
    }
    await carry_overs.insert_carry_over(connection, of, values)


async def give_back(connection: AsyncConnection, voided: Invoice) -> None:
    """Open again what a void invoice had taken over."""
    await carry_overs.give_back(connection, voided)


@dataclass(frozen=True)
class Settling:
    """How something carried over ends without an invoice; `by` is the API key's id."""

    settled_as: Settlement
    reason: str
    by: str


async def settle(
    connection: AsyncConnection,
    account: Account,
    carry_over_id: str,
    *,
    settling: Settling,
    clock: Clock,
) -> CarryOver:
    """End it without an invoice; twice the same is once.

    Raises `unknown_carry_over`, `carry_over_not_open`, `wrong_settlement`.
    """
    found = await carry_overs.read_carry_over(connection, account, carry_over_id, lock=True)
    if (found.settled_as, found.settled_reason) == (settling.settled_as, settling.reason):
        return found
    if found.state != "open":
        message = f"It is {found.state}: only what is open can be settled."
        raise conflict("carry_over_not_open", message, subject=carry_over_id)
    if settling.settled_as != settlement_of(found.amount_minor):
        message = "What is below zero is paid out; what is above zero is written off."
        raise conflict("wrong_settlement", message, subject=carry_over_id)
    values = {
        "settled_as": settling.settled_as,
        "settled_reason": settling.reason,
        "settled_by": settling.by,
        "settled_at": clock.now(),
    }
    await carry_overs.settle(connection, account, carry_over_id, values)
    logger.info("carry_over_settled", carry_over_id=carry_over_id, settled_as=settling.settled_as)
    return await carry_overs.read_carry_over(connection, account, carry_over_id)
