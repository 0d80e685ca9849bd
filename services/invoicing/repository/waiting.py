"""What waits for a person: since when, and what is tried again and again."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import RowMapping, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from services.invoicing.domain.states import SYNCED_STATES
from services.invoicing.models import Invoice
from services.invoicing.repository.invoices import INVOICE_COLUMNS
from services.invoicing.tables import dead_letter, invoice, invoice_state_change, webhook_inbox
from shared.accounts.repository import Account
from shared.dead_letters import count_naming


async def list_backing_off(
    connection: AsyncConnection, account: Account, *, failures: int
) -> list[Invoice]:
    """Return the invoices whose way through Stripe failed so often, or more, without a verdict."""
    query = select(*INVOICE_COLUMNS).where(
        invoice.c.vendor_id == account.vendor_id,
        invoice.c.mode == account.mode,
        invoice.c.state.in_(SYNCED_STATES),
        invoice.c.reason.is_(None),
        invoice.c.failures >= failures,
    )
    rows = (await connection.execute(query.order_by(invoice.c.invoice_id))).mappings()
    return [Invoice(**row) for row in rows]


async def read_since(
    connection: AsyncConnection, account: Account, invoices: Sequence[Invoice]
) -> dict[str, datetime]:
    """Return since when each invoice is in its state, by its id."""
    change = invoice_state_change.c
    query = (
        select(change.invoice_id, func.max(change.changed_at).label("since"))
        .where(
            change.vendor_id == account.vendor_id,
            change.mode == account.mode,
            change.invoice_id.in_([one.invoice_id for one in invoices]),
        )
        .group_by(change.invoice_id)
    )
    return {row.invoice_id: row.since for row in await connection.execute(query)}


async def count_dead_letters(connection: AsyncConnection, account: Account) -> Sequence[RowMapping]:
    """Return (topic, code, count, oldest, newest) of the records that name the account."""
    stored_at = dead_letter.c.stored_at
    return await count_naming(connection, dead_letter, account, stored_at=stored_at)


async def count_failing_events(
    connection: AsyncConnection, account: Account, *, failures: int
) -> RowMapping:
    """Return (count, oldest, newest) of Stripe's events that failed so often, or more."""
    query = select(
        func.count().label("count"),
        func.min(webhook_inbox.c.received_at).label("oldest"),
        func.max(webhook_inbox.c.received_at).label("newest"),
    ).where(
        webhook_inbox.c.vendor_id == account.vendor_id,
        webhook_inbox.c.mode == account.mode,
        webhook_inbox.c.processed_at.is_(None),
        webhook_inbox.c.failures >= failures,
    )
    row: RowMapping = (await connection.execute(query)).mappings().one()
    return row
