"""What invoices leave to the next ones."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import Select, Update, any_, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.invoicing.models import CarryOver, Invoice
from services.invoicing.repository import bulk
from services.invoicing.tables import carry_over, invoice
from shared.accounts.repository import Account
from shared.errors import not_found

_OPEN = (carry_over.c.into_invoice_id.is_(None), carry_over.c.settled_at.is_(None))
_JOINED = carry_over.join(
    invoice,
    invoice.c.invoice_id == func.coalesce(carry_over.c.of_invoice_id, carry_over.c.carry_over_id),
)
_OF_ORIGIN = {"subscription_id", "period_start", "period_end"}
_COLUMNS = [
    (invoice if name in _OF_ORIGIN else carry_over).c[name]
    for name in CarryOver.__dataclass_fields__
]


@dataclass(frozen=True)
class CarryOverFilter:
    """Which of an account to list; `before` is the id of the last one already seen."""

    tenant_id: str | None = None
    open_only: bool = False
    before: str | None = None
    limit: int = 100


def _all_of(account: Account) -> Select[Any]:
    return (
        select(*_COLUMNS)
        .select_from(_JOINED)
        .where(carry_over.c.vendor_id == account.vendor_id, carry_over.c.mode == account.mode)
    )


async def _read(connection: AsyncConnection, query: Select[Any]) -> list[CarryOver]:
    return [CarryOver(**row) for row in (await connection.execute(query)).mappings()]


async def lock_open(
    connection: AsyncConnection, account: Account, tenant_ids: Sequence[str]
) -> list[CarryOver]:
    """Return what waits for the tenants' next invoices, the oldest first; nobody else takes it.

    Who waited for the lock does not see what went with the other one: the condition is read again.
    """
    query = _all_of(account).where(
        carry_over.c.tenant_id == any_(bulk.array_of(tenant_ids)), *_OPEN
    )
    ordered = query.order_by(carry_over.c.carry_over_id)
    return await _read(connection, ordered.with_for_update(of=carry_over))


async def list_left_over(
    connection: AsyncConnection, account: Account, *, older_than: timedelta
) -> list[CarryOver]:
    """Return what no invoice has taken over for so long, the oldest first."""
    old = carry_over.c.created_at < func.now() - older_than
    query = _all_of(account).where(*_OPEN, old).order_by(carry_over.c.carry_over_id)
    return await _read(connection, query)


async def insert_carry_over(
    connection: AsyncConnection, of: Invoice, values: dict[str, Any]
) -> None:
    """Record what an invoice leaves; its id is the invoice's, so that it leaves it once.

    `values` may name another id, of a credit that could not be made.
    """
    owner = {"vendor_id": of.vendor_id, "mode": of.mode, "tenant_id": of.tenant_id}
    fixed = {"carry_over_id": of.invoice_id, "currency": of.currency}
    await connection.execute(insert(carry_over).values(owner | fixed | values))


async def put_on_invoice(
    connection: AsyncConnection, onto: Invoice, carry_over_ids: Sequence[str]
) -> int:
    """Record that an invoice has taken these; return how many were still open."""
    statement = _change_of(onto.account).where(carry_over.c.carry_over_id.in_(carry_over_ids))
    taken = await connection.execute(
        statement.where(*_OPEN).values(into_invoice_id=onto.invoice_id)
    )
    return taken.rowcount


async def give_back(connection: AsyncConnection, of: Invoice) -> None:
    """Open again what an invoice had taken."""
    statement = _change_of(of.account).where(carry_over.c.into_invoice_id == of.invoice_id)
    await connection.execute(statement.values(into_invoice_id=None))


async def settle(
    connection: AsyncConnection, account: Account, carry_over_id: str, values: dict[str, Any]
) -> None:
    """Record that it goes on no invoice; whoever calls holds it locked, and it is open."""
    statement = _change_of(account).where(carry_over.c.carry_over_id == carry_over_id, *_OPEN)
    await connection.execute(statement.values(values))


def _change_of(account: Account) -> Update:
    return update(carry_over).where(
        carry_over.c.vendor_id == account.vendor_id, carry_over.c.mode == account.mode
    )


async def read_carry_over(
    connection: AsyncConnection, account: Account, carry_over_id: str, *, lock: bool = False
) -> CarryOver:
    """Return one of the account's; raises `unknown_carry_over`."""
    query = _all_of(account).where(carry_over.c.carry_over_id == carry_over_id)
    found = await _read(connection, query.with_for_update(of=carry_over) if lock else query)
    if not found:
        raise not_found("carry_over", carry_over_id)
    return found[0]


async def list_carry_overs(
    connection: AsyncConnection, account: Account, wanted: CarryOverFilter
) -> list[CarryOver]:
    """Return the account's, newest first."""
    query = _all_of(account)
    if wanted.tenant_id is not None:
        query = query.where(carry_over.c.tenant_id == wanted.tenant_id)
    if wanted.open_only:
        query = query.where(*_OPEN)
    if wanted.before is not None:
        query = query.where(carry_over.c.carry_over_id < wanted.before)
    ordered = query.order_by(carry_over.c.carry_over_id.desc())
    return await _read(connection, ordered.limit(wanted.limit))
