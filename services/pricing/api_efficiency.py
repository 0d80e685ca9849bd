"""The HTTP API of pricing: where tokens were saved, wasted or could be cheaper."""

from typing import Annotated, Any

from fastapi import APIRouter, Body

from services.pricing.api import BillingReader, vendor_of
from services.pricing.efficiency_plots import plots_of
from services.pricing.handlers.efficiency import efficiency
from services.pricing.schemas.efficiency import EfficiencyWrite
from services.pricing.schemas.efficiency_report import EfficiencyRead
from services.pricing.schemas.reading import body_schema, read_body
from shared.accounts.access import Caller
from shared.accounts.repository import read_tenant
from shared.database import Database


def efficiency_router(database: Database) -> APIRouter:
    """Return the route of efficiency under `/v1`."""
    router = APIRouter(prefix="/v1", tags=["economics"])

    async def answer(caller: Caller, content: Any) -> EfficiencyRead:
        account = vendor_of(caller)
        written = read_body(EfficiencyWrite, content, code="invalid_efficiency")
        async with database.transaction("REPEATABLE READ") as connection:
            if written.tenant is not None:
                await read_tenant(connection, account, written.tenant)
            return await efficiency(connection, account, written)

    @router.post("/efficiency", openapi_extra=body_schema(EfficiencyWrite))
    async def post_efficiency(
        caller: BillingReader, content: Annotated[Any, Body()]
    ) -> EfficiencyRead:
        """Say what caches saved, what was wasted, and what stated changes would save.

        Of a tenant that does not exist it is `unknown_tenant`, and no saving of 0.
        """
        return await answer(caller, content)

    @router.post("/efficiency/plots", openapi_extra=body_schema(EfficiencyWrite))
    async def post_efficiency_plots(
        caller: BillingReader, content: Annotated[Any, Body()]
    ) -> dict[str, dict[str, Any]]:
        """Return pictures of the same, as Vega-Lite specs by name."""
        return plots_of(await answer(caller, content))

    return router
