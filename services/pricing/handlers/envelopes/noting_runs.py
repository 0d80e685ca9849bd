"""What single runs used, as the envelopes that are theirs look at it."""

import asyncio
from collections.abc import Iterable, Sequence
from datetime import date
from fractions import Fraction

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.domain.cost.prices import Reason
from services.pricing.domain.cost.provider_cost import METER_PREFIX, ProviderPrices
from services.pricing.domain.envelopes.envelope import Ledger
from services.pricing.handlers.envelopes.spending import Row, Spend, Tally, usage_of
from services.pricing.repository.runs.usage import usage_of_runs
from shared.accounts.repository import Account


async def tallies_of_runs(
    connection: AsyncConnection,
    account: Account,
    envelopes: Sequence[RowMapping],
    prices: ProviderPrices,
    *,
    since: date,
) -> list[tuple[RowMapping, Tally]]:
    """Return each envelope of a run with what that run used from a day on."""
    runs = sorted({row["run"] for row in envelopes})
    rows = await usage_of_runs(connection, account, runs, since=since) if runs else []
    # Beside the event loop, as all sums over rows.
    return await asyncio.to_thread(_tallies, envelopes, rows, prices)


def _tallies(
    envelopes: Iterable[RowMapping], rows: Iterable[Row], prices: ProviderPrices
) -> list[tuple[RowMapping, Tally]]:
    by_run: dict[str, list[Row]] = {}
    for row in rows:
        by_run.setdefault(row["run_id"], []).append(row)
    return [
        (envelope, run_tally(by_run.get(envelope["run"], []), envelope, prices))
        for envelope in envelopes
    ]


def run_tally(rows: Iterable[Row], envelope: Row, prices: ProviderPrices) -> Tally:
    """Return what one run used at an envelope's tenant, or at all.

    Of a run its agent is known, and neither team nor user: it is taken to be those that the
    envelope names beside it.
    """
    tally: Tally = {}
    for row in rows:
        if envelope["tenant"] not in ("", row["tenant_id"]) or row["kind"].startswith(METER_PREFIX):
            continue
        quantity = Fraction(row["quantity"])
        price = prices.find(usage_of(row, quantity))
        who = envelope["team"], row["agent"], envelope["user"]
        key = Ledger.of_purpose(row["purpose"]), row["usage_day"]
        spend = tally.setdefault(who, {}).setdefault(key, Spend())
        if isinstance(price, Reason):
            name = f"{row['provider']}/{row['model']}/{row['kind']}"
            spend.add(Fraction(0), {name: quantity})
        else:
            spend.add(quantity * price.unit_amount, {})
    return tally
