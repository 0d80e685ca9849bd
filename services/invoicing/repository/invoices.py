"""Invoices, their lines, details, numbers and history."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Select, TextClause, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.invoicing.domain.invoice_key import InvoiceKey
from services.invoicing.domain.states import SYNCED_STATES, State
from services.invoicing.models import Invoice, InvoiceLine, InvoiceLineDetail, stored_line
from services.invoicing.repository import bulk
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
OWNER = ("vendor_id", "mode", "tenant_id", "invoice_id")
_LINE_COLUMNS = [
    invoice_line.c[field.name] for field in fields(InvoiceLine) if field.name != "steps"
]
SENT_COLUMNS = [
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


async def rating_hash_of(connection: AsyncConnection, key: InvoiceKey) -> str:
    """Return the hash of the statement that the key's invoice was made of."""
    query = select(invoice.c.rating_hash).where(invoice.c.invoice_key == str(key))
    return str((await connection.execute(query)).scalar_one())


def owner_of(of: Invoice) -> dict[str, str]:
    """Return whose an invoice is, and its id: the first columns of all that belongs to it."""
    return {name: getattr(of, name) for name in OWNER}


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
        select(invoice_sent_line.c.invoice_id, *SENT_COLUMNS)
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
    (changed,) = await update_invoices(connection, [(of, values)])
    return changed


async def update_invoices(
    connection: AsyncConnection, changes: Sequence[tuple[Invoice, dict[str, Any]]]
) -> list[Invoice]:
    """Change invoices, none of which is named twice; return them as they are then, in order."""
    by_names: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for of, values in changes:
        by_names.setdefault(tuple(sorted(values)), []).append(owner_of(of) | values)
    changed: dict[str, Invoice] = {}
    for names, rows in by_names.items():
        arrays = bulk.columns(rows, (*OWNER, *names))
        found = (await connection.execute(_update_of(names), arrays)).mappings()
        changed |= {row["invoice_id"]: Invoice(**row) for row in found}
    return [changed[of.invoice_id] for of, _ in changes]


@cache
def _update_of(names: tuple[str, ...]) -> TextClause:
    """Return the statement that changes these columns."""
    return text(f"""
update invoicing.invoice i set {", ".join(f"{name} = given.{name}" for name in names)}
from {bulk.unnested(invoice, (*OWNER, *names))}
where {" and ".join(f"i.{name} = given.{name}" for name in OWNER)}
returning {", ".join(f"i.{name}" for name in Invoice.__dataclass_fields__)}
""")  # noqa: S608 - names of columns


_HISTORY = (*OWNER, "state", "reason", "changed_at")
_APPEND = text(f"""
insert into invoicing.invoice_state_change as c ({", ".join(_HISTORY)}, position)
select given.*, 1 + coalesce(
  (select max(c.position) from invoicing.invoice_state_change c
   where {" and ".join(f"c.{name} = given.{name}" for name in OWNER)}), 0)
from {bulk.unnested(invoice_state_change, _HISTORY)}
""")  # noqa: S608


@dataclass(frozen=True)
class StateChange:
    """A state that an invoice reached, or a fact beside it."""

    of: Invoice
    state: str
    reason: str | None
    changed_at: datetime


async def insert_state_changes(connection: AsyncConnection, changes: Sequence[StateChange]) -> None:
    """Append to the history of invoices, none of which is named twice."""
    if changes:
        rows = [owner_of(one.of) | vars(one) for one in changes]
        await connection.execute(_APPEND, bulk.columns(rows, _HISTORY))


async def take_sequence_positions(
    connection: AsyncConnection, account: Account, count: int
) -> Sequence[int]:
    """Take the next positions of the account's sequence; they are given back if we roll back.

    The row stays locked until the transaction ends, so that no position is left out.
    """
    statement = insert(invoice_sequence).values(
        vendor_id=account.vendor_id, mode=account.mode, last_position=count
    )
    taken = statement.on_conflict_do_update(
        index_elements=["vendor_id", "mode"],
        set_={"last_position": invoice_sequence.c.last_position + count},
    ).returning(invoice_sequence.c.last_position)
    last = int((await connection.execute(taken)).scalar_one())
    return range(last - count + 1, last + 1)


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
