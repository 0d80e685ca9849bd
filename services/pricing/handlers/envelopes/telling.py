"""Shares of a ledger that are told, once a period, when they are crossed."""

from collections.abc import Iterable
from fractions import Fraction

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


async def tell_crossed(
    connection: AsyncConnection, account: Account, before: Standing, after: Standing
) -> int:
    """Tell the shares that were crossed between two standings of envelopes; return how many."""
    told = 0
    for name in after.envelopes:
        for ledger in Ledger:
            balance = after.balance(name, ledger)
            for share in _crossed(before.balance(name, ledger), balance):
                told += await _tell(connection, account, balance, share)
    return told


def _crossed(before: Balance, after: Balance) -> Iterable[str]:
    share = before.share if before.limit else Fraction(0)
    if after.limit:
        yield from map(
            format_exact, after.envelope.ladder.told_between(min(share, after.share), after.share)
        )
    if after.forecast is not None and after.limit and after.forecast > after.limit:
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
