"""Closed periods that turn out cheaper are credited: with the next statement, or on order.

The rating that tells it becomes the period's last one in the same transaction, so that no
statement and no other credit holds the difference again.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction

from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.domain.adjustment import adjustments, total_of
from services.pricing.handlers.late_usage import add_rating, rate_again
from services.pricing.handlers.meter_readings import MeterLookup, ask
from services.pricing.handlers.provider_prices import load_prices
from services.pricing.handlers.rating import Rerating
from services.pricing.handlers.statement_message import adjustment_lines
from services.pricing.handlers.wallets import return_statement
from services.pricing.repository import adjustments as repository
from services.pricing.repository import meters, sealing, statements, wallets
from services.pricing.repository.adjustments import AdjustmentSetting
from services.pricing.repository.locks import lock_closing, tenant_partition
from services.pricing.repository.wallets import Wallet
from shared.accounts.repository import Account
from shared.errors import conflict, not_found
from shared.events.statement_rated import AdjustmentCredited
from shared.ids import new_id
from shared.money import format_exact


@dataclass(frozen=True)
class Crediting:
    """Whose period is credited, in which currency, and how: as of the day `on`."""

    account: Account
    tenant_id: str
    currency: str
    setting: AdjustmentSetting
    on: date


async def credit_rerating(
    connection: AsyncConnection, crediting: Crediting, rerating: Rerating
) -> AdjustmentCredited:
    """Credit the difference (< 0) of a closed period, and make its rating the last one.

    What prepaid credits had paid of it returns to them; invoicing credits the rest.
    """
    account, period = crediting.account, rerating.last.period
    lines = adjustments(rerating.last, rerating.now)
    total = total_of(lines)
    assert total < 0, "only what is cheaper is credited"
    returned = await _return(connection, crediting, period.statement_id, -total)
    credited = AdjustmentCredited(
        vendor_id=account.vendor_id,
        mode=account.mode,
        tenant_id=crediting.tenant_id,
        adjustment_id=new_id(),
        statement_id=period.statement_id,
        subscription_id=period.subscription_id,
        period_start=period.period_start,
        period_end=period.period_end,
        currency=crediting.currency,
        revision=rerating.revision,
        rating_hash=rerating.now.rating_hash,
        total_exact=format_exact(total),
        returned_exact=format_exact(returned),
        settlement=crediting.setting.settlement,
        lines=adjustment_lines(lines, period, crediting.currency),
    )
    await repository.add_credit(
        connection, credited, sequence=rerating.sequence, tell=total + returned < 0
    )
    await add_rating(
        connection,
        account,
        rerating,
        statement_id=credited.adjustment_id,
        booked_before=crediting.on,
        currency=crediting.currency,
    )
    return credited


async def _return(
    connection: AsyncConnection, crediting: Crediting, statement_id: str, amount: Fraction
) -> Fraction:
    account = crediting.account
    held = Wallet(account.vendor_id, account.mode, crediting.tenant_id, crediting.currency)
    if not await wallets.exists(connection, held):
        return Fraction(0)
    return await return_statement(connection, held, statement_id, on=crediting.on, amount=amount)


async def order_credit(
    connection: AsyncConnection, account: Account, statement_id: str
) -> AdjustmentCredited | None:
    """Rate a closed period by all that is sealed, and credit what it is cheaper by, at once.

    None: values of meters are missing; they are asked for. Raises `unknown_statement`,
    `not_a_period`, `tenant_parked`, `nothing_to_credit`.
    """
    billed = await statements.read(connection, account, statement_id)
    if billed is None:
        raise not_found("statement", statement_id)
    if billed["kind"] != "period":
        message = "Fees in advance are settled by the statement of their period."
        raise conflict("not_a_period", message, subject=statement_id)
    tenant_id = billed["tenant_id"]
    partition = tenant_partition(account, tenant_id)
    await lock_closing(connection, account, [partition])
    if await sealing.list_parked(connection, account, tenant_id):
        message = "The tenant is parked: its usage is not certain. See GET /v1/attention."
        raise conflict("tenant_parked", message, subject=tenant_id)
    through = await sealing.read_sealed_through(connection, account, partition)
    assert through is not None, "a statement is made of sealed days"
    day = through + timedelta(days=1)
    lookup = MeterLookup(account, await meters.read_singles(connection, account), booked_before=day)
    rerating = await rate_again(
        connection,
        account,
        billed,
        booked_before=day,
        prices=await load_prices(connection, account),
        meters=lookup,
    )
    if lookup.missing:
        await ask(connection, account, lookup.missing)
        return None
    if total_of(adjustments(rerating.last, rerating.now)) >= 0:
        message = "The period is not cheaper by what is known; more goes on the next statement."
        raise conflict("nothing_to_credit", message, subject=statement_id)
    setting = await repository.read_setting(connection, account, tenant_id)
    crediting = Crediting(account, tenant_id, billed["currency"], setting, day)
    return await credit_rerating(connection, crediting, rerating)
