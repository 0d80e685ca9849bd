"""A closed period becomes a statement: rated, paid from credits as far as they go, issued."""

from dataclasses import dataclass, field
from datetime import date
from functools import cached_property

import structlog
from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.domain.cost.provider_cost import ProviderPrices
from services.pricing.domain.periods import Period, period_from
from services.pricing.handlers.advance import Books, rate_opening, rate_subscription
from services.pricing.handlers.crediting import Crediting, credit_rerating
from services.pricing.handlers.due import opens_next
from services.pricing.handlers.late_usage import rate_with_late_usage, store_ratings
from services.pricing.handlers.meter_readings import MeterLookup, ask
from services.pricing.handlers.provider_prices import load_prices
from services.pricing.handlers.rating import RatedPeriod
from services.pricing.handlers.statement_message import statement_of, with_draws, with_returns
from services.pricing.handlers.timelines import KnownPlans
from services.pricing.handlers.wallets import draw, return_adjusted
from services.pricing.repository import (
    late_usage,
    meters,
    progressive,
    statements,
    subscriptions,
    wallets,
)
from services.pricing.repository.adjustments import read_setting
from services.pricing.repository.subscriptions import Advance
from services.pricing.repository.wallets import Wallet
from shared.accounts.repository import Account
from shared.events.statement_rated import StatementRated
from shared.ids import new_id

logger = structlog.get_logger()


@dataclass(frozen=True)
class Closing:
    """What the periods that are closed together share; `through` is sealed, inclusive.

    `held` are the wallets, `late` the tenants who have or had late usage: few of all.
    `invoiced` are the subscriptions of whose open period a part was invoiced already.
    `in_advance` are the books with fees in advance, `singles` the meters that do not add up,
    `waiting` the tenants whose values of these are not there.
    """

    account: Account
    through: date
    prices: ProviderPrices
    held: frozenset[Wallet]
    late: frozenset[str]
    invoiced: frozenset[str]
    in_advance: Books
    singles: frozenset[str]
    plans: KnownPlans = field(default_factory=KnownPlans)
    waiting: set[str] = field(default_factory=set)

    @classmethod
    async def begin(
        cls, connection: AsyncConnection, account: Account, through: date, in_advance: Books
    ) -> "Closing":
        """Read what else all periods need."""
        return cls(
            account,
            through,
            await load_prices(connection, account),
            held=frozenset(await wallets.list_wallets(connection, account)),
            late=await late_usage.tenants_with_late_usage(connection, account),
            invoiced=await progressive.billed_in_open_periods(connection, account),
            in_advance=in_advance,
            singles=await meters.read_singles(connection, account),
        )

    @cached_property
    def _holders(self) -> frozenset[str]:
        return frozenset(wallet.tenant_id for wallet in self.held)

    def is_plain(self, subscription: RowMapping) -> bool:
        """Tell whether a period depends on nothing but its usage and terms, as most do."""
        tenant_id = subscription["tenant_id"]
        special = tenant_id in self.late or tenant_id in self._holders
        special = special or subscription["subscription_id"] in self.invoiced
        opens = opens_next(subscription["opens_on"], subscription["next_end"])
        return not special and not subscription["shares"] and not opens


async def waits(
    connection: AsyncConnection, closing: Closing, subscription: RowMapping, lookup: MeterLookup
) -> bool:
    """Tell whether values of meters are missing; they are asked for."""
    if not lookup.missing:
        return False
    await ask(connection, closing.account, lookup.missing)
    closing.waiting.add(subscription["tenant_id"])
    return True


async def close_next(
    connection: AsyncConnection, closing: Closing, subscription: RowMapping
) -> Advance | None:
    """Issue a subscription's next statement, an opening or a period's; return what comes after it.

    None while no version is in force at the period's start: publishing one closes it; and while
    values of meters are not there: they are asked for, and the last to come closes it.
    """
    opens = opens_next(subscription["opens_on"], subscription["next_end"])
    close = _open_subscription if opens else _close_period
    return await close(connection, closing, subscription)


