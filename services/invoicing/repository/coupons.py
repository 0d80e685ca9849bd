"""Coupons of tenants, and how many invoices have them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Select, any_, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.invoicing.domain.line_kinds import COUPON_PREFIX
from services.invoicing.models import StoredCoupon
from services.invoicing.repository import bulk
from services.invoicing.tables import invoice, invoice_coupon, invoice_line
from shared.accounts.repository import Account
from shared.errors import not_found

_INVOICES = (
    select(func.count())
    .select_from(invoice_line.join(invoice, invoice.c.invoice_id == invoice_line.c.invoice_id))
    .where(
        invoice_line.c.vendor_id == invoice_coupon.c.vendor_id,
        invoice_line.c.mode == invoice_coupon.c.mode,
        invoice_line.c.tenant_id == invoice_coupon.c.tenant_id,
        invoice_line.c.line_key == COUPON_PREFIX + invoice_coupon.c.coupon_id,
        invoice.c.state != "void",
    )
    .correlate(invoice_coupon)
    .scalar_subquery()
    .label("invoices")
)
_STORED = [
    invoice_coupon.c[name] for name in StoredCoupon.__dataclass_fields__ if name != "invoices"
]


def _of_tenants(account: Account, tenant_ids: Sequence[str]) -> Select[Any]:
    return (
        select(*_STORED, _INVOICES)
        .where(
            invoice_coupon.c.vendor_id == account.vendor_id,
            invoice_coupon.c.mode == account.mode,
            invoice_coupon.c.tenant_id == any_(bulk.array_of(tenant_ids)),
        )
        .order_by(invoice_coupon.c.created_at, invoice_coupon.c.coupon_id)
    )


async def _read(connection: AsyncConnection, query: Select[Any]) -> list[StoredCoupon]:
    return [StoredCoupon(**row) for row in (await connection.execute(query)).mappings()]


async def list_coupons(
    connection: AsyncConnection, account: Account, tenant_id: str
) -> list[StoredCoupon]:
    """Return a tenant's coupons in the order in which they are applied: the oldest first."""
    return await _read(connection, _of_tenants(account, [tenant_id]))


async def lock_coupons(
    connection: AsyncConnection, account: Account, tenant_ids: Sequence[str]
) -> list[StoredCoupon]:
    """Return the tenants' coupons, the oldest first, none of which is used by anybody else.

    They are held until the transaction ends. How often they were used is read afterwards: a
    statement sees what was stored before it began.
    """
    locked = select(invoice_coupon.c.coupon_id).where(
        invoice_coupon.c.vendor_id == account.vendor_id,
        invoice_coupon.c.mode == account.mode,
        invoice_coupon.c.tenant_id == any_(bulk.array_of(tenant_ids)),
        invoice_coupon.c.ended_at.is_(None),
    )
    ordered = locked.order_by(invoice_coupon.c.tenant_id, invoice_coupon.c.coupon_id)
    await connection.execute(ordered.with_for_update())
    return await _read(connection, _of_tenants(account, tenant_ids))


async def read_coupon(
    connection: AsyncConnection, account: Account, tenant_id: str, coupon_id: str
) -> StoredCoupon:
    """Return one coupon; raises `unknown_coupon`."""
    query = _of_tenants(account, [tenant_id]).where(invoice_coupon.c.coupon_id == coupon_id)
    found = await _read(connection, query)
    if not found:
        raise not_found("coupon", coupon_id)
    return found[0]


async def insert_coupon(
    connection: AsyncConnection, account: Account, values: dict[str, Any]
) -> None:
    """Store a coupon; one of the same id stays as it is."""
    owner = {"vendor_id": account.vendor_id, "mode": account.mode}
    await connection.execute(
        insert(invoice_coupon).values(**owner, **values).on_conflict_do_nothing()
    )


async def end_coupon(
    connection: AsyncConnection, account: Account, coupon: StoredCoupon, *, by: str, now: datetime
) -> None:
    """End a coupon; one that has ended stays as it is."""
    await connection.execute(
        update(invoice_coupon)
        .where(
            invoice_coupon.c.vendor_id == account.vendor_id,
            invoice_coupon.c.mode == account.mode,
            invoice_coupon.c.tenant_id == coupon.tenant_id,
            invoice_coupon.c.coupon_id == coupon.coupon_id,
            invoice_coupon.c.ended_at.is_(None),
        )
        .values(ended_by=by, ended_at=now)
    )
