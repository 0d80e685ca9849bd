"""The HTTP API of pricing: bills and statements."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query

from services.pricing.handlers import attention, bill
from services.pricing.handlers.meter_readings import ask_live, live_lookup
from services.pricing.repository import statements
from services.pricing.schemas.bill import (
    Bill,
    StatementList,
    StatementRead,
    StatementSummary,
)
from services.pricing.schemas.fields import InDigits
from services.pricing.settings import PricingSettings
from shared.accounts.access import Caller, requires
from shared.accounts.keys import Scope
from shared.accounts.repository import Account
from shared.attention import Attention
from shared.clock import Clock
from shared.database import Database
from shared.errors import not_found
from shared.ids import Slug

CatalogWriter = Annotated[Caller, Depends(requires(Scope.CATALOG_WRITE))]
BillingReader = Annotated[Caller, Depends(requires(Scope.BILLING_READ))]
StatementId = Annotated[str, Path(pattern=r"^[0-9a-f-]{36}$")]
TenantFilter = Annotated[Slug | None, Query(description="one tenant; a tenant's key sees its own")]

POSITION_MAX = 2**62
PAGE_DEFAULT = 100
PAGE_MAX = 500

Limit = Annotated[int, InDigits, Query(ge=1, le=PAGE_MAX)]
AfterPosition = Annotated[int, InDigits, Query(ge=0, le=POSITION_MAX)]
AfterKey = Annotated[
    str, Query(pattern=r"^[a-z0-9-]{0,63}$", description="`next_after` of the page before")
]


def vendor_of(caller: Caller) -> Account:
    """Return the account of a vendor's key; a tenant's key is refused."""
    caller.require_vendor_key()
    return Account(caller.vendor_id, caller.mode)


def own_tenant(caller: Caller, named: str | None) -> str | None:
    """Return the tenant to show: the caller's own one, the named one, or all of the vendor's."""
    return caller.tenant(named) if caller.tenant_id is not None else named


def billing_router(database: Database, clock: Clock, settings: PricingSettings) -> APIRouter:
    """Return the routes of bills, statements and attention under `/v1`."""
    router = APIRouter(prefix="/v1", tags=["billing"])

    @router.get("/tenants/{tenant_id}/bill")
    async def get_bill(tenant_id: Annotated[Slug, Path()], caller: BillingReader) -> Bill:
        """Return the running bill of the open period, with the watermark that it is true for.

        Values of meters that do not add up are as new as the last answer to a reading of the bill:
        each reading asks for newer ones, once a minute at most.
        """
        account = Account(caller.vendor_id, caller.mode)
        tenant = caller.tenant(tenant_id)
        async with database.transaction("REPEATABLE READ") as connection:
            meters = await live_lookup(connection, account)
            read = await bill.read_bill(connection, account, tenant, now=clock.now(), meters=meters)
        if meters.asked:
            async with database.transaction() as connection:
                await ask_live(connection, account, meters.asked, clock.now())
        return read

    @router.get("/statements")
    async def list_statements(
        caller: BillingReader,
        tenant: TenantFilter = None,
        after: AfterPosition = 0,
        limit: Limit = PAGE_DEFAULT,
    ) -> StatementList:
        account = Account(caller.vendor_id, caller.mode)
        async with database.transaction() as connection:
            rows = await statements.list_of_tenant(
                connection, account, own_tenant(caller, tenant), after=after, limit=limit
            )
        return StatementList(
            statements=[StatementSummary.model_validate(dict(row)) for row in rows],
            next_after=rows[-1]["position"] if len(rows) == limit else None,
        )

    @router.get("/statements/{statement_id}")
    async def get_statement(statement_id: StatementId, caller: BillingReader) -> StatementRead:
        account = Account(caller.vendor_id, caller.mode)
        async with database.transaction() as connection:
            row = await statements.read(connection, account, statement_id)
        if row is None or caller.tenant_id not in {None, row["tenant_id"]}:
            raise not_found("statement", statement_id)
        return StatementRead.model_validate(row["content"])

    @router.get("/attention")
    async def get_attention(caller: BillingReader) -> Attention:
        """Return what waits for a person, with one action each."""
        account = vendor_of(caller)
        async with database.transaction("REPEATABLE READ") as connection:
            items = await attention.list_attention(
                connection, account, accepted=settings.accepted_recounts
            )
        return Attention(items=items)

    return router
