"""Where an envelope stands, for people: both ledgers, their pace and where it leads."""

from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.domain.envelopes.balance import Balance
from services.pricing.domain.envelopes.burning import Burn, burn_rate
from services.pricing.domain.envelopes.envelope import Envelope, Ledger
from services.pricing.handlers.envelopes.looking import read_history
from services.pricing.handlers.envelopes.spending import used_of
from services.pricing.handlers.envelopes.standing import Standing, standing_of
from services.pricing.repository.envelopes import definitions, spending
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
    envelope = standing.envelopes[name]
    span = envelope.span_at(now.date())
    noted = await spending.read_spent(connection, account, [name])
    daily = await _daily(connection, account, row, envelope, now)
    rows = {ledger: noted.get((name, ledger.value, span.start)) for ledger in Ledger}
    balances = [standing.balance(name, ledger) for ledger in Ledger]
    unpriced = [one["unpriced"] for one in rows.values() if one is not None]
    return EnvelopeState(
        name=name,
        period_start=span.start,
        period_end=span.end,
        as_of=balances[0].as_of,
        stale=balances[0].stale,
        ledgers=[
            _ledger(balance, standing, rows[balance.ledger], daily[balance.ledger])
            for balance in balances
        ],
        unpriced={key: value for listed in unpriced for key, value in listed.items()},
    )


async def _daily(
    connection: AsyncConnection,
    account: Account,
    row: RowMapping,
    envelope: Envelope,
    now: datetime,
) -> Any:
    since = min(envelope.span_at(now.date()).start, now.date() - timedelta(days=LONG_DAYS))
    history = await read_history(connection, account, since, now)
    settings = EnvelopeWrite.model_validate(row["content"])
    return used_of(envelope, settings, *history, since=since).daily


def _ledger(
    balance: Balance, standing: Standing, noted: RowMapping | None, daily: dict[date, Any]
) -> LedgerRead:
    spent = standing.spent.get((balance.envelope.name, balance.ledger))
    today = standing.now.date()

    def burn(days: int) -> Burn:
        end = balance.span.end
        return burn_rate(daily, today=today, end=end, remaining=balance.left, days=days)

    forecast = noted["forecast"] if noted is not None else None
    return LedgerRead(
        ledger=balance.ledger,
        limit=format_exact(balance.limit),
        used=format_exact(balance.used),
        metered=format_exact(spent.metered) if spent else "0",
        left=format_exact(balance.left),
        ceiling=format_exact(balance.ceiling),
        share=format_exact(balance.share),
        step=balance.step.value,
        overdrawn_before=format_exact(spent.overdrawn_before) if spent else "0",
        burn_short=shown(burn(SHORT_DAYS).rate),
        burn_long=shown(burn(LONG_DAYS).rate),
        forecast=ForecastRead.model_validate(forecast) if forecast else None,
    )
