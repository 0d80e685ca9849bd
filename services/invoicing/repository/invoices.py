"""Invoices, their lines, details, numbers and history."""

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any

from sqlalchemy import Select, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.invoicing.domain.invoice_key import InvoiceKey
from services.invoicing.domain.states import SYNCED_STATES, State
from services.invoicing.models import Invoice, InvoiceLine, InvoiceLineDetail, stored_line
from services.invoicing.tables import (
    invoice,
    invoice_line,
    invoice_line_detail,
    invoice_sent_line,
    invoice_sequence,
    invoice_state_change,
)
from shared.accounts.repository import Account
from shared.errors import not_found

INVOICE_COLUMNS = [invoice.c[field.name] for field in fields(Invoice)]
_LINE_COLUMNS = [
    invoice_line.c[field.name] for field in fields(InvoiceLine) if field.name != "steps"
]
_SENT_COLUMNS = [
    column for column in invoice_sent_line.c if column.name in InvoiceLine.__dataclass_fields__
]
_DETAIL_COLUMNS = [invoice_line_detail.c[field.name] for field in fields(InvoiceLineDetail)]


@dataclass(frozen=True)
class InvoiceFilter:
    """Which invoices of an account to list; `before` is the id of the last one already seen."""

    tenant_id: str | None = None
    state: State | None = None
    before: str | None = None
    limit: int = 100


async def insert_invoice(
    connection: AsyncConnection, key: InvoiceKey, values: dict[str, Any]
) -> Invoice | None:
    """Create an invoice; None when its key has one already."""
    statement = (
        insert(invoice)
        .values(**asdict(key), invoice_key=str(key), **values)
        .on_conflict_do_nothing(index_elements=["invoice_key"])
        .returning(*INVOICE_COLUMNS)
    )
    row = (await connection.execute(statement)).one_or_none()
    return None if row is None else Invoice(**row._mapping)  # noqa: SLF001


async def rating_hash_of(connection: AsyncConnection, key: InvoiceKey) -> str:
    """Return the hash of the statement that the key's invoice was made of."""
    query = select(invoice.c.rating_hash).where(invoice.c.invoice_key == str(key))
    return str((await connection.execute(query)).scalar_one())


async def insert_lines(
    connection: AsyncConnection,
    of: Invoice,
    lines: Sequence[InvoiceLine],
    details: Sequence[InvoiceLineDetail],
) -> None:
    """Store an invoice's lines and their details; they never change afterwards."""
    owner = _owner(of)
    if lines:
        await connection.execute(insert(invoice_line), [owner | asdict(line) for line in lines])
    if details:
        rows = [owner | asdict(detail) for detail in details]
        await connection.execute(insert(invoice_line_detail), rows)


async def insert_sent_lines(
    connection: AsyncConnection, of: Invoice, lines: Sequence[InvoiceLine]
) -> None:
    """Store what is sent instead of an invoice's lines, where that differs; it never changes."""
    if lines:
        names = {column.name for column in _SENT_COLUMNS}
        rows = [{name: getattr(line, name) for name in names} for line in lines]
        await connection.execute(insert(invoice_sent_line), [_owner(of) | row for row in rows])


def _owner(of: Invoice) -> dict[str, str]:
    return {
        "vendor_id": of.vendor_id,
        "mode": of.mode,
        "tenant_id": of.tenant_id,
        "invoice_id": of.invoice_id,
    }


def _invoices_of(account: Account) -> Select[Any]:
    return select(*INVOICE_COLUMNS).where(
        invoice.c.vendor_id == account.vendor_id, invoice.c.mode == account.mode
    )


async def _read(connection: AsyncConnection, query: Select[Any]) -> Sequence[Invoice]:
    return [Invoice(**row) for row in (await connection.execute(query)).mappings()]


