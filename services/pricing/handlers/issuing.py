"""A closed period becomes a statement: rated, paid from credits as far as they go, issued."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property

import structlog
from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.domain.cost.provider_cost import ProviderPrices
from services.pricing.domain.periods import Period, period_from
from services.pricing.handlers.late_usage import rate_with_late_usage, store_ratings
from services.pricing.handlers.provider_prices import load_prices
from services.pricing.handlers.rating import RatedPeriod, rate_rows, rate_subscription
from services.pricing.handlers.statement_message import statement_of, with_draws, with_returns
from services.pricing.handlers.timelines import KnownPlans
from services.pricing.handlers.wallets import draw, return_adjusted
from services.pricing.repository import late_usage, statements, subscriptions, usage, wallets
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
    """

    account: Account
    through: date
    prices: ProviderPrices
    held: frozenset[Wallet]
    late: frozenset[str]
    plans: KnownPlans = field(default_factory=KnownPlans)

    @classmethod
    async def begin(cls, connection: AsyncConnection, account: Account, through: date) -> "Closing":
        """Read what all periods need."""
        return cls(
            account,
            through,
            await load_prices(connection, account),
            held=frozenset(await wallets.list_wallets(connection, account)),
            late=await late_usage.tenants_with_late_usage(connection, account),
        )

    @cached_property
    def _holders(self) -> frozenset[str]:
        return frozenset(wallet.tenant_id for wallet in self.held)

    def is_plain(self, subscription: RowMapping) -> bool:
        """Tell whether a period depends on nothing but its usage and terms, as most do."""
        tenant_id = subscription["tenant_id"]
        special = tenant_id in self.late or tenant_id in self._holders
        return not special and not subscription["shares"]


async def close_together(
    connection: AsyncConnection, closing: Closing, plain: Sequence[RowMapping]
) -> list[Advance]:
    """Do what `close_period` does, for many that are plain: read at once, written at once."""
    account = closing.account
    periods = {row["subscription_id"]: _due_period(row) for row in plain}
    tenants = {row["subscription_id"]: row["tenant_id"] for row in plain}
    used = await usage.read_periods(
        connection, account, {name: (tenants[name], period) for name, period in periods.items()}
    )
    issued, advances = [], []
    for row in plain:
        name = row["subscription_id"]
        rated = await rate_rows(
            connection,
            account,
            row,
            period=periods[name],
            rows=used.pop(name),
            prices=closing.prices,
            plans=closing.plans,
        )
        if rated is not None:
            issued.append(statement_of(account, rated, new_id()))
            advances.append(_after(row, rated))
    await subscriptions.advance(connection, account, advances)
    await statements.issue(connection, issued)
    for statement in issued:
        _log(statement)
    return advances


async def close_period(
    connection: AsyncConnection, closing: Closing, subscription: RowMapping
) -> Advance | None:
    """Issue the statement of a subscription's open period; return what comes after it.

    None while no version is in force at the period's start: publishing one closes it.
    """
    account, period = closing.account, _due_period(subscription)
    # Most tenants never have late usage: they are not asked for it.
    rate = rate_with_late_usage if subscription["tenant_id"] in closing.late else rate_subscription
    rated = await rate(connection, account, subscription, period, prices=closing.prices)
    if rated is None:
        return None
    statement = statement_of(account, rated, new_id())
    following = _after(subscription, rated)
    # Grants wait for open periods: the period is over before its statement draws on them.
    await subscriptions.advance(connection, account, [following])
    if _wallet_of(statement) in closing.held:
        statement = with_returns(statement, await return_adjusted(connection, statement))
        statement = with_draws(statement, await draw(connection, statement))
    await statements.issue(connection, [statement])
    await store_ratings(connection, account, rated, statement.statement_id)
    _log(statement)
    return following


def _after(subscription: RowMapping, rated: RatedPeriod) -> Advance:
    following = period_from(
        rated.period.end, anchor_day=subscription["anchor_day"], ends_on=subscription["last_day"]
    )
    return Advance(subscription["subscription_id"], rated.sequence + 1, following)


def _wallet_of(statement: StatementRated) -> Wallet:
    return Wallet(statement.vendor_id, statement.mode, statement.tenant_id, statement.currency)


def _log(statement: StatementRated) -> None:
    logger.info(
        "statement_rated",
        vendor_id=statement.vendor_id,
        tenant_id=statement.tenant_id,
        statement_id=statement.statement_id,
        period_start=statement.period_start.isoformat(),
        unrated=len(statement.unrated),
    )


def _due_period(subscription: RowMapping) -> Period:
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
