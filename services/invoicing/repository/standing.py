"""What Stripe said of an invoice's payments, and the facts that follow."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.invoicing.correction_tables import invoice_standing
from services.invoicing.domain.standing import Fact
from services.invoicing.models import Invoice
from services.invoicing.tables import invoice_state_change
from shared.accounts.repository import Account

_KEY = ("vendor_id", "mode", "tenant_id", "invoice_id")


@dataclass(frozen=True)
class Standing:
    """Amounts in ISO 4217 minor units, tax included."""

    paid_minor: int
    remaining_minor: int
    refunded_minor: int
    due_at: datetime | None
    facts: dict[Fact, str | None]
    observed_at: datetime


@dataclass(frozen=True)
class WaitingFacts:
    """An invoice with facts that wait for a person, among others."""

    invoice_id: str
    tenant_id: str
    facts: dict[Fact, str | None]
    observed_at: datetime


_COLUMNS = [invoice_standing.c[name] for name in Standing.__dataclass_fields__]


async def read_standing(connection: AsyncConnection, of: Invoice) -> Standing | None:
    query = select(*_COLUMNS).where(
        *(invoice_standing.c[name] == getattr(of, name) for name in _KEY)
    )
    row = (await connection.execute(query)).mappings().one_or_none()
    return None if row is None else Standing(**row)


async def put_standing(
    connection: AsyncConnection, of: Invoice, standing: Standing, *, waits: bool
) -> None:
    values: dict[str, Any] = vars(standing) | {"waits": waits}
    statement = insert(invoice_standing).values(
        **{name: getattr(of, name) for name in _KEY}, **values
    )
    await connection.execute(
        statement.on_conflict_do_update(index_elements=list(_KEY), set_=values)
    )


async def list_waiting_facts(
    connection: AsyncConnection, account: Account
) -> Sequence[WaitingFacts]:
    """Return the invoices with a fact that waits for a person, the oldest first."""
    table = invoice_standing
    query = (
        select(*(table.c[name] for name in WaitingFacts.__dataclass_fields__))
        .where(table.c.vendor_id == account.vendor_id, table.c.mode == account.mode, table.c.waits)
        .order_by(table.c.invoice_id)
    )
    return [WaitingFacts(**row) for row in (await connection.execute(query)).mappings()]


async def read_history(connection: AsyncConnection, of: Invoice) -> Sequence[RowMapping]:
    """Return what happened to an invoice, in its order: states, and facts beside them."""
    table = invoice_state_change
    query = (
        select(table.c.state, table.c.reason, table.c.changed_at)
        .where(*(table.c[name] == getattr(of, name) for name in _KEY))
        .order_by(table.c.position)
    )
    return (await connection.execute(query)).mappings().all()
