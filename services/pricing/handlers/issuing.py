"""A closed period becomes a statement: rated, paid from credits as far as they go, issued."""

from dataclasses import dataclass
from datetime import date, timedelta

import structlog
from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.domain.cost.provider_cost import ProviderPrices
from services.pricing.domain.periods import Period, period_from
from services.pricing.handlers.advance import Books, rate_opening, rate_subscription
from services.pricing.handlers.late_usage import rate_with_late_usage, store_ratings
from services.pricing.handlers.provider_prices import load_prices
from services.pricing.handlers.statement_message import statement_of, with_draws, with_returns
from services.pricing.handlers.wallets import draw, return_adjusted
from services.pricing.repository import catalog, late_usage, statements, subscriptions, wallets
from services.pricing.repository.wallets import Wallet
from shared.accounts.repository import Account
from shared.events.statement_rated import StatementRated
from shared.ids import new_id

logger = structlog.get_logger()


@dataclass(frozen=True)
class Closing:
    """What the periods that are closed together share; `through` is sealed, inclusive.

    `held` are the wallets, `late` the tenants who have or had late usage: few of all.
    `in_advance` are the books with fees in advance.
    """

    account: Account
    through: date
    prices: ProviderPrices
    held: frozenset[Wallet]
    late: frozenset[str]
    in_advance: Books

    @classmethod
    async def begin(cls, connection: AsyncConnection, account: Account, through: date) -> "Closing":
        """Read what all periods need."""
        return cls(
            account,
            through,
            await load_prices(connection, account),
            held=frozenset(await wallets.list_wallets(connection, account)),
            late=await late_usage.tenants_with_late_usage(connection, account),
            in_advance=await catalog.books_in_advance(connection, account),
        )


async def close_next(
    connection: AsyncConnection, closing: Closing, subscription: RowMapping
) -> RowMapping | None:
    """Issue a subscription's next statement, an opening or a period's; return what comes after it.

    None while no version is in force at the period's start: publishing one closes it.
    """
    close = _open_subscription if _opens_next(subscription) else _close_period
    return await close(connection, closing, subscription)


async def _open_subscription(
    connection: AsyncConnection, closing: Closing, subscription: RowMapping
) -> RowMapping | None:
    """Charge the fees in advance of the first period that is not free; none, no statement."""
    account, period = closing.account, open_period(subscription)
    assert period is not None, "a subscription that is due has an open period"
    rated = await rate_opening(connection, account, subscription, period)
    if rated is None:
        return None
    name = subscription["subscription_id"]
    statement = statement_of(account, rated, new_id()) if rated.rated.lines else None
    charged_by = statement.statement_id if statement else None
    await subscriptions.set_opened(connection, account, name, charged_by=charged_by)
    if statement is not None:
        await _issue(connection, closing, statement)
    return await subscriptions.read(connection, account, name)


async def _close_period(
    connection: AsyncConnection, closing: Closing, subscription: RowMapping
) -> RowMapping | None:
    account, period = closing.account, open_period(subscription)
    assert period is not None, "a subscription that is due has an open period"
    # Most tenants never have late usage: they are not asked for it.
    rate = rate_with_late_usage if subscription["tenant_id"] in closing.late else rate_subscription
    rated = await rate(
        connection,
        account,
        subscription,
        period,
        prices=closing.prices,
        in_advance=closing.in_advance,
    )
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
        charged_by=statement.statement_id if _charges_ahead(statement) else None,
    )
    await _issue(connection, closing, statement)
    await store_ratings(connection, account, rated, statement.statement_id)
    return await subscriptions.read(connection, account, statement.subscription_id)


def _charges_ahead(statement: StatementRated) -> bool:
    ahead = (line.advance for line in statement.lines if line.advance)
    return any(fee.period_start >= statement.period_end for fee in ahead)


async def _issue(connection: AsyncConnection, closing: Closing, statement: StatementRated) -> None:
    """Pay a statement from credits as far as they go, and store it with its message."""
    if _wallet_of(statement) in closing.held:
        statement = with_returns(statement, await return_adjusted(connection, statement))
        statement = with_draws(statement, await draw(connection, statement))
    await statements.issue(connection, statement)
    logger.info(
        "statement_rated",
        vendor_id=statement.vendor_id,
        tenant_id=statement.tenant_id,
        statement_id=statement.statement_id,
        kind=statement.kind,
        period_start=statement.period_start.isoformat(),
        unrated=len(statement.unrated),
    )


def _wallet_of(statement: StatementRated) -> Wallet:
    return Wallet(statement.vendor_id, statement.mode, statement.tenant_id, statement.currency)


def _opens_next(subscription: RowMapping) -> bool:
    """Tell whether the open period has a first charged day whose opening is yet to be made."""
    opens_on, end = subscription["opens_on"], subscription["next_end"]
    return opens_on is not None and end is not None and opens_on < end


def waits_for(subscription: RowMapping) -> date | None:
    """Return the day whose seal lets the next statement be made; None: there is none to come."""
    if subscription["next_end"] is None:
        return None
    due = subscription["opens_on"] if _opens_next(subscription) else subscription["next_end"]
    day: date = due - timedelta(days=1)
    return day


def open_period(subscription: RowMapping) -> Period | None:
    """Return the first period that is not yet rated; None when the subscription has ended."""
    if subscription["next_start"] is None:
        return None
    return period_from(
        subscription["next_start"],
        anchor_day=subscription["anchor_day"],
        ends_on=subscription["last_day"],
    )
