"""What waits for a person, with one action each: `GET /v1/attention`."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends
from sqlalchemy.ext.asyncio import AsyncConnection

from services.metering.api.dependencies import Needs
from services.metering.handlers.events import account_of
from services.metering.repository import attention, deadletters, meter_requests, seals
from services.metering.repository.tenants import list_live_vendors
from shared.accounts.access import Caller, requires
from shared.accounts.keys import Scope
from shared.accounts.repository import Account
from shared.attention import Attention, AttentionItem, call, command, day_begins
from shared.clock import utc_day

DAY = timedelta(days=1)
SEALING_SLACK = timedelta(hours=1)
"""A day that is due is sealed within seconds; one that is open so long after is stuck."""

RECOUNT_TIME = timedelta(hours=1)
"""A sealed day is counted again within minutes; one that waits so long is stuck."""

ATTEMPTS_MAX = 6
"""A value of a meter that failed so often has been tried for a minute."""

BillingReader = Annotated[Caller, Depends(requires(Scope.BILLING_READ))]

CONFLICT = "conflicting_event"
_REPLAY = "Find the cause, then replay or discard them."
_ACTIONS = {
    CONFLICT: "Ask who sends two contents under one id; correct the event if need be.",
    "unknown_tenant": "Create the tenant, then replay them.",
    "wrong_partition": "Repair the producer's partitions, then replay them.",
}


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
        *await _days_before_live(connection, account, moment),
        *await _recounts(connection, account, moment),
        *await _failing_meters(connection, account),
    ]


async def _dead_letters(connection: AsyncConnection, account: Account) -> list[AttentionItem]:
    listing = f"tallyrollctl deadletters list --vendor {account.vendor_id} --code"
    return [
        AttentionItem(
            code="conflicts" if row["code"] == CONFLICT else "dead_letters",
            subject=row["code"],
            ids={"rejection": row["code"]},
            message=f"Events were accepted and rejected later: {row['code']}.",
            since=row["oldest"],
            newest=row["newest"],
            count=row["count"],
            action=command(f"{listing} {row['code']}", _ACTIONS.get(row["code"], _REPLAY)),
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
    text = "See whether worker and publisher run; this seals the days as soon as they are counted."
    return [
        AttentionItem(
            code="unsealed_days",
            subject=first.isoformat(),
            ids={"first_day": first.isoformat(), "last_day": due.isoformat()},
            message=f"The days {first} to {due} are over and not sealed; they are not billed.",
            since=day_begins(first + DAY) + moment.grace,
            count=(due - first).days + 1,
            action=command(_close(account, due), text),
        )
    ]


async def _days_before_live(
    connection: AsyncConnection, account: Account, moment: Moment
) -> list[AttentionItem]:
    """Usage of days before the vendor went live: only a person closes those (rule 5.2)."""
    live_from = await attention.read_live_from(connection, account.vendor_id)
    if live_from is None:
        return []
    last = min(live_from, utc_day(moment.now)) - DAY
    through = await seals.read_sealed_through(connection, account)
    booked = await attention.count_booked_days(connection, account, after=through, through=last)
    if booked.first is None:
        return []
    return [
        AttentionItem(
            code="days_before_live",
            subject=booked.first.isoformat(),
            ids={"first_day": booked.first.isoformat(), "last_day": last.isoformat()},
            message=f"Usage is booked on days before {live_from}, which nobody has closed.",
            since=day_begins(booked.first + DAY),
            count=booked.days,
            action=command(_close(account, last), "Close them when all of their usage is sent."),
        )
    ]


def _close(account: Account, through: date) -> str:
    whose = f"--vendor {account.vendor_id} --mode {account.mode}"
    return f"tallyrollctl close {whose} --through {through}"


async def _recounts(
    connection: AsyncConnection, account: Account, moment: Moment
) -> list[AttentionItem]:
    """Sealed days whose recount differs, and those whose recount does not come."""
    stuck = moment.now - RECOUNT_TIME
    rows = await attention.list_recounts(connection, account, pending_before=stuck)
    return [_recount(account, day, outcome, since) for day, outcome, since in rows]


def _recount(account: Account, day: date, outcome: str, since: datetime) -> AttentionItem:
    differs = outcome == "differs"
    again = f"tallyrollctl recount --vendor {account.vendor_id} --mode {account.mode} --day {day}"
    return AttentionItem(
        code="recount_differs" if differs else "recount_pending",
        subject=day.isoformat(),
        ids={"day": day.isoformat()},
        message=(
            "The recount from the archive does not agree with what was counted."
            if differs
            else "The day is sealed and was not counted again yet: see whether the archiver runs."
        ),
        since=since,
        action=command(again, "Compare both; pricing does not rate the day until they agree."),
    )


async def _failing_meters(connection: AsyncConnection, account: Account) -> list[AttentionItem]:
    text = "See whether archive and log can be read; the publisher's log has the error."
    return [
        AttentionItem(
            code="meter_values_failing",
            subject=row["failure"],
            ids={"failure": row["failure"]},
            message="Values of meters that periods wait for cannot be computed; they are tried on.",
            count=row["count"],
            action=call("GET", "/v1/meters", text),
        )
        for row in await meter_requests.count_failing(connection, account, attempts=ATTEMPTS_MAX)
    ]
