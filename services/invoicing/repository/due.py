"""Which invoices should have been paid by now."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from services.invoicing.correction_tables import invoice_standing
from services.invoicing.models import Invoice
from services.invoicing.repository.invoices import INVOICE_COLUMNS
from services.invoicing.tables import invoice

_KEY = ("vendor_id", "mode", "tenant_id", "invoice_id")


async def list_past_due(
    connection: AsyncConnection,
    now: datetime,
    *,
    drafted_before: datetime,
    seen_before: datetime,
    page: tuple[int, int],
) -> Sequence[Invoice]:
    """Return unpaid invoices whose due day has passed, those that nobody saw longest first.

    Seen is an invoice that was asked about after its due day, and not before `seen_before`. One
    that was never asked about is due some time after it was drafted: `drafted_before` at latest.
    `page` is how many to skip and how many to return.
    """
    standing = invoice_standing
    mine = and_(*(standing.c[name] == invoice.c[name] for name in _KEY))
    unseen = and_(standing.c.invoice_id.is_(None), invoice.c.created_at <= drafted_before)
    stale = or_(standing.c.observed_at < standing.c.due_at, standing.c.observed_at <= seen_before)
    query = (
        select(*INVOICE_COLUMNS)
        .select_from(invoice.outerjoin(standing, mine))
        .where(
            invoice.c.state.in_(("issued", "sent")),
            invoice.c.stripe_invoice_id.is_not(None),
            or_(unseen, and_(standing.c.due_at <= now, stale)),
        )
        .order_by(func.coalesce(standing.c.observed_at, invoice.c.created_at), invoice.c.invoice_id)
        .offset(page[0])
        .limit(page[1])
    )
    return [Invoice(**row) for row in (await connection.execute(query)).mappings()]
