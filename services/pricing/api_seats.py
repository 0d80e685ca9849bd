"""The HTTP API of pricing: who holds the seats of a subscription."""

from typing import Annotated

from fastapi import APIRouter, Path

from services.pricing.api import (
    PAGE_DEFAULT,
    AfterPosition,
    BillingReader,
    CatalogWriter,
    Limit,
    vendor_of,
)
from services.pricing.api_subscriptions import SubscriptionId, visible
from services.pricing.handlers import seat_holders
from services.pricing.handlers.idempotency import once
from services.pricing.repository import seat_assignments
from services.pricing.schemas.fields import Day
from services.pricing.schemas.seat_holder import (
    HolderEntries,
    HolderLog,
    SeatHolders,
    SeatHoldersWrite,
)
from shared.accounts.repository import Account
from shared.database import Database
from shared.idempotency import IdempotencyKey


def seats_router(database: Database) -> APIRouter:
    """Return the routes under `/v1/subscriptions/{subscription_id}/seat-holders`."""
    router = APIRouter(
        prefix="/v1/subscriptions/{subscription_id}/seat-holders", tags=["subscriptions"]
    )

    @router.post("", status_code=201)
    async def post_seat_holders(
        subscription_id: SubscriptionId,
        written: SeatHoldersWrite,
        caller: CatalogWriter,
        key: IdempotencyKey,
    ) -> HolderEntries:
        """Assign users to seats, or release them, on days that are not billed yet."""
        account = vendor_of(caller)
        async with database.transaction() as connection:

            async def write() -> HolderEntries:
                entries = await seat_holders.assign_seats(
                    connection, account, subscription_id, written
                )
                return HolderEntries(entries=entries)

            return await once(
                connection,
                account,
                key,
                request=(f"subscriptions/{subscription_id}/seat-holders", written),
                answer=HolderEntries,
                write=write,
            )

    _add_readers(router, database)
    return router


def _add_readers(router: APIRouter, database: Database) -> None:
    @router.get("")
    async def list_seat_holders(
        subscription_id: SubscriptionId,
        caller: BillingReader,
        after: AfterPosition = 0,
        limit: Limit = PAGE_DEFAULT,
    ) -> HolderLog:
        """List who was assigned and released, as it was written."""
        account = Account(caller.vendor_id, caller.mode)
        async with database.transaction() as connection:
            await visible(connection, account, caller, subscription_id)
            rows = await seat_assignments.list_page(
                connection, account, subscription_id, after=after, limit=limit
            )
        entries = [seat_holders.entry_of(row) for row in rows]
        return HolderLog(
            entries=entries, next_after=entries[-1].position if len(entries) == limit else None
        )

    @router.get("/on/{day}")
    async def get_seat_holders(
        subscription_id: SubscriptionId, day: Annotated[Day, Path()], caller: BillingReader
    ) -> SeatHolders:
        """Return who is assigned to a seat on a day, and how many seats are left."""
        account = Account(caller.vendor_id, caller.mode)
        async with database.transaction() as connection:
            row = await visible(connection, account, caller, subscription_id)
            return await seat_holders.read_holders(connection, account, row, day)
