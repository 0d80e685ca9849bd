"""The HTTP API of pricing: what programs keep in memory of their budgets."""

import re
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Response

from services.pricing.hint_board import HintBoard
from services.pricing.schemas.budget_hint import BudgetHints
from shared.accounts.access import Caller, requires
from shared.accounts.keys import Scope
from shared.accounts.repository import Account

EventsWriter = Annotated[Caller, Depends(requires(Scope.EVENTS_WRITE))]
NOT_MODIFIED = 304
AS_OF_HEADER = "Tallyroll-As-Of"
_WAIT = re.compile(r"(?:^|[,;\s])wait\s*=\s*\"?([0-9]{1,4})\"?(?:$|[,;\s])", re.IGNORECASE)
"""RFC 7240, section 4.3: whole seconds that the client is ready to wait."""


def budget_hints_router(board: HintBoard) -> APIRouter:
    """Return the route of `/v1/budget-hints`; docs/concepts/budget-hints.md is its contract."""
    router = APIRouter(prefix="/v1", tags=["envelopes"])

    @router.get("/budget-hints", response_model=BudgetHints)
    async def get_budget_hints(
        caller: EventsWriter,
        response: Response,
        if_none_match: Annotated[str | None, Header()] = None,
        prefer: Annotated[
            str | None, Header(description="`wait=20`: answer when it changes, or after 20 s")
        ] = None,
    ) -> BudgetHints | Response:
        """Return the state of all budgets that the key can use; 304 where nothing changed."""
        account = Account(caller.vendor_id, caller.mode)
        wait = _wait_of(prefer)
        if wait and if_none_match is not None:
            told = await board.changed(account, caller.tenant_id, if_none_match, wait)
        else:
            told = await board.read(account, caller.tenant_id)
        headers = {"ETag": told.etag, AS_OF_HEADER: told.as_of.isoformat()}
        if wait:
            headers["Preference-Applied"] = f"wait={wait}"
        if if_none_match == told.etag:
            return Response(status_code=NOT_MODIFIED, headers=headers)
        response.headers.update(headers)
        return told.hints

    return router


def _wait_of(prefer: str | None) -> int:
    """Return the seconds to wait; 0 for a preference that is none: it is no fault to have it."""
    found = _WAIT.search(prefer or "")
    return int(found[1]) if found else 0
