"""Progressive billing: whose spend is to be looked at, and what was invoiced of open periods."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import RowMapping, Text, and_, cast, exists, func, literal, or_, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.domain.progressive import ProgressiveBilled
from services.pricing.progressive_tables import (
    progressive_look,
    progressive_statement,
    progressive_void,
)
from services.pricing.repository.selection import keys, owned
from services.pricing.tables import (
    OWN_THRESHOLDS,
    THRESHOLDS,
    parked_tenant,
    price_version,
    subscription,
    subscription_change,
    usage_watermark,
)
from shared.accounts.repository import Account
from shared.money import format_exact, parse_exact

SAME_TENANT = ("vendor_id", "mode", "tenant_id")
SAME_SUBSCRIPTION = ("vendor_id", "mode", "subscription_id")


def _same(one: Any, other: Any, names: tuple[str, ...]) -> Any:
    return and_(*(one.c[name] == other.c[name] for name in names))


async def list_accounts(connection: AsyncConnection) -> list[Account]:
    """Return the accounts with thresholds in a book or in what is agreed with a tenant, in order.

    By two small indexes: whoever has none costs nothing.
    """
    sold = select(price_version.c.vendor_id, price_version.c.mode).where(text(THRESHOLDS))
    agreed = select(subscription_change.c.vendor_id, subscription_change.c.mode).where(
        text(OWN_THRESHOLDS)
    )
    rows = (await connection.execute(sold.union(agreed))).all()
    return [Account(*row) for row in sorted(tuple(row) for row in rows)]


async def books_with_thresholds(connection: AsyncConnection, account: Account) -> list[str]:
    """Return the books of which a version, in force or not, has a plan with thresholds."""
    query = select(price_version.c.book).where(owned(price_version, account), text(THRESHOLDS))
    return sorted((await connection.scalars(query.distinct())).all())


async def list_to_look_at(
    connection: AsyncConnection, account: Account, books: Sequence[str], *, limit: int
) -> Sequence[str]:
    """Return subscriptions that may have thresholds and whose bill may be another by now.

    Usage came since they were looked at last, or another period is open. Parked tenants, whose copy
    is in doubt, are left out: nothing of theirs is rated.
    """
    on_book = subscription_change.c.content["price_book"].astext.in_(books)
    own = and_(_same(subscription_change, subscription, SAME_SUBSCRIPTION), text(OWN_THRESHOLDS))
    moved = and_(_same(subscription_change, subscription, SAME_SUBSCRIPTION), on_book)
    unseen = or_(
        progressive_look.c.changes.is_distinct_from(usage_watermark.c.changes),
        progressive_look.c.sequence.is_distinct_from(subscription.c.next_sequence),
    )
    query = (
        select(subscription.c.subscription_id)
        .join(usage_watermark, _same(usage_watermark, subscription, SAME_TENANT))
        .outerjoin(progressive_look, _same(progressive_look, subscription, SAME_SUBSCRIPTION))
        .where(
            owned(subscription, account),
            subscription.c.next_start.is_not(None),
            or_(subscription.c.price_book.in_(books), exists().where(or_(own, moved))),
            ~exists().where(_same(parked_tenant, subscription, SAME_TENANT)),
            unseen,
        )
        .order_by(subscription.c.subscription_id)
        .limit(limit)
    )
    return (await connection.scalars(query)).all()


async def read_usage_state(
    connection: AsyncConnection, account: Account, tenant_id: str, *, hold: bool
) -> RowMapping | None:
    """Return (watermark, changes) of a tenant's copy of the usage; None before the first usage.

    With `hold` the copy stays as it is until the transaction ends: what is rated in it is true for
    this very watermark. Taken before the closing lock, as who stores usage does.
    """
    query = select(usage_watermark.c.watermark, usage_watermark.c.changes).where(
        owned(usage_watermark, account, tenant_id=tenant_id)
    )
    if hold:
        query = query.with_for_update(read=True)
    row: RowMapping | None = (await connection.execute(query)).mappings().one_or_none()
    return row


async def note_look(
    connection: AsyncConnection, account: Account, row: RowMapping, changes: int
) -> None:
    """Note how much usage of a subscription's open period was looked at."""
    seen = {"sequence": row["next_sequence"], "changes": changes}
    written = insert(progressive_look).values(
        **keys(account), subscription_id=row["subscription_id"], **seen
    )
    await connection.execute(
        written.on_conflict_do_update(
            index_elements=list(progressive_look.primary_key.columns), set_=seen
        )
    )


async def list_of_period(
    connection: AsyncConnection, account: Account, subscription_id: str, sequence: int
) -> list[tuple[ProgressiveBilled, bool]]:
    """Return the progressive statements of a period by number, each with whether it is void."""
    void = exists().where(
        _same(progressive_void, progressive_statement, ("vendor_id", "mode", "statement_id"))
    )
    query = (
        select(progressive_statement, void.label("is_void"))
        .where(
            owned(
                progressive_statement, account, subscription_id=subscription_id, sequence=sequence
            )
        )
        .order_by(progressive_statement.c.number)
    )
    rows = (await connection.execute(query)).mappings().all()
    return [(_billed(row), row["is_void"]) for row in rows]


def _billed(row: RowMapping) -> ProgressiveBilled:
    return ProgressiveBilled(
        statement_id=row["statement_id"],
        number=row["number"],
        threshold=parse_exact(row["threshold_exact"]),
        total=parse_exact(row["total_exact"]),
        watermark=row["watermark"],
    )


async def last_number(connection: AsyncConnection, account: Account, subscription_id: str) -> int:
    """Return the number of a subscription's last progressive statement, 0 before the first."""
    query = select(func.max(progressive_statement.c.number)).where(
        owned(progressive_statement, account, subscription_id=subscription_id)
    )
    return await connection.scalar(query) or 0


async def add(
    connection: AsyncConnection,
    account: Account,
    subscription_id: str,
    sequence: int,
    billed: ProgressiveBilled,
) -> None:
    """Store a progressive statement; the key refuses a second one for a period's threshold."""
    values = {
        "threshold_exact": format_exact(billed.threshold),
        "number": billed.number,
        "statement_id": billed.statement_id,
        "total_exact": format_exact(billed.total),
        "watermark": billed.watermark,
    }
    await connection.execute(
        insert(progressive_statement).values(
            **keys(account), subscription_id=subscription_id, sequence=sequence, **values
        )
    )


async def billed_in_open_periods(connection: AsyncConnection, account: Account) -> frozenset[str]:
    """Return the subscriptions of whose open period something was invoiced: few of all."""
    query = (
        select(progressive_statement.c.subscription_id)
        .join(subscription, _same(subscription, progressive_statement, SAME_SUBSCRIPTION))
        .where(
            owned(progressive_statement, account),
            progressive_statement.c.sequence == subscription.c.next_sequence,
        )
    )
    return frozenset((await connection.scalars(query.distinct())).all())


async def note_void(
    connection: AsyncConnection, account: Account, statement_id: str, invoice_id: str
) -> None:
    """Note that the invoice of a progressive statement is void; of another statement, nothing."""
    known = select(
        progressive_statement.c.vendor_id,
        progressive_statement.c.mode,
        progressive_statement.c.statement_id,
        cast(literal(invoice_id), Text),
    ).where(owned(progressive_statement, account, statement_id=statement_id))
    written = insert(progressive_void).from_select(
        ["vendor_id", "mode", "statement_id", "invoice_id"], known
    )
    await connection.execute(written.on_conflict_do_nothing())
