"""What pricing credits of closed periods, and what became of it."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.invoicing.adjustment_tables import credited_adjustment
from services.invoicing.models import Invoice
from services.invoicing.repository.invoices import INVOICE_COLUMNS
from services.invoicing.tables import invoice
from shared.accounts.repository import Account


@dataclass(frozen=True)
class Adjustment:
    """Amounts exact, above zero. `changes`: line key -> [charge, exact difference]."""

    vendor_id: str
    mode: str
    tenant_id: str
    adjustment_id: str
    statement_id: str
    invoice_id: str
    rating_revision: int
    amount_exact: str
    coupons_exact: str
    changes: dict[str, list[str]]
    credit_note_id: str | None
    credited_minor: int
    carried_exact: str
    created_at: datetime


_COLUMNS = [credited_adjustment.c[name] for name in Adjustment.__dataclass_fields__]


async def insert_adjustment(connection: AsyncConnection, made: Adjustment) -> None:
    await connection.execute(insert(credited_adjustment).values(asdict(made)))


async def of_statement(
    connection: AsyncConnection, account: Account, statement_ids: Sequence[str]
) -> list[Adjustment]:
    """Return what was credited of these statements' periods, each in the order of ratings."""
    table = credited_adjustment
    query = (
        select(*_COLUMNS)
        .where(
            table.c.vendor_id == account.vendor_id,
            table.c.mode == account.mode,
            table.c.statement_id.in_(statement_ids),
        )
        .order_by(table.c.statement_id, table.c.rating_revision)
    )
    return [Adjustment(**row) for row in (await connection.execute(query)).mappings()]


async def find_by_note(
    connection: AsyncConnection, account: Account, credit_note_id: str
) -> Adjustment | None:
    table = credited_adjustment
    query = select(*_COLUMNS).where(
        table.c.vendor_id == account.vendor_id,
        table.c.mode == account.mode,
        table.c.credit_note_id == credit_note_id,
    )
    row = (await connection.execute(query)).mappings().one_or_none()
    return None if row is None else Adjustment(**row)


async def lock_last_invoice(
    connection: AsyncConnection, account: Account, statement_id: str
) -> Invoice | None:
    """Return the newest revision of a statement's invoice, locked."""
    query = (
        select(*INVOICE_COLUMNS)
        .where(
            invoice.c.vendor_id == account.vendor_id,
            invoice.c.mode == account.mode,
            invoice.c.statement_id == statement_id,
        )
        .order_by(invoice.c.revision.desc())
        .limit(1)
    )
    row = (await connection.execute(query.with_for_update())).mappings().one_or_none()
    return None if row is None else Invoice(**row)
