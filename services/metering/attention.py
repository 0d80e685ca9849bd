"""What waits for a person, with one action each: `GET /v1/attention`."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field
from sqlalchemy.ext.asyncio import AsyncConnection

from services.metering.api.dependencies import Needs
from services.metering.handlers.events import account_of
from services.metering.repository import deadletters, meter_requests, seals
from services.metering.repository.tenants import list_live_vendors
from shared.accounts.access import Caller, requires
from shared.accounts.keys import Scope
from shared.accounts.repository import Account
from shared.clock import utc_day

DAY = timedelta(days=1)
SEALING_SLACK = timedelta(hours=1)
"""A day that is due is sealed within seconds; one that is open so long after is stuck."""

ATTEMPTS_MAX = 6
"""A value of a meter that failed so often has been tried for a minute."""

BillingReader = Annotated[Caller, Depends(requires(Scope.BILLING_READ))]

_REPLAY = "Find the cause, then replay or discard them: tallyrollctl deadletters."
_ACTIONS = {
    "conflicting_event": "Ask who sends two contents under one id; correct the event if need be.",
    "unknown_tenant": "Create the tenant, then replay them: tallyrollctl deadletters replay.",
    "wrong_partition": "Repair the producer's partitions, then replay: tallyrollctl deadletters.",
}


class AttentionItem(BaseModel):
    """Something that waits for a person, and the one thing to do about it."""

    code: str
    subject: str
    message: str
    action: str
    count: int = Field(default=1, ge=1, description="how many of this kind wait")
    newest: datetime | None = Field(default=None, description="when the newest came")


class Attention(BaseModel):
    items: list[AttentionItem]


@dataclass(frozen=True)
class Moment:
    """When the question is asked, and how long after its end a day is sealed."""

    now: datetime
    grace: timedelta


def attention_router(grace: timedelta) -> APIRouter:
    """Return the route; it works with the dependencies of the running app."""
    router = APIRouter(prefix="/v1", tags=["operations"])

    @router.get("/attention", summary="What waits for a person")
    async def get_attention(caller: BillingReader, needs: Needs) -> Attention:
        """Return what waits for a person, with one action each."""
        caller.require_vendor_key()
        moment = Moment(needs.clock.now(), grace)
        async with needs.database.transaction("REPEATABLE READ") as connection:
            items = await list_attention(connection, account_of(caller), moment)
        return Attention(items=items)

    return router


async def list_attention(
    connection: AsyncConnection, account: Account, moment: Moment
) -> list[AttentionItem]:
    """Return all that an account's owner must look at; empty when nothing waits."""
    return [
        *await _dead_letters(connection, account),
        *await _unsealed_days(connection, account, moment),
        *await _differing_recounts(connection, account),
        *await _failing_meters(connection, account),
    ]


async def _dead_letters(connection: AsyncConnection, account: Account) -> list[AttentionItem]:
    return [
        AttentionItem(
            code="dead_letters",
            subject=row["code"],
            message=f"Events were accepted and rejected later: {row['code']}.",
            action=_ACTIONS.get(row["code"], _REPLAY),
            count=row["count"],
            newest=row["newest"],
        )
        for row in await deadletters.count_open_by_code(connection, account)
    ]


async def _unsealed_days(
    connection: AsyncConnection, account: Account, moment: Moment
) -> list[AttentionItem]:
    """A live vendor's days that should be sealed by now; its test half is sealed by hand."""
    due = utc_day(moment.now - moment.grace - SEALING_SLACK) - DAY
    vendors = {row.vendor_id: row.live_from for row in await list_live_vendors(connection, due)}
    live_from = vendors.get(account.vendor_id)
    if account.mode != "live" or live_from is None:
        return []
    through = await seals.read_sealed_through(connection, account)
    first = live_from if through is None else max(live_from, through + DAY)
    if first > due:
        return []
    return [
        AttentionItem(
            code="unsealed_days",
            subject=first.isoformat(),
            message=f"The days {first} to {due} are over and not sealed; they are not billed.",
            action="See whether worker and publisher run: a day is sealed when it is counted.",
            count=(due - first).days + 1,
        )
    ]


async def _differing_recounts(connection: AsyncConnection, account: Account) -> list[AttentionItem]:
    return [
        AttentionItem(
            code="recount_differs",
            subject=day.isoformat(),
            message="The recount from the archive does not agree with what was counted.",
            action="Compare both: tallyrollctl recount; pricing does not rate the day.",
        )
        for day in await seals.read_differing_days(connection, account)
    ]


async def _failing_meters(connection: AsyncConnection, account: Account) -> list[AttentionItem]:
    return [
        AttentionItem(
            code="meter_values_failing",
            subject=row["failure"],
            message="Values of meters that periods wait for cannot be computed; they are tried on.",
            action="See whether archive and log can be read; the publisher's log has the error.",
            count=row["count"],
        )
        for row in await meter_requests.count_failing(connection, account, attempts=ATTEMPTS_MAX)
    ]
