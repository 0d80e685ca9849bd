"""The only SQL of accounts; everything is looked up by vendor and mode first."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import RowMapping, func, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.accounts.keys import ParsedKey, hash_secret
from shared.accounts.schemas import ApiKeyWrite, TenantWrite
from shared.accounts.tables import api_key, tenant, vendor
from shared.errors import conflict, not_found
from shared.events.message import Mode


@dataclass(frozen=True)
class Account:
    """The side of the world that a request acts in: a vendor's test or live half."""

    vendor_id: str
    mode: Mode


async def create_vendor(
    connection: AsyncConnection, vendor_id: str, *, name: str, live_from: date
) -> bool:
    """Create a vendor; False when there is one already (it is left as it is)."""
    values = {"vendor_id": vendor_id, "name": name, "live_from": live_from}
    result = await connection.execute(
        insert(vendor).values(values).on_conflict_do_nothing().returning(vendor.c.vendor_id)
    )
    return result.first() is not None


async def read_vendor(connection: AsyncConnection, vendor_id: str) -> RowMapping:
    """Return a vendor's row; raises `unknown_vendor`."""
    query = select(vendor).where(vendor.c.vendor_id == vendor_id)
    row = (await connection.execute(query)).mappings().one_or_none()
    if row is None:
        raise not_found("vendor", vendor_id)
    return row


async def put_tenant(
    connection: AsyncConnection, account: Account, tenant_id: str, written: TenantWrite
) -> None:
    """Create or replace a tenant."""
    values: dict[str, Any] = written.model_dump()
    values["legal_name"] = written.legal_name or written.name
    keys = {"vendor_id": account.vendor_id, "mode": account.mode, "tenant_id": tenant_id}
    statement = insert(tenant).values(**keys, **values)
    await connection.execute(
        statement.on_conflict_do_update(index_elements=list(keys), set_=values)
    )


async def read_tenant(connection: AsyncConnection, account: Account, tenant_id: str) -> RowMapping:
    """Return a tenant's row; raises `unknown_tenant`."""
    query = _tenants(account).where(tenant.c.tenant_id == tenant_id)
    row: RowMapping | None = (await connection.execute(query)).mappings().one_or_none()
    if row is None:
        raise not_found("tenant", tenant_id)
    return row


async def read_tenants(
    connection: AsyncConnection, account: Account, tenant_ids: Sequence[str]
) -> Sequence[RowMapping]:
    """Return the rows of those tenants that exist."""
    query = _tenants(account).where(tenant.c.tenant_id.in_(tenant_ids))
    return (await connection.execute(query)).mappings().all()


async def list_tenants(
    connection: AsyncConnection, account: Account, *, after: str, limit: int
) -> Sequence[RowMapping]:
    """Return the account's tenants behind an id, in the order of their ids."""
    query = _tenants(account).where(tenant.c.tenant_id > after)
    query = query.order_by(tenant.c.tenant_id).limit(limit)
    return (await connection.execute(query)).mappings().all()


def _tenants(account: Account) -> Any:
    return select(tenant).where(
        tenant.c.vendor_id == account.vendor_id, tenant.c.mode == account.mode
    )


async def create_api_key(
    connection: AsyncConnection,
    account: Account,
    key: ParsedKey,
    *,
    written: ApiKeyWrite,
    pepper: bytes,
) -> RowMapping:
    """Store a minted key's hash; raises `api_key_exists` for a name that is in use."""
    values = {
        "key_id": key.key_id,
        "vendor_id": account.vendor_id,
        "mode": account.mode,
        "tenant_id": written.tenant_id,
        "name": written.name,
        "secret_hash": hash_secret(pepper, key.secret),
        "scopes": sorted(written.scopes),
        "expires_at": written.expires_at,
    }
    try:
        result = await connection.execute(insert(api_key).values(values).returning(api_key))
    except IntegrityError as error:
        message = "There is an active key of this name; revoke it, or choose another name."
        raise conflict("api_key_exists", message, subject=written.name) from error
    row: RowMapping = result.mappings().one()
    return row


async def list_api_keys(
    connection: AsyncConnection, account: Account, *, after: str | None, limit: int
) -> Sequence[RowMapping]:
    """Return the account's keys behind one, newest first, revoked ones included."""
    place = tuple_(api_key.c.created_at, api_key.c.key_id)
    own = (api_key.c.vendor_id == account.vendor_id, api_key.c.mode == account.mode)
    query = select(api_key).where(*own)
    if after is not None:
        last = select(api_key.c.created_at, api_key.c.key_id).where(*own, api_key.c.key_id == after)
        query = query.where(place < last.scalar_subquery())
    query = query.order_by(api_key.c.created_at.desc(), api_key.c.key_id.desc()).limit(limit)
    return (await connection.execute(query)).mappings().all()


async def revoke_api_key(
    connection: AsyncConnection, account: Account, key_id: str, *, now: datetime
) -> None:
    """Revoke a key, effective in seconds; the first time counts. Raises `unknown_api_key`."""
    revoked = (
        update(api_key)
        .where(
            api_key.c.key_id == key_id,
            api_key.c.vendor_id == account.vendor_id,
            api_key.c.mode == account.mode,
        )
        .values(revoked_at=func.coalesce(api_key.c.revoked_at, now))
        .returning(api_key.c.key_id)
    )
    if (await connection.execute(revoked)).first() is None:
        raise not_found("api_key", key_id)
