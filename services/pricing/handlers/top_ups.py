"""Orders of credit: a statement now, a grant once its invoice is paid."""

from datetime import date, datetime, timedelta
from typing import Literal

import structlog
from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.domain.wallet.orders import TopUpOrder, granted_by, order_from, rated_order
from services.pricing.handlers.statement_message import line_of
from services.pricing.repository import statements, top_ups
from services.pricing.repository.top_ups import DISMISSED, SETTLED, TAKEN_BACK, UNPAID, Placed
from services.pricing.repository.wallets import Wallet
from services.pricing.schemas.top_up import TopUpOrderRead
from shared.currencies import CURRENCIES
from shared.errors import conflict, not_found
from shared.events.statement_rated import StatementRated
from shared.ids import new_id
from shared.money import format_exact

logger = structlog.get_logger()

NONE = "-"
"""In place of subscription, price book and plan, of which an order has none (rules 8.1)."""

Origin = Literal["ordered", "automatic"]
State = Literal["open", "paid", "unpaid", "taken_back"]


async def place(
    connection: AsyncConnection, held: Wallet, order: TopUpOrder, *, on: date, origin: Origin
) -> Placed:
    """Store an order and issue its statement, in one transaction."""
    number = await top_ups.next_number(connection, held)
    statement = _statement(held, order, number=number, on=on)
    placed = Placed(order, number, statement.statement_id, origin, on)
    await top_ups.add(connection, held, placed)
    await statements.issue(connection, [statement])
    logger.info("top_up_ordered", order_id=order.order_id, statement_id=statement.statement_id)
    return placed


def _statement(held: Wallet, order: TopUpOrder, *, number: int, on: date) -> StatementRated:
    rated = rated_order(order, CURRENCIES[held.currency])
    return StatementRated(
        vendor_id=held.vendor_id,
        mode=held.account.mode,
        tenant_id=held.tenant_id,
        statement_id=new_id(),
        subscription_id=NONE,
        kind="topup",
        sequence=number,
        period_start=on,
        period_end=on + timedelta(days=1),
        currency=held.currency,
        price_book=NONE,
        price_version=1,
        price_hash=rated.input_hash,
        plan=NONE,
        input_hash=rated.input_hash,
        rating_hash=rated.rating_hash,
        total_exact=format_exact(rated.total),
        lines=[line_of(line, held.currency) for line in rated.lines],
        unrated=[],
    )


async def read_orders(
    connection: AsyncConnection, held: Wallet, *, after: int, limit: int
) -> list[TopUpOrderRead]:
    """Return a page of a wallet's orders, oldest first, each with how it stands."""
    rows = await top_ups.list_of_wallet(connection, held, after=after, limit=limit)
    return await _read(connection, held, list(rows))


async def read_order(connection: AsyncConnection, held: Wallet, order_id: str) -> TopUpOrderRead:
    """Return an order; raises `unknown_top_up_order`."""
    row = await top_ups.read(connection, held, order_id)
    if row is None:
        raise not_found("top_up_order", order_id)
    (read,) = await _read(connection, held, [row])
    return read


async def _read(
    connection: AsyncConnection, held: Wallet, rows: list[RowMapping]
) -> list[TopUpOrderRead]:
    ids = [row["order_id"] for row in rows]
    events = await top_ups.read_events(connection, held.account, ids)
    return [_shown(row, [one["event"] for one in events[row["order_id"]]]) for row in rows]


def _shown(row: RowMapping, events: list[str]) -> TopUpOrderRead:
    order = order_from(row["content"])
    state = state_of(events)
    paid = state in {"paid", "taken_back"}
    return TopUpOrderRead(
        **order.content(),
        number=row["number"],
        statement_id=row["statement_id"],
        origin=row["origin"],
        ordered_on=row["ordered_on"],
        state=state,
        grant_id=granted_by(order, on=row["ordered_on"]).grant_id if paid else None,
        dismissed=bool({DISMISSED, SETTLED} & set(events)),
    )


def state_of(events: list[str]) -> State:
    """Return how an order stands by all that became of its invoice, in whatever order."""
    if "paid" in events:
        return "taken_back" if set(events) & set(TAKEN_BACK) else "paid"
    return "unpaid" if set(events) & set(UNPAID) else "open"


async def dismiss(
    connection: AsyncConnection, held: Wallet, order_id: str, *, reason: str, at: datetime
) -> TopUpOrderRead:
    """Note that a person has dealt with an order that needed one; twice is once.

    Raises `unknown_top_up_order`, `top_up_order_needs_nothing`.
    """
    found = await read_order(connection, held, order_id)
    if found.state in {"open", "paid"}:
        message = f"The order is {found.state}: there is nothing to deal with."
        raise conflict("top_up_order_needs_nothing", message, subject=order_id)
    event = DISMISSED if found.state == "unpaid" else SETTLED
    await top_ups.note(connection, held.account, order_id, event, at=at, note=reason)
    return await read_order(connection, held, order_id)
