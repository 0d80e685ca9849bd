"""What a passage to Stripe reads of its tenants' tax, and what Stripe has been told of it."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import and_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.invoicing.models import TaxId, TenantTax
from services.invoicing.tax_tables import tax_setting, tenant_tax_at_stripe
from shared.accounts.repository import Account


async def read_tenants_tax(
    connection: AsyncConnection, account: Account, tenant_ids: Sequence[str]
) -> dict[str, TenantTax]:
    """Return the tax ids of tenants and what Stripe has; tenants without either are left out."""
    wanted, told = tax_setting, tenant_tax_at_stripe
    owned = [
        and_(
            table.c.vendor_id == account.vendor_id,
            table.c.mode == account.mode,
            table.c.tenant_id.in_(tenant_ids),
        )
        for table in (wanted, told)
    ]
    # Each side by its own key, before they are joined: no index serves a condition on either.
    left = select(wanted).where(owned[0]).subquery()
    right = select(told).where(owned[1]).subquery()
    joined = left.join(right, left.c.tenant_id == right.c.tenant_id, full=True)
    query = select(
        left.c.tenant_id.label("wanted_of"),
        right.c.tenant_id.label("told_of"),
        left.c.tax_ids.label("wanted"),
        right.c.tax_ids.label("told"),
        right.c.not_located,
    ).select_from(joined)
    rows = (await connection.execute(query)).mappings()
    return {
        row["wanted_of"] or row["told_of"]: TenantTax(
            tax_ids=tuple(TaxId(**one) for one in row["wanted"] or ()),
            at_stripe=_told(row["told"] or ()),
            not_located=row["not_located"],
        )
        for row in rows
    }


def _told(rows: Sequence[Mapping[str, str]]) -> dict[TaxId, str]:
    return {TaxId(row["type"], row["value"]): row["id"] for row in rows}


async def put_tax_ids(
    connection: AsyncConnection, account: Account, tenant_id: str, told: Mapping[TaxId, str]
) -> None:
    """Record the tax ids that Stripe has of a tenant."""
    rows = [vars(one) | {"id": identity} for one, identity in told.items()]
    await _put(connection, account, tenant_id, {"tax_ids": rows})


async def put_not_located(
    connection: AsyncConnection, account: Account, tenant_id: str, address: Mapping[str, str]
) -> None:
    """Record an address that Stripe knew no place for."""
    await _put(connection, account, tenant_id, {"not_located": dict(address)})


async def _put(
    connection: AsyncConnection, account: Account, tenant_id: str, values: dict[str, Any]
) -> None:
    keys = {"vendor_id": account.vendor_id, "mode": account.mode, "tenant_id": tenant_id}
    statement = insert(tenant_tax_at_stripe).values(**keys, **({"tax_ids": []} | values))
    await connection.execute(
        statement.on_conflict_do_update(index_elements=list(keys), set_=values)
    )
