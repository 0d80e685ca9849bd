"""Routes of what invoices leave to the next ones."""

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query

from services.invoicing import carrying
from services.invoicing.api.common import BillingReader, BillingWriter, Services, account_of
from services.invoicing.carry_schemas import CarryOverPage, CarryOverRead, SettlementWrite
from services.invoicing.carrying import Settling
from services.invoicing.models import CarryOver
from services.invoicing.repository import carry_overs as repository
from services.invoicing.repository.carry_overs import CarryOverFilter
from shared.ids import Slug

CarryOverId = Annotated[str, Path(pattern=r"^[0-9a-f-]{36}$")]


def carry_overs_router(services: Services) -> APIRouter:
    """Return the routes of carried amounts under `/v1`."""
    router = APIRouter(prefix="/v1", tags=["invoices"])

    @router.get("/carry-overs")
    async def list_carry_overs(
        caller: BillingReader,
        tenant: Annotated[Slug | None, Query()] = None,
        state: Annotated[Literal["open"] | None, Query()] = None,
        before: Annotated[str | None, Query(pattern=r"^[0-9a-f-]{36}$")] = None,
        limit: Annotated[int, Query(ge=1, le=200)] = 100,
    ) -> CarryOverPage:
        """List what invoices left to the next ones, newest first; a tenant's key sees its own."""
        wanted = caller.tenant(tenant) if caller.tenant_id else tenant
        listed = CarryOverFilter(wanted, state == "open", before, limit)
        async with services.database.transaction() as connection:
            found = await repository.list_carry_overs(connection, account_of(caller), listed)
        return CarryOverPage(
            carry_overs=[_read(one) for one in found],
            next=found[-1].carry_over_id if len(found) == limit else None,
        )

    @router.post("/carry-overs/{carry_over_id}/settle")
    async def settle_carry_over(
        carry_over_id: CarryOverId, written: SettlementWrite, caller: BillingWriter
    ) -> CarryOverRead:
        """Take it off the next invoice: paid out to the tenant (below zero), or written off.

        Money is moved outside Tallyroll; this records it. 409 when an invoice has taken it already.
        """
        caller.require_vendor_key()
        settling = Settling(written.settled_as, written.reason, caller.key_id)
        async with services.database.transaction() as connection:
            settled = await carrying.settle(
                connection,
                account_of(caller),
                carry_over_id,
                settling=settling,
                clock=services.clock,
            )
        return _read(settled)

    return router


def _read(one: CarryOver) -> CarryOverRead:
    return CarryOverRead.model_validate({**vars(one), "state": one.state})
