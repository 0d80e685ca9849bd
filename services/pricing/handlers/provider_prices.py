"""Provider prices of an account: written, listed, and put over the list prices."""

from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.domain.cost.provider_cost import (
    ProviderCost,
    ProviderPrices,
    provider_cost,
)
from services.pricing.list_prices import list_prices
from services.pricing.repository import provider_prices
from services.pricing.schemas.provider_price import (
    ProviderPriceRead,
    ProviderPricesWrite,
    ProviderPricesWritten,
)
from shared.accounts.repository import Account
from shared.attention import AttentionItem, call

ATTENTION_DAYS = 35
"""How far back unpriced usage is looked for: a month, and what came late to it."""

ITEMS_MAX = 100

ACCOUNTS_MAX = 100
"""Accounts whose prices a process keeps."""


async def append_prices(
    connection: AsyncConnection, account: Account, written: ProviderPricesWrite
) -> ProviderPricesWritten:
    """Store prices, all or none; nothing that was stored before is changed."""
    rows = [{**price.model_dump(), "note": price.note or ""} for price in written.prices]
    return ProviderPricesWritten(positions=await provider_prices.append(connection, account, rows))


async def load_prices(connection: AsyncConnection, account: Account) -> ProviderPrices:
    """Return an account's own prices over the list: what the cost of its usage is found by.

    Rows are only appended, so prices are kept until there is another one.
    """
    state = await provider_prices.read_state(connection, account)
    kept = _kept.get(account)
    if kept is None or kept.state != state:
        rows = await provider_prices.list_page(connection, account, named={})
        own = (read_row(dict(row)).to_domain() for row in rows)
        kept = _Kept(state, ProviderPrices(list_prices(), own))
        if len(_kept) >= ACCOUNTS_MAX:
            _kept.clear()
        _kept[account] = kept
    return kept.prices


@dataclass(frozen=True)
class _Kept:
    """An account's prices, and (newest position, number of rows) that they were read at."""

    state: tuple[int, int]
    prices: ProviderPrices


_kept: dict[Account, _Kept] = {}


def read_row(row: dict[str, object]) -> ProviderPriceRead:
    """Return a stored row as it is shown."""
    values = {name: row[name] for name in ProviderPriceRead.model_fields}
    return ProviderPriceRead.model_validate({**values, "note": row["note"] or None})


async def recent_cost(connection: AsyncConnection, account: Account) -> ProviderCost:
    """Return the cost of the account's usage of the last days, and what has none."""
    rows = await provider_prices.read_recent_usage(connection, account, days=ATTENTION_DAYS)
    return provider_cost(rows, await load_prices(connection, account))


async def unpriced_usage(connection: AsyncConnection, account: Account) -> list[AttentionItem]:
    """Return an item for each model and kind with usage that has no cost."""
    cost = await recent_cost(connection, account)
    found = sorted(
        {
            (row.usage.provider, row.usage.model, row.usage.kind, row.reason.value)
            for row in cost.unpriced
        }
    )
    return [
        AttentionItem(
            code="unpriced_usage",
            subject=f"{provider}/{model}/{kind}",
            ids={"provider": provider, "model": model, "kind": kind},
            message=f"What this usage costs is not known ({reason}): margins lack it.",
            action=call("POST", "/v1/provider-prices", "State its price; 0 if it is free."),
        )
        for provider, model, kind, reason in found[:ITEMS_MAX]
    ]
