"""Orders of credit and what became of them; rows are only added."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, RowMapping, and_, exists, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.domain.wallet.orders import TopUpOrder
from services.pricing.repository.selection import keys, owned
from services.pricing.repository.wallets import Wallet
from services.pricing.top_up_tables import top_up_event, top_up_order
from shared.accounts.repository import Account
from shared.database import lock_transaction

UNPAID = ("void", "uncollectible")
TAKEN_BACK = ("refunded", "disputed", "credited")
DISMISSED, SETTLED = "dismissed", "settled"
"""A person has looked at an order that was not paid, and at one whose money went back."""


@dataclass(frozen=True)
class Placed:
    """An order as it was placed: whose `number`-th it is, from where, and its statement."""

    order: TopUpOrder
    number: int
    statement_id: str
    origin: str
    ordered_on: date


async def next_number(connection: AsyncConnection, held: Wallet) -> int:
    """Return the number of a tenant's next order; nobody else takes it until the end."""
    names = (held.vendor_id, held.mode, held.tenant_id)
    await lock_transaction(connection, "pricing.top_up", *names)
    query = select(func.max(top_up_order.c.number)).where(
        owned(top_up_order, held.account, tenant_id=held.tenant_id)
    )
    return 1 + (await connection.scalar(query) or 0)


async def add(connection: AsyncConnection, held: Wallet, placed: Placed) -> None:
    await connection.execute(
        insert(top_up_order).values(
            **keys(held.account),
            tenant_id=held.tenant_id,
            currency=held.currency,
            order_id=placed.order.order_id,
            number=placed.number,
            statement_id=placed.statement_id,
            origin=placed.origin,
            ordered_on=placed.ordered_on,
            content=placed.order.content(),
        )
    )


async def read(connection: AsyncConnection, held: Wallet, order_id: str) -> RowMapping | None:
    query = select(top_up_order).where(held.rows(top_up_order, order_id=order_id))
    row: RowMapping | None = (await connection.execute(query)).mappings().one_or_none()
    return row


async def of_statement(
    connection: AsyncConnection, account: Account, statement_id: str
) -> RowMapping | None:
    """Return the order that a statement is of; None for every other statement."""
    query = select(top_up_order).where(owned(top_up_order, account, statement_id=statement_id))
    row: RowMapping | None = (await connection.execute(query)).mappings().one_or_none()
    return row


async def list_of_wallet(
    connection: AsyncConnection, held: Wallet, *, after: int, limit: int
) -> Sequence[RowMapping]:
    """Return orders behind a number, oldest first."""
    query = (
        select(top_up_order)
        .where(held.rows(top_up_order), top_up_order.c.number > after)
        .order_by(top_up_order.c.number)
        .limit(limit)
    )
    return (await connection.execute(query)).mappings().all()


async def read_events(
    connection: AsyncConnection, account: Account, order_ids: Sequence[str]
) -> dict[str, list[RowMapping]]:
    """Return what became of each order, in the order in which it was told."""
    query = (
        select(top_up_event)
        .where(owned(top_up_event, account), top_up_event.c.order_id.in_(order_ids))
        .order_by(top_up_event.c.position)
    )
    found: dict[str, list[RowMapping]] = {name: [] for name in order_ids}
    for row in (await connection.execute(query)).mappings():
        found[row["order_id"]].append(row)
    return found


async def note(
    connection: AsyncConnection,
    account: Account,
    order_id: str,
    event: str,
    *,
    at: datetime,
    **values: Any,
) -> bool:
    """Note what became of an order; False where that is known already."""
    written = insert(top_up_event).values(
        **keys(account), order_id=order_id, event=event, happened_at=at, **values
    )
    done = await connection.execute(
        written.on_conflict_do_nothing(
            index_elements=["vendor_id", "mode", "order_id", "event"]
        ).returning(top_up_event.c.position)
    )
    return done.first() is not None


def _has(*events: str) -> ColumnElement[bool]:
    own = (top_up_event.c[name] == top_up_order.c[name] for name in ("vendor_id", "mode"))
    same = and_(*own, top_up_event.c.order_id == top_up_order.c.order_id)
    return exists().where(same, top_up_event.c.event.in_(events)).correlate(top_up_order)


async def has_pending(connection: AsyncConnection, held: Wallet) -> bool:
    """Tell whether an order of a wallet is neither paid nor dismissed."""
    query = select(top_up_order.c.order_id).where(held.rows(top_up_order), ~_has("paid", DISMISSED))
    return await connection.scalar(query.limit(1)) is not None


async def list_to_settle(
    connection: AsyncConnection, account: Account, *, limit: int
) -> Sequence[RowMapping]:
    """Return orders that a person must look at, the newest first.

    `taken_back`: it was paid, and the money (some of it) went back; else it will not be paid.
    """
    taken_back = and_(_has("paid"), _has(*TAKEN_BACK), ~_has(SETTLED))
    unpaid = and_(~_has("paid"), _has(*UNPAID), ~_has(DISMISSED))
    query = (
        select(top_up_order, taken_back.label("taken_back"))
        .where(owned(top_up_order, account), taken_back | unpaid)
        .order_by(top_up_order.c.created_at.desc())
        .limit(limit)
    )
    return (await connection.execute(query)).mappings().all()
