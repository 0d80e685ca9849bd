"""A look at all envelopes of an account: what was spent, where it goes, what is to be told."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from fractions import Fraction
from typing import Any

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.domain.envelopes.balance import Spent, balance_of, overdrawn
from services.pricing.domain.envelopes.burning import Forecast, forecast
from services.pricing.domain.envelopes.envelope import Envelope, Ledger, Span
from services.pricing.handlers.envelopes.spending import (
    Costed,
    Group,
    Part,
    Used,
    costs_of,
    parts_of,
    used_of,
)
from services.pricing.handlers.envelopes.standing import raise_of, standing_of
from services.pricing.handlers.envelopes.telling import tell_crossed
from services.pricing.handlers.provider_prices import load_prices
from services.pricing.repository.envelopes import definitions, spending
from services.pricing.schemas.envelope import EnvelopeWrite
from shared.accounts.repository import Account
from shared.money import format_exact, parse_exact

HISTORY = timedelta(days=56)
"""What a forecast looks back on: eight weeks."""


async def look(connection: AsyncConnection, account: Account, *, now: datetime) -> int:
    """Note what was spent of every envelope, in one snapshot; return how much was told.

    The transaction reads usage, writes what it comes to and the messages about it. Usage that was
    looked at on this day, since when nothing came, is not read again.
    """
    rows = await definitions.list_all(connection, account)
    watermark, changes = await spending.feed_state(connection, account)
    if await _is_new(connection, account, rows, (watermark, changes), now):
        noted = await _spent(connection, account, rows, now=now, watermark=watermark)
        stamped = [{**one, "changes": changes, "looked_at": now} for one in noted]
        await spending.note_spent(connection, account, stamped)
    else:
        await spending.note_looked(connection, account, now=now)
    return await tell_crossed(
        connection, account, await standing_of(connection, account, rows, now)
    )


async def _is_new(
    connection: AsyncConnection,
    account: Account,
    rows: Sequence[RowMapping],
    feed: tuple[datetime | None, int],
    now: datetime,
) -> bool:
    """Tell whether usage came, a day began or an envelope changed since the last look."""
    noted = await spending.read_spent(connection, account, [row["name"] for row in rows])
    for row in rows:
        start = _envelope(row).span_at(now.date()).start
        known = noted.get((row["name"], Ledger.RUN.value, start))
        if known is None or (known["watermark"], known["changes"]) != feed:
            return True
        looked_at = known["looked_at"]
        if looked_at.date() != now.date() or looked_at < row["changed_at"]:
            return True
    return False


async def _spent(
    connection: AsyncConnection,
    account: Account,
    rows: Sequence[RowMapping],
    *,
    now: datetime,
    watermark: datetime | None,
) -> list[dict[str, Any]]:
    starts = [_before(_envelope(row), now.date()).start for row in rows]
    since = min([*starts, now.date() - HISTORY])
    history = await read_history(connection, account, since, now)
    noted = []
    for row in rows:
        noted += await _noted(connection, account, row, history, now=now, watermark=watermark)
    return noted


History = tuple[Mapping[Group, Costed], Sequence[Part]]


async def read_history(
    connection: AsyncConnection, account: Account, since: date, now: datetime
) -> History:
    """Return what usage from a day on cost until now, and whose it was."""
    end = now.date() + timedelta(days=1)
    prices = await load_prices(connection, account)
    usage = await spending.usage_by_day(connection, account, start=since, end=end)
    users = await spending.users_by_day(connection, account, start=since, end=end)
    # Beside the event loop: those who reserve meanwhile do not wait for sums over many rows.
    costs = await asyncio.to_thread(costs_of, usage, prices)
    return costs, await asyncio.to_thread(parts_of, costs, users)


async def _noted(
    connection: AsyncConnection,
    account: Account,
    row: RowMapping,
    history: History,
    *,
    now: datetime,
    watermark: datetime | None,
) -> list[dict[str, Any]]:
    envelope, today = _envelope(row), now.date()
    span = envelope.span_at(today)
    settings = EnvelopeWrite.model_validate(row["content"])
    used = await asyncio.to_thread(used_of, envelope, settings, *history, since=span.start)
    repaid = await _overdrawn_before(connection, account, envelope, used, today)
    return [
        {
            "name": envelope.name,
            "ledger": ledger.value,
            "period_start": span.start,
            "metered_exact": format_exact(_sum(used, ledger, span)),
            "overdrawn_before_exact": format_exact(repaid[ledger]),
            "forecast": _forecast(used, ledger, span, today, envelope.share_of(ledger)),
            "unpriced": {k: format_exact(v) for k, v in sorted(used.unpriced[ledger].items())},
            "watermark": watermark,
        }
        for ledger in Ledger
    ]


async def _overdrawn_before(
    connection: AsyncConnection, account: Account, envelope: Envelope, used: Used, today: date
) -> dict[Ledger, Fraction]:
    """Return what the period before went beyond its ledgers: all its usage, late usage too.

    A period in which the envelope was not looked at owes nothing. Raises count as at its last look.
    """
    span = _before(envelope, today)
    start = span.start
    noted = await spending.read_spent(connection, account, [envelope.name])
    moved = await definitions.movements(connection, account, {envelope.name: start})
    found = dict.fromkeys(Ledger, Fraction(0))
    for ledger in Ledger:
        row = noted.get((envelope.name, ledger.value, start))
        if row is not None:
            spent = Spent(
                _sum(used, ledger, span),
                row["watermark"],
                parse_exact(row["overdrawn_before_exact"]),
            )
            raises = [raise_of(one) for one in moved]
            found[ledger] = overdrawn(
                balance_of(envelope, ledger, spent, now=row["looked_at"], raises=raises)
            )
    return found


def _before(envelope: Envelope, day: date) -> Span:
    """Return the period before the one that a day is in."""
    return envelope.span_at(envelope.span_at(day).start - timedelta(days=1))


def _envelope(row: RowMapping) -> Envelope:
    return EnvelopeWrite.model_validate(row["content"]).to_domain(row["name"])


def _sum(used: Used, ledger: Ledger, span: Span) -> Fraction:
    days = used.daily[ledger].items()
    return sum((spent for day, spent in days if span.start <= day < span.end), Fraction(0))


def _forecast(
    used: Used, ledger: Ledger, span: Span, today: date, limit: Fraction
) -> dict[str, str | None] | None:
    """Return the forecast as it is stored; yesterday is the last whole day."""
    yesterday = today - timedelta(days=1)
    found: Forecast | None = forecast(
        used.daily[ledger], start=span.start, today=yesterday, end=span.end, limit=limit
    )
    if found is None:
        return None
    return {
        "p10": format_exact(found.p10),
        "p50": format_exact(found.p50),
        "p90": format_exact(found.p90),
        "exhausted_on": found.exhausted_on.isoformat() if found.exhausted_on else None,
    }
