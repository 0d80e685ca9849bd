"""New invoices with their lines and details, many at once."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import Table, TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.invoicing.domain.invoice_key import InvoiceKey
from services.invoicing.domain.taxing import Tax
from services.invoicing.models import Invoice, InvoiceLine, InvoiceLineDetail
from services.invoicing.repository import bulk
from services.invoicing.repository.invoices import OWNER, SENT_COLUMNS
from services.invoicing.tables import (
    invoice,
    invoice_line,
    invoice_line_detail,
    invoice_sent_line,
)


async def insert_invoice(
    connection: AsyncConnection, key: InvoiceKey, values: dict[str, Any]
) -> Invoice | None:
    """Create an invoice; None when its key has one already."""
    (made,) = await insert_invoices(connection, [(key, values)])
    return made


async def insert_invoices(
    connection: AsyncConnection, new: Sequence[tuple[InvoiceKey, dict[str, Any]]]
) -> list[Invoice | None]:
    """Create invoices of different keys; None for a key that has one already."""
    rows = [vars(key) | values | {"invoice_key": str(key)} for key, values in new]
    if not rows:
        return []
    found = await connection.execute(_CREATE, bulk.columns(rows, _CREATED))
    made = {row["invoice_key"]: Invoice(**row) for row in found.mappings()}
    return [made.get(row["invoice_key"]) for row in rows]


_CREATED = (
    *InvoiceKey.__dataclass_fields__,
    *("invoice_id", "invoice_key", "period_end", "statement_id", "rating_hash", "currency"),
    *("total_exact", "total_minor", "lines_sha256", "state", "reason"),
    *("tax_treatment", "tax_minor", "tax_text", "created_at", "next_attempt_at"),
)
_CREATE = text(f"""
insert into invoicing.invoice ({", ".join(_CREATED)})
select * from {bulk.unnested(invoice, _CREATED)}
on conflict (invoice_key) do nothing returning {", ".join(Invoice.__dataclass_fields__)}
""")  # noqa: S608 - names of columns


@dataclass(frozen=True)
class Content:
    """What a new invoice consists of; `sent` is empty where the lines are sent as they are."""

    of: Invoice
    lines: Sequence[InvoiceLine]
    details: Sequence[InvoiceLineDetail] = ()
    sent: Sequence[InvoiceLine] = ()
    taxes: Sequence[Tax] = ()


async def insert_contents(connection: AsyncConnection, contents: Sequence[Content]) -> None:
    """Store the lines of invoices and their details; they never change afterwards."""
    lines = [(one.of, line) for one in contents for line in one.lines]
    sent = [(one.of, line) for one in contents for line in one.sent]
    details = [(one.of, detail) for one in contents for detail in one.details]
    await _insert_parts(connection, invoice_line, _LINE, lines)
    await _insert_parts(connection, invoice_sent_line, _SENT, sent)
    await _insert_parts(connection, invoice_line_detail, _DETAIL, details)


_LINE = tuple(InvoiceLine.__dataclass_fields__)
_SENT = tuple(column.name for column in SENT_COLUMNS)
_DETAIL = tuple(InvoiceLineDetail.__dataclass_fields__)


@cache
def _insert_into(table: Table, names: tuple[str, ...]) -> TextClause:
    every = (*OWNER, *names)
    return text(
        f"insert into {table.fullname} ({', '.join(every)})"  # noqa: S608 - names of columns
        f" select * from {bulk.unnested(table, every)}"
    )


async def _insert_parts(
    connection: AsyncConnection,
    table: Table,
    names: tuple[str, ...],
    parts: Sequence[tuple[Invoice, InvoiceLine | InvoiceLineDetail]],
) -> None:
    """Store lines or details beside their invoices."""
    if not parts:
        return
    arrays: dict[str, list[Any]] = {name: [getattr(of, name) for of, _ in parts] for name in OWNER}
    arrays |= {name: [getattr(part, name) for _, part in parts] for name in names}
    for name in {"steps", "taxes"} & arrays.keys():
        arrays[name] = [json.dumps([vars(part) for part in given]) for given in arrays[name]]
    await connection.execute(_insert_into(table, names), arrays)