async def read_invoice(
    connection: AsyncConnection,
    account: Account,
    invoice_id: str,
    *,
    tenant_id: str | None = None,
    lock: bool = False,
) -> Invoice:
    """Return an invoice of the account (and tenant, if given); raises `unknown_invoice`."""
    query = _invoices_of(account).where(invoice.c.invoice_id == invoice_id)
    if tenant_id is not None:
        query = query.where(invoice.c.tenant_id == tenant_id)
    found = await _read(connection, query.with_for_update() if lock else query)
    if not found:
        raise not_found("invoice", invoice_id)
    return found[0]


async def read_invoices(
    connection: AsyncConnection, account: Account, invoice_ids: Sequence[str]
) -> Sequence[Invoice]:
    """Return those of the account's invoices that exist."""
    query = _invoices_of(account).where(invoice.c.invoice_id.in_(invoice_ids))
    return await _read(connection, query)


async def find_by_stripe_id(
    connection: AsyncConnection, account: Account, stripe_invoice_id: str
) -> Invoice | None:
    query = _invoices_of(account).where(invoice.c.stripe_invoice_id == stripe_invoice_id)
    found = await _read(connection, query)
    return found[0] if found else None


async def list_invoices(
    connection: AsyncConnection, account: Account, wanted: InvoiceFilter
) -> Sequence[Invoice]:
    """Return the account's invoices, newest first."""
    query = _invoices_of(account)
    if wanted.tenant_id is not None:
        query = query.where(invoice.c.tenant_id == wanted.tenant_id)
    if wanted.state is not None:
        query = query.where(invoice.c.state == wanted.state)
    if wanted.before is not None:
        query = query.where(invoice.c.invoice_id < wanted.before)
    return await _read(connection, query.order_by(invoice.c.invoice_id.desc()).limit(wanted.limit))


async def list_waiting(connection: AsyncConnection, account: Account) -> Sequence[Invoice]:
    """Return the invoices that wait for a person: parked, or a draft with a reason."""
    query = _invoices_of(account).where(
        (invoice.c.state == "parked")
        | (invoice.c.state.in_(SYNCED_STATES) & invoice.c.reason.is_not(None))
    )
    return await _read(connection, query.order_by(invoice.c.invoice_id))


async def list_due(
    connection: AsyncConnection, now: datetime, limit: int, *, without: Collection[str] = ()
) -> Sequence[tuple[Account, str]]:
    """Return the invoices whose way through Stripe goes on now, the longest waiting first."""
    query = (
        select(invoice.c.vendor_id, invoice.c.mode, invoice.c.invoice_id)
        .where(
            invoice.c.state.in_(SYNCED_STATES),
            invoice.c.next_attempt_at <= now,
            invoice.c.invoice_id.not_in(without),
        )
        .order_by(invoice.c.next_attempt_at, invoice.c.invoice_id)
        .limit(limit)
    )
    rows = (await connection.execute(query)).all()
    return [(Account(row.vendor_id, row.mode), row.invoice_id) for row in rows]


async def read_lines(
    connection: AsyncConnection, account: Account, invoice_ids: Sequence[str]
) -> dict[str, list[InvoiceLine]]:
    """Return the lines of each invoice in their order."""
    query = (
        select(invoice_line.c.invoice_id, *_LINE_COLUMNS)
        .where(
            invoice_line.c.vendor_id == account.vendor_id,
            invoice_line.c.mode == account.mode,
            invoice_line.c.invoice_id.in_(invoice_ids),
        )
        .order_by(invoice_line.c.invoice_id, invoice_line.c.position)
    )
    lines: dict[str, list[InvoiceLine]] = {identity: [] for identity in invoice_ids}
    for row in (await connection.execute(query)).mappings():
        values = dict(row)
        lines[values.pop("invoice_id")].append(stored_line(values))
    return lines


async def read_all_sent_lines(
    connection: AsyncConnection, account: Account, invoice_ids: Sequence[str]
) -> dict[str, list[InvoiceLine]]:
    """Return what `read_sent_lines` does, for many invoices at once."""
    query = (
        select(invoice_sent_line.c.invoice_id, *_SENT_COLUMNS)
        .where(
            invoice_sent_line.c.vendor_id == account.vendor_id,
            invoice_sent_line.c.mode == account.mode,
            invoice_sent_line.c.invoice_id.in_(invoice_ids),
        )
        .order_by(invoice_sent_line.c.invoice_id, invoice_sent_line.c.position)
    )
    sent: dict[str, list[InvoiceLine]] = {}
    for row in (await connection.execute(query)).mappings():
        values = dict(row)
        sent.setdefault(values.pop("invoice_id"), []).append(stored_line(values))
    rest = [identity for identity in invoice_ids if identity not in sent]
    return sent | await read_lines(connection, account, rest)


