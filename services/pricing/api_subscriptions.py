"""The HTTP API of pricing: subscriptions and their changes."""

from typing import Annotated

from fastapi import APIRouter, Path
from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.api import (
    PAGE_DEFAULT,
    AfterKey,
    BillingReader,
    CatalogWriter,
    Limit,
    TenantFilter,
    own_tenant,
    vendor_of,
)
from services.pricing.handlers import change_preview, subscription_changes, subscriptions
from services.pricing.handlers.idempotency import once
from services.pricing.handlers.issuing import open_period
from services.pricing.repository import subscriptions as stored_subscriptions
from services.pricing.schemas.subscription import (
    OpenPeriod,
    SubscriptionList,
    SubscriptionRead,
    SubscriptionWrite,
)
from services.pricing.schemas.subscription_change import (
    ChangeBody,
    ChangeList,
    ChangeMade,
    ChangePreview,
    ChangeWrite,
)
from shared.accounts.access import Caller
from shared.accounts.repository import Account
from shared.clock import Clock, utc_day
from shared.database import Database
from shared.errors import not_found
from shared.idempotency import IdempotencyKey, OptionalIdempotencyKey
from shared.ids import Slug

SubscriptionId = Annotated[Slug, Path()]


def subscriptions_router(database: Database) -> APIRouter:
    """Return the routes of subscriptions under `/v1`."""
    router = APIRouter(prefix="/v1", tags=["subscriptions"])

    @router.put("/subscriptions/{subscription_id}")
    async def put_subscription(
        subscription_id: SubscriptionId,
        written: SubscriptionWrite,
        caller: CatalogWriter,
        key: OptionalIdempotencyKey = None,
    ) -> SubscriptionRead:
        """Put a tenant on a plan; the same again changes nothing, other terms are a 409."""
        account = vendor_of(caller)
        async with database.transaction() as connection:

            async def write() -> SubscriptionRead:
                row = await subscriptions.put_subscription(
                    connection, account, subscription_id, written
                )
                return _subscription(row)

            return await once(
                connection,
                account,
                key,
                request=(f"subscriptions/{subscription_id}", written),
                answer=SubscriptionRead,
                write=write,
            )

    @router.get("/subscriptions")
    async def list_subscriptions(
        caller: BillingReader,
        tenant: TenantFilter = None,
        after: AfterKey = "",
        limit: Limit = PAGE_DEFAULT,
    ) -> SubscriptionList:
        """List subscriptions in the order of their ids."""
        account = Account(caller.vendor_id, caller.mode)
        async with database.transaction() as connection:
            rows = await stored_subscriptions.list_page(
                connection, account, own_tenant(caller, tenant), after=after, limit=limit
            )
        return SubscriptionList(
            subscriptions=[_subscription(row) for row in rows],
            next_after=rows[-1]["subscription_id"] if len(rows) == limit else None,
        )

    @router.get("/subscriptions/{subscription_id}")
    async def get_subscription(
        subscription_id: SubscriptionId, caller: BillingReader
    ) -> SubscriptionRead:
        account = Account(caller.vendor_id, caller.mode)
        async with database.transaction() as connection:
            row = await visible(connection, account, caller, subscription_id)
        return _subscription(row)

    return router


def changes_router(database: Database, clock: Clock) -> APIRouter:
    """Return the routes of changes under `/v1/subscriptions/{subscription_id}/changes`."""
    router = APIRouter(prefix="/v1/subscriptions/{subscription_id}/changes", tags=["subscriptions"])

    @router.post("", status_code=201)
    async def post_change(
        subscription_id: SubscriptionId,
        written: ChangeWrite,
        caller: CatalogWriter,
        key: IdempotencyKey,
    ) -> ChangeMade:
        """Change a subscription from a day on that is not billed yet."""
        account = vendor_of(caller)
        today = utc_day(clock.now())
        async with database.transaction() as connection:

            async def write() -> ChangeMade:
                row = await subscription_changes.make_change(
                    connection, account, subscription_id, written=written, today=today
                )
                now = await subscriptions.read_subscription(connection, account, subscription_id)
                change = subscription_changes.change_read(row)
                return ChangeMade(change=change, last_day=now["last_day"])

            return await once(
                connection,
                account,
                key,
                request=(f"subscriptions/{subscription_id}/changes", ChangeBody(change=written)),
                answer=ChangeMade,
                write=write,
            )

    @router.post("/preview")
    async def preview_change(
        subscription_id: SubscriptionId, written: ChangeWrite, caller: CatalogWriter
    ) -> ChangePreview:
        """Say in words and money what a change would do; nothing is stored."""
        account = vendor_of(caller)
        async with database.transaction("REPEATABLE READ") as connection:
            return await change_preview.preview_change(
                connection,
                account,
                subscription_id,
                written=written,
                today=utc_day(clock.now()),
            )

    @router.get("")
    async def list_changes(subscription_id: SubscriptionId, caller: BillingReader) -> ChangeList:
        """List the changes of a subscription as they were made."""
        account = Account(caller.vendor_id, caller.mode)
        async with database.transaction() as connection:
            await visible(connection, account, caller, subscription_id)
            found = await subscription_changes.list_changes(connection, account, subscription_id)
        return ChangeList(changes=found)

    return router


async def visible(
    connection: AsyncConnection, account: Account, caller: Caller, subscription_id: str
) -> RowMapping:
    """Return a subscription that the caller may see; to others it does not exist."""
    row = await subscriptions.read_subscription(connection, account, subscription_id)
    if caller.tenant_id not in {None, row["tenant_id"]}:
        raise not_found("subscription", subscription_id)
    return row


def _subscription(row: RowMapping) -> SubscriptionRead:
    period = open_period(row)
    read = {name: row[name] for name in SubscriptionWrite.model_fields}
    return SubscriptionRead(
        **read,
        subscription_id=row["subscription_id"],
        last_day=row["last_day"],
        open_period=OpenPeriod(sequence=row["next_sequence"], start=period.start, end=period.end)
        if period
        else None,
    )
