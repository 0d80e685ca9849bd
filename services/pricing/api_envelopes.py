"""The HTTP API of pricing: envelopes, what there is and who may use it."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from services.pricing.api import BillingReader, vendor_of
from services.pricing.api_envelope_movements import BudgetWriter, EnvelopeName, add_movements
from services.pricing.handlers.envelopes.biased import read_bias
from services.pricing.handlers.envelopes.state import existing, read_of, read_state
from services.pricing.handlers.idempotency import once
from services.pricing.repository.envelopes import definitions
from services.pricing.schemas.envelope import (
    EnvelopeList,
    EnvelopeRead,
    EnvelopeState,
    EnvelopeWrite,
    dump,
)
from services.pricing.schemas.envelope_bias import BiasRead
from services.pricing.schemas.fields import Day
from shared.clock import Clock
from shared.database import Database
from shared.errors import not_found
from shared.idempotency import OptionalIdempotencyKey


def envelopes_router(database: Database, clock: Clock) -> APIRouter:
    """Return the routes of envelopes under `/v1/envelopes`."""
    router = APIRouter(prefix="/v1/envelopes", tags=["envelopes"])
    _add_reads(router, database)
    _add_writes(router, database, clock)
    _add_figures(router, database, clock)
    add_movements(router, database, clock)
    return router


def _add_reads(router: APIRouter, database: Database) -> None:
    @router.get("")
    async def list_envelopes(caller: BillingReader) -> EnvelopeList:
        account = vendor_of(caller)
        async with database.transaction() as connection:
            rows = await definitions.list_all(connection, account)
        return EnvelopeList(envelopes=[read_of(row) for row in rows])

    @router.get("/{name}")
    async def get_envelope(name: EnvelopeName, caller: BillingReader) -> EnvelopeRead:
        account = vendor_of(caller)
        async with database.transaction() as connection:
            return read_of(await existing(connection, account, name))


def _add_writes(router: APIRouter, database: Database, clock: Clock) -> None:
    @router.put("/{name}")
    async def put_envelope(
        name: EnvelopeName,
        written: EnvelopeWrite,
        caller: BudgetWriter,
        key: OptionalIdempotencyKey = None,
    ) -> EnvelopeRead:
        """Set an envelope; what was spent of its period stays spent."""
        account = vendor_of(caller)
        async with database.transaction() as connection:

            async def write() -> EnvelopeRead:
                scope = written.scope.to_domain()
                await definitions.put(
                    connection, account, name, scope=scope, content=dump(written), now=clock.now()
                )
                return read_of(await existing(connection, account, name))

            return await once(
                connection,
                account,
                key,
                request=(f"envelopes/{name}", written),
                answer=EnvelopeRead,
                write=write,
            )

    @router.delete("/{name}", status_code=204)
    async def end_envelope(name: EnvelopeName, caller: BudgetWriter) -> Response:
        """End an envelope: it stands in nobody's way any more. Its history stays."""
        account = vendor_of(caller)
        async with database.transaction() as connection:
            if not await definitions.end(connection, account, name, now=clock.now()):
                raise not_found("envelope", name)
        return Response(status_code=204)


def _add_figures(router: APIRouter, database: Database, clock: Clock) -> None:
    @router.get("/{name}/state")
    async def get_state(name: EnvelopeName, caller: BillingReader) -> EnvelopeState:
        """Say what there is, what is used, how fast, and where that leads."""
        account = vendor_of(caller)
        async with database.transaction("REPEATABLE READ") as connection:
            return await read_state(connection, account, name, now=clock.now())

    @router.get("/{name}/bias")
    async def get_bias(
        name: EnvelopeName,
        caller: BillingReader,
        capped_on: Annotated[Day | None, Query(description="when the cap began")] = None,
    ) -> BiasRead:
        """Say by which signs a cap pushed people to safe work: exploration, waiting, leaving."""
        account = vendor_of(caller)
        async with database.transaction("REPEATABLE READ") as connection:
            return await read_bias(connection, account, name, capped_on=capped_on, now=clock.now())
