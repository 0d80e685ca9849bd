"""A closed period becomes a statement: rated, paid from credits as far as they go, issued."""

from dataclasses import dataclass, field
from datetime import date

import structlog
from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.domain.cost.provider_cost import ProviderPrices
from services.pricing.domain.periods import Period, period_from
from services.pricing.handlers.late_usage import rate_with_late_usage, store_ratings
from services.pricing.handlers.meter_readings import MeterLookup, ask
from services.pricing.handlers.provider_prices import load_prices
from services.pricing.handlers.rating import rate_subscription
from services.pricing.handlers.statement_message import statement_of, with_draws, with_returns
from services.pricing.handlers.wallets import draw, return_adjusted
from services.pricing.repository import late_usage, meters, statements, subscriptions, wallets
from services.pricing.repository.wallets import Wallet
from shared.accounts.repository import Account
from shared.events.statement_rated import StatementRated
from shared.ids import new_id

logger = structlog.get_logger()


@dataclass(frozen=True)
class Closing:
    """What the periods that are closed together share; `through` is sealed, inclusive.

    `held` are the wallets, `late` the tenants who have or had late usage: few of all. `singles` are
    the meters that do not add up, `waiting` the tenants whose values of these are not there.
    """

    account: Account
    through: date
    prices: ProviderPrices
    held: frozenset[Wallet]
    late: frozenset[str]
    singles: frozenset[str]
    waiting: set[str] = field(default_factory=set)

    @classmethod
    async def begin(cls, connection: AsyncConnection, account: Account, through: date) -> "Closing":
        """Read what all periods need."""
        return cls(
            account,
            through,
            await load_prices(connection, account),
            held=frozenset(await wallets.list_wallets(connection, account)),
            late=await late_usage.tenants_with_late_usage(connection, account),
            singles=await meters.read_singles(connection, account),
        )


async def close_period(
    connection: AsyncConnection, closing: Closing, subscription: RowMapping
) -> RowMapping | None:
    """Issue the statement of a subscription's open period; return what comes after it.

    None while no version is in force at the period's start: publishing one closes it; and while
    values of meters are not there: they are asked for, and the last to come closes it.
    """
    account, period = closing.account, open_period(subscription)
    assert period is not None, "a subscription that is due has an open period"
    # Most tenants never have late usage: they are not asked for it.
    rate = rate_with_late_usage if subscription["tenant_id"] in closing.late else rate_subscription
    lookup = MeterLookup(account, closing.singles, booked_before=period.end)
    rated = await rate(
        connection, account, subscription, period, prices=closing.prices, meters=lookup
    )
    if lookup.missing:
        await ask(connection, account, lookup.missing)
        closing.waiting.add(subscription["tenant_id"])
        return None
    if rated is None:
        return None
    statement = statement_of(account, rated, new_id())
    # Grants wait for open periods: the period is over before its statement draws on them.
    await subscriptions.advance(
        connection,
        account,
        statement.subscription_id,
        sequence=rated.sequence + 1,
        period=period_from(
            period.end, anchor_day=subscription["anchor_day"], ends_on=subscription["last_day"]
        ),
    )
    if _wallet_of(statement) in closing.held:
        statement = with_returns(statement, await return_adjusted(connection, statement))
        statement = with_draws(statement, await draw(connection, statement))
    await statements.issue(connection, statement)
    await store_ratings(connection, account, rated, statement.statement_id)
    logger.info(
        "statement_rated",
        vendor_id=account.vendor_id,
        tenant_id=statement.tenant_id,
        statement_id=statement.statement_id,
        period_start=statement.period_start.isoformat(),
        unrated=len(statement.unrated),
    )
    return await subscriptions.read(connection, account, statement.subscription_id)


def _wallet_of(statement: StatementRated) -> Wallet:
    return Wallet(statement.vendor_id, statement.mode, statement.tenant_id, statement.currency)


def open_period(subscription: RowMapping) -> Period | None:
    """Return the first period that is not yet rated; None when the subscription has ended."""
    if subscription["next_start"] is None:
        return None
    return period_from(
        subscription["next_start"],
        anchor_day=subscription["anchor_day"],
        ends_on=subscription["last_day"],
    )