async def read_sent_lines(connection: AsyncConnection, of: Invoice) -> list[InvoiceLine]:
    """Return the lines of an invoice as Stripe gets them, in their order."""
    sent = await read_all_sent_lines(connection, of.account, [of.invoice_id])
    return sent[of.invoice_id]


async def read_details(
    connection: AsyncConnection, account: Account, invoice_id: str
) -> Sequence[InvoiceLineDetail]:
    query = (
        select(*_DETAIL_COLUMNS)
        .where(
            invoice_line_detail.c.vendor_id == account.vendor_id,
            invoice_line_detail.c.mode == account.mode,
            invoice_line_detail.c.invoice_id == invoice_id,
        )
        .order_by(invoice_line_detail.c.line_position, invoice_line_detail.c.position)
    )
    return [InvoiceLineDetail(**row) for row in (await connection.execute(query)).mappings()]


async def update_invoice(
    connection: AsyncConnection, of: Invoice, values: dict[str, Any]
) -> Invoice:
    """Change an invoice's state or what Stripe said of it; the trigger guards everything else."""
    statement = (
        update(invoice)
        .where(
            invoice.c.vendor_id == of.vendor_id,
            invoice.c.mode == of.mode,
            invoice.c.invoice_id == of.invoice_id,
        )
        .values(values)
        .returning(*INVOICE_COLUMNS)
    )
    return Invoice(**(await connection.execute(statement)).mappings().one())


async def insert_state_change(
    connection: AsyncConnection,
    of: Invoice,
    *,
    state: str,
    reason: str | None,
    changed_at: datetime,
) -> None:
    """Append a state, or a fact beside it, to the invoice's history."""
    next_position = select(func.coalesce(func.max(invoice_state_change.c.position), 0) + 1).where(
        invoice_state_change.c.invoice_id == of.invoice_id
    )
    values = _owner(of) | {"state": state, "reason": reason, "changed_at": changed_at}
    await connection.execute(
        insert(invoice_state_change).values(position=next_position.scalar_subquery(), **values)
    )


async def take_sequence_position(connection: AsyncConnection, account: Account) -> int:
    """Take the next position of the account's sequence; it is given back if we roll back.

    The row stays locked until the transaction ends, so that no position is left out.
    """
    statement = insert(invoice_sequence).values(
        vendor_id=account.vendor_id, mode=account.mode, last_position=1
    )
    taken = statement.on_conflict_do_update(
        index_elements=["vendor_id", "mode"],
        set_={"last_position": invoice_sequence.c.last_position + 1},
    ).returning(invoice_sequence.c.last_position)
    return int((await connection.execute(taken)).scalar_one())


async def last_sequence(
    connection: AsyncConnection, account: Account, tenant_id: str, *, kind: str
) -> int:
    """Return the highest sequence of a tenant's invoices of a kind; 0 when it has none."""
    query = select(func.coalesce(func.max(invoice.c.sequence), 0)).where(
        invoice.c.vendor_id == account.vendor_id,
        invoice.c.mode == account.mode,
        invoice.c.tenant_id == tenant_id,
        invoice.c.kind == kind,
    )
    return int((await connection.execute(query)).scalar_one())


async def hurry(connection: AsyncConnection, account: Account, now: datetime) -> None:
    """Let every waiting invoice of an account go on now."""
    await connection.execute(
        update(invoice)
        .where(
            invoice.c.vendor_id == account.vendor_id,
            invoice.c.mode == account.mode,
            invoice.c.state.in_(SYNCED_STATES),
        )
        .values(next_attempt_at=now)
    )
