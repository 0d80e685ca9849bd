"""Shares of a ledger that are told, once a period, when they are crossed."""

from collections.abc import Iterable

from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.domain.envelopes.balance import Balance
from services.pricing.domain.envelopes.envelope import SCOPE_FIELDS, Ledger
from services.pricing.handlers.envelopes.standing import Standing
from services.pricing.repository.envelopes import spending
from services.pricing.tables import outbox
from shared.accounts.repository import Account
from shared.events.spend_crossed import EnvelopeCrossed
from shared.money import format_exact
from shared.outbox import Outgoing, put

FORECAST = "forecast"
"""In place of a share: the middle of the forecast goes beyond the ledger."""


async def tell_crossed(connection: AsyncConnection, account: Account, standing: Standing) -> int:
    """Tell the shares of the period that are reached and were not told; return how many.

    What is held and what is metered count alike, whichever it was that reached a share.
    """
    told = 0
    known = await spending.read_told(connection, account, standing.periods)
    for name in standing.envelopes:
        for ledger in Ledger:
            balance = standing.balance(name, ledger)
            for share in _reached(balance):
                if (name, ledger.value, share) not in known:
                    told += await _tell(connection, account, balance, share)
    return told


def _reached(balance: Balance) -> Iterable[str]:
    if not balance.limit:
        return
    yield from map(format_exact, balance.envelope.ladder.told_at(balance.share))
    if balance.forecast is not None and balance.forecast > balance.limit:
        yield FORECAST


async def _tell(
    connection: AsyncConnection, account: Account, balance: Balance, share: str
) -> bool:
    envelope, ledger, start = balance.envelope, balance.ledger, balance.span.start
    is_new = await spending.note_told(
        connection,
        account,
        name=envelope.name,
        ledger=ledger.value,
        period_start=start,
        share=share,
    )
    if is_new:
        crossed = EnvelopeCrossed(
            vendor_id=account.vendor_id,
            mode=account.mode,
            crossing_id=f"envelope/{envelope.name}/{ledger.value}/{start}/{share}",
            envelope=envelope.name,
            scope={
                field: value for field in SCOPE_FIELDS if (value := getattr(envelope.scope, field))
            },
            ledger=ledger.value,
            share=share,
            limit_exact=format_exact(balance.limit),
            used_exact=format_exact(balance.used),
            forecast_exact=None if balance.forecast is None else format_exact(balance.forecast),
            step=balance.step.value,
            period_start=start,
            period_end=balance.span.end,
        )
        await put(connection, outbox, [Outgoing(crossed, message_id=crossed.crossing_id)])
    return is_new
