"""The HTTP API of pricing: what programs keep in memory of their budgets."""

from typing import Annotated

from fastapi import APIRouter, Depends, Header, Response

from services.pricing.handlers.envelopes.hints import etag_of, read_hints
from services.pricing.schemas.budget_hint import BudgetHints
from shared.accounts.access import Caller, requires
from shared.accounts.keys import Scope
from shared.accounts.repository import Account
from shared.clock import Clock
from shared.database import Database

EventsWriter = Annotated[Caller, Depends(requires(Scope.EVENTS_WRITE))]
NOT_MODIFIED = 304
AS_OF_HEADER = "Tallyroll-As-Of"


def budget_hints_router(database: Database, clock: Clock) -> APIRouter:
    """Return the route of `/v1/budget-hints`; docs/concepts/budget-hints.md is its contract."""
    router = APIRouter(prefix="/v1", tags=["envelopes"])

    @router.get("/budget-hints", response_model=BudgetHints)
    async def get_budget_hints(
        caller: EventsWriter,
        response: Response,
        if_none_match: Annotated[str | None, Header()] = None,
    ) -> BudgetHints | Response:
        """Return the state of all budgets that the key can use; 304 where nothing changed."""
        account = Account(caller.vendor_id, caller.mode)
        async with database.transaction("REPEATABLE READ") as connection:
            hints, as_of = await read_hints(connection, account, caller.tenant_id, now=clock.now())
        headers = {"ETag": etag_of(hints), AS_OF_HEADER: as_of.isoformat()}
        if if_none_match == headers["ETag"]:
            return Response(status_code=NOT_MODIFIED, headers=headers)
        response.headers.update(headers)
        return hints

    return router
