"""What persons ordered for issued invoices."""

from collections.abc import Sequence
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.invoicing.correction_tables import invoice_action
from services.invoicing.corrections.models import Action, ActionOrder
from services.invoicing.models import Invoice
from shared.accounts.repository import Account

_KEY = ("vendor_id", "mode", "tenant_id", "invoice_id")
_COLUMNS = [invoice_action.c[field.name] for field in fields(ActionOrder)]


async def find_action(
    connection: AsyncConnection, invoice: Invoice, action: Action
) -> ActionOrder | None:
    query = select(*_COLUMNS).where(
        *(invoice_action.c[name] == getattr(invoice, name) for name in _KEY),
        invoice_action.c.action == action,
    )
    row = (await connection.execute(query)).mappings().one_or_none()
    return None if row is None else ActionOrder(**row)


async def put_action(connection: AsyncConnection, order: ActionOrder, now: datetime) -> None:
    """Store an order; one that was refused before begins anew."""
    values = asdict(order) | {"next_attempt_at": now}
    statement = insert(invoice_action).values(values)
    again = {name: values[name] for name in ("state", "reason", "failures", "next_attempt_at")}
    await connection.execute(
        statement.on_conflict_do_update(index_elements=[*_KEY, "action"], set_=again)
    )


async def list_due_actions(
    connection: AsyncConnection, now: datetime, limit: int
) -> Sequence[ActionOrder]:
    table = invoice_action
    query = (
        select(*_COLUMNS)
        .where(table.c.state == "pending", table.c.next_attempt_at <= now)
        .order_by(table.c.next_attempt_at, table.c.invoice_id)
        .limit(limit)
    )
    return [ActionOrder(**row) for row in (await connection.execute(query)).mappings()]


async def list_refused_actions(
    connection: AsyncConnection, account: Account
) -> Sequence[ActionOrder]:
    table = invoice_action
    query = (
        select(*_COLUMNS)
        .where(
            table.c.vendor_id == account.vendor_id,
            table.c.mode == account.mode,
            table.c.state == "refused",
        )
        .order_by(table.c.invoice_id, table.c.action)
    )
    return [ActionOrder(**row) for row in (await connection.execute(query)).mappings()]


async def list_failing_actions(
    connection: AsyncConnection, account: Account, *, failures: int
) -> Sequence[ActionOrder]:
    """Return the orders that failed so often, or more, and are tried on."""
    table = invoice_action
    query = select(*_COLUMNS).where(
        table.c.vendor_id == account.vendor_id,
        table.c.mode == account.mode,
        table.c.state == "pending",
        table.c.failures >= failures,
    )
    rows = await connection.execute(query.order_by(table.c.invoice_id, table.c.action))
    return [ActionOrder(**row) for row in rows.mappings()]


async def update_action(
    connection: AsyncConnection, order: ActionOrder, values: dict[str, Any]
) -> None:
    await connection.execute(
        update(invoice_action)
        .where(
            *(invoice_action.c[name] == getattr(order, name) for name in _KEY),
            invoice_action.c.action == order.action,
        )
        .values(values)
    )
