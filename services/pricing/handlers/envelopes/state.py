"""Where an envelope stands, for people: both ledgers, their pace and where it leads."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.domain.envelopes.balance import Balance, Spent
from services.pricing.domain.envelopes.burning import (
    Burn,
    Daily,
    burn_rate,
    exhausted_on,
    forecast,
)
from services.pricing.domain.envelopes.envelope import Ledger
from services.pricing.handlers.envelopes.history import read_own_parts
from services.pricing.handlers.envelopes.spending import tally_of, used_of
from services.pricing.handlers.envelopes.standing import Standing, standing_of
from services.pricing.repository.envelopes import definitions
from services.pricing.schemas.envelope import (
    EnvelopeRead,
    EnvelopeState,
    EnvelopeWrite,
    ForecastRead,
    LedgerRead,
    shown,
)
from shared.accounts.repository import Account
from shared.errors import not_found
from shared.money import format_exact

SHORT_DAYS, LONG_DAYS = 1, 7
HISTORY = timedelta(days=56)
"""What a forecast looks back on: eight weeks. The longest period is shorter."""


def read_of(row: RowMapping) -> EnvelopeRead:
    """Return an envelope as it is shown."""
    written = EnvelopeWrite.model_validate(row["content"])
    return EnvelopeRead(
        **written.model_dump(),
        name=row["name"],
        created_at=row["created_at"],
        changed_at=row["changed_at"],
    )


async def existing(
    connection: AsyncConnection, account: Account, name: str, *, lock: bool = False
) -> RowMapping:
    """Return an envelope that has not ended; raises `unknown_envelope`."""
    row = await definitions.read(connection, account, name, lock=lock)
    if row is None:
        raise not_found("envelope", name)
    return row


async def read_state(
    connection: AsyncConnection, account: Account, name: str, *, now: datetime
) -> EnvelopeState:
    """Return where an envelope stands, as of the last look at usage and of now for holds."""
    row = await existing(connection, account, name)
    standing = await standing_of(connection, account, [row], now)
    span = standing.envelopes[name].span_at(now.date())
    daily = await _daily(connection, account, standing, name)
    balances = [standing.balance(name, ledger) for ledger in Ledger]
    return EnvelopeState(
        name=name,
        period_start=span.start,
        period_end=span.end,
        as_of=balances[0].as_of,
        stale=balances[0].stale,
        ledgers=[_ledger(balance, standing, daily[balance.ledger]) for balance in balances],
        unpriced=dict(standing.unpriced.get(name, {})),
    )


async def _daily(
    connection: AsyncConnection, account: Account, standing: Standing, name: str
) -> Mapping[Ledger, Daily]:
    """Return what was used each day, as far back as a forecast looks."""
    envelope, now = standing.envelopes[name], standing.now
    since = now.date() - HISTORY
    parts = await read_own_parts(connection, account, envelope, since=since, now=now)
    return used_of(envelope, standing.settings[name], tally_of(parts), since=since).daily


def _ledger(balance: Balance, standing: Standing, daily: Daily) -> LedgerRead:
    spent = standing.spent.get((balance.envelope.name, balance.ledger), Spent())
    today = standing.now.date()

    def burn(days: int) -> Burn:
        end = balance.span.end
        return burn_rate(daily, today=today, end=end, remaining=balance.left, days=days)

    return LedgerRead(
        ledger=balance.ledger,
        limit=format_exact(balance.limit),
        used=format_exact(balance.used),
        metered=format_exact(spent.metered),
        left=format_exact(balance.left),
        ceiling=format_exact(balance.ceiling),
        share=format_exact(balance.share),
        step=balance.step.value,
        overdrawn_before=format_exact(spent.overdrawn_before),
        burn_short=shown(burn(SHORT_DAYS).rate),
        burn_long=shown(burn(LONG_DAYS).rate),
        forecast=forecast_of(balance, daily, today),
    )


def forecast_of(balance: Balance, daily: Daily, today: date) -> ForecastRead | None:
    """Return where a ledger goes with what it has now: raises, less what is repaid.

    Yesterday is the last day that is known whole.
    """
    days = {"start": balance.span.start, "today": today - timedelta(days=1)}
    days |= {"end": balance.span.end}
    found = forecast(daily, **days)
    if found is None:
        return None
    return ForecastRead(
        p10=format_exact(found.p10),
        p50=format_exact(found.p50),
        p90=format_exact(found.p90),
        exhausted_on=exhausted_on(daily, **days, limit=balance.limit),
    )
