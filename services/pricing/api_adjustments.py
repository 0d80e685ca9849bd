"""The HTTP API of pricing: periods that turn out cheaper, and how they are settled."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel

from services.pricing.api import BillingReader, StatementId, own_tenant, vendor_of
from services.pricing.handlers.crediting import order_credit
from services.pricing.handlers.idempotency import once
from services.pricing.repository import adjustments, statements
from services.pricing.repository.adjustments import VENDOR_ITSELF, AdjustmentSetting
from services.pricing.schemas.adjustment import (
    AdjustmentSettingRead,
    AdjustmentSettingWrite,
    CreditedAdjustment,
    CreditedAdjustments,
    CreditOrdered,
)
from shared.accounts.access import Caller, requires
from shared.accounts.keys import Scope
from shared.accounts.repository import Account, read_tenant
from shared.clock import Clock
from shared.database import Database
from shared.errors import not_found
from shared.events.statement_rated import AdjustmentCredited
from shared.idempotency import IdempotencyKey
from shared.ids import Slug

BillingWriter = Annotated[Caller, Depends(requires(Scope.BILLING_WRITE))]


class Nothing(BaseModel):
    """An order that says all by its path."""


def adjustments_router(database: Database, clock: Clock) -> APIRouter:
    """Return the routes under `/v1`."""
    router = APIRouter(prefix="/v1", tags=["billing"])
    _add_settings(router, database, clock)

    @router.post("/statements/{statement_id}/credit")
    async def credit_statement(
        statement_id: StatementId, caller: BillingWriter, key: IdempotencyKey
    ) -> CreditOrdered:
        """Rate a closed period by all usage that is sealed, and credit what it is cheaper by.

        409 `nothing_to_credit` where it is not: what is dearer goes on the next statement.
        """
        account = vendor_of(caller)
        async with database.transaction() as connection:

            async def write() -> CreditOrdered:
                made = await order_credit(connection, account, statement_id)
                if made is None:
                    return CreditOrdered(state="waits_for_values", adjustment=None)
                return CreditOrdered(state="credited", adjustment=_shown(made))

            request = (f"statements/{statement_id}/credit", Nothing())
            return await once(
                connection, account, key, request=request, answer=CreditOrdered, write=write
            )

    @router.get("/statements/{statement_id}/credits")
    async def list_credits(statement_id: StatementId, caller: BillingReader) -> CreditedAdjustments:
        """List what was credited of a statement's period since it was billed."""
        account = Account(caller.vendor_id, caller.mode)
        async with database.transaction() as connection:
            row = await statements.read(connection, account, statement_id)
            if row is None or caller.tenant_id not in {None, row["tenant_id"]}:
                raise not_found("statement", statement_id)
            found = await adjustments.list_credits(connection, account, statement_id)
        return CreditedAdjustments(
            statement_id=statement_id, adjustments=[_shown(one) for one in found]
        )

    return router


def _add_settings(router: APIRouter, database: Database, clock: Clock) -> None:
    @router.put("/adjustment-settings")
    async def put_adjustment_settings(
        written: AdjustmentSettingWrite, caller: BillingWriter
    ) -> AdjustmentSettingRead:
        """Say how differences below zero are settled, for a tenant or for all others."""
        account = vendor_of(caller)
        setting = AdjustmentSetting(written.negative_adjustments, written.settlement)
        async with database.transaction() as connection:
            if written.tenant is not None:
                await read_tenant(connection, account, written.tenant)  # or `unknown_tenant`
            await adjustments.put_setting(
                connection, account, written.tenant or VENDOR_ITSELF, setting, clock.now()
            )
        return AdjustmentSettingRead.model_validate(vars(setting))

    @router.get("/adjustment-settings")
    async def get_adjustment_settings(
        caller: BillingReader, tenant: Annotated[Slug | None, Query()] = None
    ) -> AdjustmentSettingRead:
        """Return the setting that is in force for a tenant, or for tenants without their own."""
        account = Account(caller.vendor_id, caller.mode)
        wanted = own_tenant(caller, tenant) or VENDOR_ITSELF
        async with database.transaction() as connection:
            found = await adjustments.read_setting(connection, account, wanted)
        return AdjustmentSettingRead.model_validate(vars(found))


def _shown(credited: AdjustmentCredited) -> CreditedAdjustment:
    names = CreditedAdjustment.model_fields
    return CreditedAdjustment.model_validate({name: getattr(credited, name) for name in names})
