"""Which invoices replace which, and what they are to consist of."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.invoicing.models import Invoice
from services.invoicing.revision_tables import invoice_revision
from services.invoicing.tables import invoice
from shared.accounts.repository import Account

_KEY = ("vendor_id", "mode", "tenant_id", "invoice_id")


@dataclass(frozen=True)
class Revision:
    """That an invoice is replaced; `lines` as they were written, None: by its own."""

    lines: list[dict[str, str]] | None
    created_by: str
    created_at: datetime
    revised_by: str | None = None


_COLUMNS = [invoice_revision.c[name] for name in Revision.__dataclass_fields__]


@dataclass(frozen=True)
class MadeFor:
    """What of an invoice's key and origin its own value leaves out."""

    kind: str
    sequence: int
    rating_hash: str


@dataclass(frozen=True)
class Neighbours:
    """The ids of the invoices that one replaces, and that it is replaced by."""

    revises: str | None = None
    revised_by: str | None = None


async def find_revision(connection: AsyncConnection, of: Invoice) -> Revision | None:
    query = select(*_COLUMNS).where(
        *(invoice_revision.c[name] == getattr(of, name) for name in _KEY)
    )
    row = (await connection.execute(query)).mappings().one_or_none()
    return None if row is None else Revision(**row)


async def put_revision(connection: AsyncConnection, of: Invoice, wanted: Revision) -> None:
    """Store what an invoice is replaced by; an earlier order that was refused is forgotten."""
    values: dict[str, Any] = vars(wanted)
    statement = insert(invoice_revision).values(
        **{name: getattr(of, name) for name in _KEY}, **values
    )
    await connection.execute(
        statement.on_conflict_do_update(index_elements=list(_KEY), set_=values)
    )


async def put_revised_by(connection: AsyncConnection, of: Invoice, invoice_id: str) -> None:
    await connection.execute(
        update(invoice_revision)
        .where(*(invoice_revision.c[name] == getattr(of, name) for name in _KEY))
        .values(revised_by=invoice_id)
    )


async def read_made_for(connection: AsyncConnection, of: Invoice) -> MadeFor:
    query = select(invoice.c.kind, invoice.c.sequence, invoice.c.rating_hash).where(
        invoice.c.invoice_id == of.invoice_id
    )
    return MadeFor(*(await connection.execute(query)).one())


async def read_neighbours(
    connection: AsyncConnection, account: Account, invoice_ids: Sequence[str]
) -> dict[str, Neighbours]:
    """Return what each invoice replaces and is replaced by; those without either are left out."""
    table = invoice_revision
    query = select(table.c.invoice_id, table.c.revised_by).where(
        table.c.vendor_id == account.vendor_id,
        table.c.mode == account.mode,
        table.c.revised_by.is_not(None),
        or_(table.c.invoice_id.in_(invoice_ids), table.c.revised_by.in_(invoice_ids)),
    )
    rows = (await connection.execute(query)).all()
    before = {row.revised_by: row.invoice_id for row in rows}
    behind = {row.invoice_id: row.revised_by for row in rows}
    return {one: Neighbours(before.get(one), behind.get(one)) for one in before.keys() | behind}
