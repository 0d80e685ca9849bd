"""The accounts API: tenants and API keys. Mounted in pricing, whose role alone may write."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query

from shared.accounts import repository
from shared.accounts.access import Caller, requires
from shared.accounts.keys import Scope, format_key, mint_key
from shared.accounts.repository import Account
from shared.accounts.schemas import (
    ApiKeyList,
    ApiKeyMade,
    ApiKeyRead,
    ApiKeyWrite,
    Revocation,
    TenantList,
    TenantRead,
    TenantWrite,
)
from shared.clock import Clock
from shared.database import Database
from shared.errors import TallyrollError
from shared.idempotency import Once, OptionalIdempotencyKey
from shared.ids import Slug

AccountsWriter = Annotated[Caller, Depends(requires(Scope.ACCOUNTS_WRITE))]
TenantId = Annotated[Slug, Path()]
KeyId = Annotated[str, Path(pattern=r"^[0-9a-f]{16}$")]

PAGE_DEFAULT = 100
PAGE_MAX = 500
Limit = Annotated[int, Query(ge=1, le=PAGE_MAX)]
AfterTenant = Annotated[
    str, Query(pattern=r"^[a-z0-9-]{0,63}$", description="`next_after` of the page before")
]
AfterKey = Annotated[
    str | None, Query(pattern=r"^[0-9a-f]{16}$", description="`next_after` of the page before")
]


def _account(caller: Caller) -> Account:
    caller.require_vendor_key()
    return Account(caller.vendor_id, caller.mode)


def accounts_router(database: Database, pepper: bytes, clock: Clock, once: Once) -> APIRouter:
    """Return the routes under `/v1`; `once` keeps the answers to writes with a key."""
    router = APIRouter(prefix="/v1", tags=["accounts"])
    _add_tenants(router, database, once)
    _add_key_creation(router, database, pepper, once)
    _add_keys(router, database, clock, once)
    return router


def _add_tenants(router: APIRouter, database: Database, once: Once) -> None:
    @router.put("/tenants/{tenant_id}")
    async def put_tenant(
        tenant_id: TenantId,
        written: TenantWrite,
        caller: AccountsWriter,
        key: OptionalIdempotencyKey = None,
    ) -> TenantRead:
        """Create or replace a tenant."""
        account = _account(caller)
        async with database.transaction() as connection:

            async def write() -> TenantRead:
                await repository.put_tenant(connection, account, tenant_id, written)
                row = await repository.read_tenant(connection, account, tenant_id)
                return TenantRead.model_validate(row, from_attributes=False, extra="ignore")

            return await once(
                connection,
                account,
                key,
                request=(f"tenants/{tenant_id}", written),
                answer=TenantRead,
                write=write,
            )

    @router.get("/tenants")
    async def list_tenants(
        caller: AccountsWriter, after: AfterTenant = "", limit: Limit = PAGE_DEFAULT
    ) -> TenantList:
        """List tenants in the order of their ids."""
        account = _account(caller)
        async with database.transaction() as connection:
            rows = await repository.list_tenants(connection, account, after=after, limit=limit)
        return TenantList(
            tenants=[TenantRead.model_validate(row, extra="ignore") for row in rows],
            next_after=rows[-1]["tenant_id"] if len(rows) == limit else None,
        )


def _add_key_creation(router: APIRouter, database: Database, pepper: bytes, once: Once) -> None:
    @router.post("/api-keys", status_code=HTTPStatus.CREATED)
    async def create_api_key(
        written: ApiKeyWrite, caller: AccountsWriter, key: OptionalIdempotencyKey = None
    ) -> ApiKeyMade:
        """Make a key. Its text is in the first answer and nowhere else, not in a repeated one."""
        account = _account(caller)
        _refuse_wider(written, caller)
        minted = mint_key(caller.mode)
        async with database.transaction() as connection:

            async def write() -> ApiKeyRead:
                if written.tenant_id is not None:
                    await repository.read_tenant(connection, account, written.tenant_id)
                row = await repository.create_api_key(
                    connection, account, minted, written=written, pepper=pepper
                )
                return ApiKeyRead.model_validate(row, extra="ignore")

            # What is kept of the answer is without the text: that is shown here alone.
            made = await once(
                connection,
                account,
                key,
                request=("api-keys", written),
                answer=ApiKeyRead,
                write=write,
            )
        is_new = made.key_id == minted.key_id
        return ApiKeyMade(**made.model_dump(), api_key=format_key(minted) if is_new else None)


def _refuse_wider(written: ApiKeyWrite, caller: Caller) -> None:
    if beyond := written.scopes - caller.scopes:
        message = "A key gives at most the scopes that it has."
        raise TallyrollError(
            "scope_beyond_own", message, HTTPStatus.FORBIDDEN, ",".join(sorted(beyond))
        )


def _add_keys(router: APIRouter, database: Database, clock: Clock, once: Once) -> None:
    @router.get("/api-keys")
    async def list_api_keys(
        caller: AccountsWriter, after: AfterKey = None, limit: Limit = PAGE_DEFAULT
    ) -> ApiKeyList:
        """List keys, the newest first, revoked ones included."""
        account = _account(caller)
        async with database.transaction() as connection:
            rows = await repository.list_api_keys(connection, account, after=after, limit=limit)
        return ApiKeyList(
            api_keys=[ApiKeyRead.model_validate(row, extra="ignore") for row in rows],
            next_after=rows[-1]["key_id"] if len(rows) == limit else None,
        )

    @router.delete("/api-keys/{key_id}", status_code=HTTPStatus.NO_CONTENT)
    async def revoke_api_key(
        key_id: KeyId, caller: AccountsWriter, key: OptionalIdempotencyKey = None
    ) -> None:
        """Revoke a key, effective within five seconds; a second time changes nothing."""
        account = _account(caller)
        async with database.transaction() as connection:

            async def write() -> Revocation:
                await repository.revoke_api_key(connection, account, key_id, now=clock.now())
                return Revocation()

            await once(
                connection,
                account,
                key,
                request=(f"api-keys/{key_id}/revoke", Revocation()),
                answer=Revocation,
                write=write,
            )
