"""The HTTP API of pricing: who was trained when, and which segments tenants belong to."""

from fastapi import APIRouter

from services.pricing.api import (
    PAGE_DEFAULT,
    AfterPosition,
    BillingReader,
    CatalogWriter,
    Limit,
    vendor_of,
)
from services.pricing.handlers.growth import logs
from services.pricing.handlers.idempotency import once
from services.pricing.schemas.growth.enablement import (
    SegmentLog,
    SegmentsMade,
    SegmentsWrite,
    TrainingLog,
    TrainingsMade,
    TrainingsWrite,
)
from shared.database import Database
from shared.idempotency import OptionalIdempotencyKey


def growth_logs_router(database: Database) -> APIRouter:
    """Return the routes of both logs under `/v1`; each entry says by which key it was written."""
    router = APIRouter(prefix="/v1", tags=["growth"])
    _add_trainings(router, database)
    _add_segments(router, database)
    return router


def _add_trainings(router: APIRouter, database: Database) -> None:
    @router.post("/trainings", status_code=201)
    async def post_trainings(
        written: TrainingsWrite, caller: CatalogWriter, key: OptionalIdempotencyKey = None
    ) -> TrainingsMade:
        """Say who was trained when; what stands already is not written again."""
        account = vendor_of(caller)
        async with database.transaction() as connection:

            async def write() -> TrainingsMade:
                entries = await logs.add_trainings(
                    connection, account, written.trainings, caller.key_id
                )
                return TrainingsMade(entries=entries)

            request = ("trainings", written)
            return await once(
                connection, account, key, request=request, answer=TrainingsMade, write=write
            )

    @router.get("/trainings")
    async def list_trainings(
        caller: BillingReader, after: AfterPosition = 0, limit: Limit = PAGE_DEFAULT
    ) -> TrainingLog:
        """List the log of trainings as it was written."""
        account = vendor_of(caller)
        async with database.transaction() as connection:
            entries = await logs.list_trainings(connection, account, after=after, limit=limit)
        last = entries[-1].position if len(entries) == limit else None
        return TrainingLog(entries=entries, next_after=last)


def _add_segments(router: APIRouter, database: Database) -> None:
    @router.post("/segments", status_code=201)
    async def post_segments(
        written: SegmentsWrite, caller: CatalogWriter, key: OptionalIdempotencyKey = None
    ) -> SegmentsMade:
        """Say which segments tenants belong to; what stands already is not written again."""
        account = vendor_of(caller)
        async with database.transaction() as connection:

            async def write() -> SegmentsMade:
                entries = await logs.add_segments(
                    connection, account, written.segments, caller.key_id
                )
                return SegmentsMade(entries=entries)

            request = ("segments", written)
            return await once(
                connection, account, key, request=request, answer=SegmentsMade, write=write
            )

    @router.get("/segments")
    async def list_segments(
        caller: BillingReader, after: AfterPosition = 0, limit: Limit = PAGE_DEFAULT
    ) -> SegmentLog:
        """List the log of segments as it was written."""
        account = vendor_of(caller)
        async with database.transaction() as connection:
            entries = await logs.list_segments(connection, account, after=after, limit=limit)
        last = entries[-1].position if len(entries) == limit else None
        return SegmentLog(entries=entries, next_after=last)
