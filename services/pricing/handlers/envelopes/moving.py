"""Raises and transfers: rows with a reason and an end, for the open period."""

from datetime import date, datetime
from fractions import Fraction
from http import HTTPStatus
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.domain.envelopes.envelope import Ledger
from services.pricing.handlers.envelopes.standing import standing_of
from services.pricing.handlers.envelopes.state import existing
from services.pricing.repository.envelopes import definitions
from services.pricing.schemas.envelope import ApprovalWrite, RaiseWrite, TransferWrite
from shared.accounts.repository import Account
from shared.errors import TallyrollError
from shared.money import exact, format_exact


async def raise_ledger(
    connection: AsyncConnection,
    account: Account,
    name: str,
    written: RaiseWrite,
    *,
    by: str,
    now: datetime,
) -> None:
    """Give one ledger more until an end. Raises `ended_before` for an end that is past."""
    start = await _open_period(connection, account, name, written.until, now)
    row = _row(start, written.ledger, exact(written.amount), written, by)
    await definitions.add_movements(connection, account, name, [row])


async def transfer(
    connection: AsyncConnection,
    account: Account,
    name: str,
    written: TransferWrite,
    *,
    by: str,
    now: datetime,
) -> None:
    """Let one ledger give the other a part of what it has left: both rows, or none.

    Raises `not_left` (409) if that is more than the source has left.
    """
    start = await _open_period(connection, account, name, written.until, now)
    row = await existing(connection, account, name)
    standing = await standing_of(connection, account, [row], now)
    amount = exact(written.amount)
    if standing.balance(name, written.source).left < amount:
        message = f"The {written.source.value} ledger does not have that much left."
        raise TallyrollError("not_left", message, HTTPStatus.CONFLICT, subject=name)
    other = Ledger.EXPLORE if written.source is Ledger.RUN else Ledger.RUN
    rows = [
        _row(start, written.source, -amount, written, by),
        _row(start, other, amount, written, by),
    ]
    await definitions.add_movements(connection, account, name, rows)


async def approve(
    connection: AsyncConnection,
    account: Account,
    name: str,
    written: ApprovalWrite,
    *,
    by: str,
    now: datetime,
) -> None:
    """Let a run begin although the envelope asks."""
    await _open_period(connection, account, name, written.until, now)
    values = {"run": written.run, "reason": written.reason, "decided_by": by}
    await definitions.approve(connection, account, name, values | {"until": written.until})


async def _open_period(
    connection: AsyncConnection, account: Account, name: str, until: datetime, now: datetime
) -> date:
    """Return the first day of the open period, with the envelope locked."""
    row = await existing(connection, account, name, lock=True)
    if until <= now:
        raise TallyrollError("ended_before", "The end lies in the past.", subject="until")
    standing = await standing_of(connection, account, [row], now)
    return standing.periods[name]


def _row(
    start: date, ledger: Ledger, amount: Fraction, written: RaiseWrite | TransferWrite, by: str
) -> dict[str, Any]:
    return {
        "period_start": start,
        "ledger": ledger.value,
        "amount_exact": format_exact(amount),
        "reason": written.reason,
        "decided_by": by,
        "until": written.until,
    }
