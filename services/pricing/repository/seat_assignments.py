"""The log of who holds seats: rows that are added, never touched again."""

from collections.abc import Iterable, Sequence
from datetime import date

from sqlalchemy import RowMapping, func, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.domain.subscription.holder_log import Assignment
from services.pricing.repository.selection import keys, owned
from services.pricing.tables import seat_assignment
from shared.accounts.repository import Account


async def read_logs(
    connection: AsyncConnection,
    account: Account,
    subscriptions: Iterable[str],
    *,
    start: date = date.min,
    end: date = date.max,
) -> dict[str, list[Assignment]]:
    """Return the logs of subscriptions in the order in which they were written; none, no log.

    Of what concerns days of `[start, end)`, where these are named.
    """
    names = sorted(set(subscriptions))
    logs: dict[str, list[Assignment]] = {}
    if not names:
        return logs
    query = (
        select(seat_assignment)
        .where(
            owned(seat_assignment, account),
            seat_assignment.c.subscription_id.in_(names),
            seat_assignment.c.from_day < end,
            or_(seat_assignment.c.until_day.is_(None), seat_assignment.c.until_day >= start),
        )
        .order_by(seat_assignment.c.subscription_id, seat_assignment.c.position)
    )
    for row in (await connection.execute(query)).mappings():
        logs.setdefault(row["subscription_id"], []).append(assignment_of(row))
    return logs


def assignment_of(row: RowMapping) -> Assignment:
    """Return a stored assignment as a value of the domain."""
    return Assignment(row["user"], row["seat_class"], row["from_day"], row["until_day"])


async def add(
    connection: AsyncConnection,
    account: Account,
    subscription_id: str,
    made: Sequence[Assignment],
) -> Sequence[RowMapping]:
    """Add to the log of a subscription; the caller holds the closing lock."""
    query = select(func.max(seat_assignment.c.position)).where(
        owned(seat_assignment, account, subscription_id=subscription_id)
    )
    last = await connection.scalar(query) or 0
    rows = [
        {**keys(account), "subscription_id": subscription_id, "position": position, **vars(one)}
        for position, one in enumerate(made, start=last + 1)
    ]
    returned = await connection.execute(
        insert(seat_assignment).values(rows).returning(seat_assignment)
    )
    return sorted(returned.mappings().all(), key=lambda row: row["position"])


async def list_page(
    connection: AsyncConnection, account: Account, subscription_id: str, *, after: int, limit: int
) -> Sequence[RowMapping]:
    """Return the log of a subscription behind a position."""
    query = (
        select(seat_assignment)
        .where(
            owned(seat_assignment, account, subscription_id=subscription_id),
            seat_assignment.c.position > after,
        )
        .order_by(seat_assignment.c.position)
        .limit(limit)
    )
    return (await connection.execute(query)).mappings().all()