async def _open_subscription(
    connection: AsyncConnection, closing: Closing, subscription: RowMapping
) -> Advance | None:
    """Charge the fees in advance of the first period that is not free; none, no statement."""
    account, period = closing.account, due_period(subscription)
    rated = await rate_opening(connection, account, subscription, period)
    if rated is None:
        return None
    statement = statement_of(account, rated, new_id()) if rated.rated.lines else None
    opened = Advance(
        subscription["subscription_id"],
        subscription["next_sequence"],
        period,
        opens_on=None,
        charged_by=statement.statement_id if statement else None,
    )
    await subscriptions.advance(connection, account, [opened])
    if statement is not None:
        await _issue(connection, closing, statement)
    return opened


async def _close_period(
    connection: AsyncConnection, closing: Closing, subscription: RowMapping
) -> Advance | None:
    account, period = closing.account, due_period(subscription)
    # Most tenants never have late usage: they are not asked for it.
    rate = rate_with_late_usage if subscription["tenant_id"] in closing.late else rate_subscription
    lookup = MeterLookup(account, closing.singles, booked_before=period.end)
    rated = await rate(
        connection,
        account,
        subscription,
        period,
        prices=closing.prices,
        in_advance=closing.in_advance,
        meters=lookup,
    )
    if rated is None or await waits(connection, closing, subscription, lookup):
        return None
    statement = statement_of(account, rated, new_id())
    following = after(subscription, statement)
    # Grants wait for open periods: the period is over before its statement draws on them.
    await subscriptions.advance(connection, account, [following])
    # What credits had paid of cheaper periods is there for this statement.
    await _credit(connection, account, rated)
    await _issue(connection, closing, statement)
    await store_ratings(connection, account, rated, statement.statement_id)
    return following


async def _credit(connection: AsyncConnection, account: Account, rated: RatedPeriod) -> None:
    """Credit the closed periods that are cheaper and whose tenant wants a credit note."""
    if not rated.credited:
        return
    tenant_id = rated.subscription["tenant_id"]
    setting = await read_setting(connection, account, tenant_id)
    crediting = Crediting(account, tenant_id, rated.currency, setting, rated.period.end)
    for rerating in rated.credited:
        await credit_rerating(connection, crediting, rerating)


async def _issue(connection: AsyncConnection, closing: Closing, statement: StatementRated) -> None:
    """Pay a statement from credits as far as they go, and store it with its message."""
    if _wallet_of(statement) in closing.held:
        statement = with_returns(statement, await return_adjusted(connection, statement))
        statement = with_draws(statement, await draw(connection, statement))
    await statements.issue(connection, [statement])
    log_statement(statement)


def after(subscription: RowMapping, statement: StatementRated) -> Advance:
    """Return what comes after the statement of a period."""
    end, opens_on = statement.period_end, subscription["opens_on"]
    ahead = any(line.advance.period_start >= end for line in statement.lines if line.advance)
    return Advance(
        subscription["subscription_id"],
        statement.sequence + 1,
        period_from(end, anchor_day=subscription["anchor_day"], ends_on=subscription["last_day"]),
        opens_on=opens_on if opens_on is not None and opens_on >= end else None,
        charged_by=statement.statement_id if ahead else None,
    )


def _wallet_of(statement: StatementRated) -> Wallet:
    return Wallet(statement.vendor_id, statement.mode, statement.tenant_id, statement.currency)


def log_statement(statement: StatementRated) -> None:
    logger.info(
        "statement_rated",
        vendor_id=statement.vendor_id,
        tenant_id=statement.tenant_id,
        statement_id=statement.statement_id,
        kind=statement.kind,
        period_start=statement.period_start.isoformat(),
        unrated=len(statement.unrated),
    )


def due_period(subscription: RowMapping) -> Period:
    period = open_period(subscription)
    assert period is not None, "a subscription that is due has an open period"
    return period


def open_period(subscription: RowMapping) -> Period | None:
    """Return the first period that is not yet rated; None when the subscription has ended."""
    if subscription["next_start"] is None:
        return None
    return period_from(
        subscription["next_start"],
        anchor_day=subscription["anchor_day"],
        ends_on=subscription["last_day"],
    )
