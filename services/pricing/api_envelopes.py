"""The HTTP API of pricing: envelopes, what there is and who may use it."""

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.api import BillingReader, vendor_of
from services.pricing.handlers.envelopes import moving
from services.pricing.handlers.envelopes.biased import read_bias
from services.pricing.handlers.envelopes.state import existing, read_of, read_state
from services.pricing.handlers.idempotency import once
from services.pricing.repository.envelopes import definitions
from services.pricing.schemas.envelope import (
    ApprovalWrite,
    EnvelopeList,
    EnvelopeRead,
    EnvelopeState,
    EnvelopeWrite,
    RaiseWrite,
    TransferWrite,
    dump,
)
from services.pricing.schemas.envelope_bias import BiasRead
from services.pricing.schemas.fields import Day
from shared.accounts.access import Caller, requires
from shared.accounts.keys import Scope
from shared.accounts.repository import Account
from shared.clock import Clock
from shared.database import Database
from shared.errors import not_found
from shared.idempotency import IdempotencyKey, OptionalIdempotencyKey
from shared.ids import Slug

BudgetWriter = Annotated[Caller, Depends(requires(Scope.BUDGETS_WRITE))]
EnvelopeName = Annotated[Slug, Path()]


def envelopes_router(database: Database, clock: Clock) -> APIRouter:
    """Return the routes of envelopes under `/v1/envelopes`."""
    router = APIRouter(prefix="/v1/envelopes", tags=["envelopes"])

    @router.get("")
    async def list_envelopes(caller: BillingReader) -> EnvelopeList:
        account = vendor_of(caller)
        async with database.transaction() as connection:
            rows = await definitions.list_all(connection, account)
        return EnvelopeList(envelopes=[read_of(row) for row in rows])

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

    @router.get("/{name}")
    async def get_envelope(name: EnvelopeName, caller: BillingReader) -> EnvelopeRead:
        account = vendor_of(caller)
        async with database.transaction() as connection:
            return read_of(await existing(connection, account, name))

    @router.delete("/{name}", status_code=204)
    async def end_envelope(name: EnvelopeName, caller: BudgetWriter) -> Response:
        """End an envelope: it stands in nobody's way any more. Its history stays."""
        account = vendor_of(caller)
        async with database.transaction() as connection:
            if not await definitions.end(connection, account, name, now=clock.now()):
                raise not_found("envelope", name)
        return Response(status_code=204)

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

    _add_movements(router, database, clock)
    return router


def _add_movements(router: APIRouter, database: Database, clock: Clock) -> None:
    async def moved(
        name: str,
        caller: Caller,
        key: str,
        written: RaiseWrite | TransferWrite | ApprovalWrite,
        move: Callable[[AsyncConnection, Account], Awaitable[None]],
    ) -> EnvelopeState:
        account = vendor_of(caller)
        async with database.transaction() as connection:

            async def write() -> EnvelopeState:
                await move(connection, account)
                return await read_state(connection, account, name, now=clock.now())

            place = f"envelopes/{name}/{type(written).__name__}"
            return await once(
                connection,
                account,
                key,
                request=(place, written),
                answer=EnvelopeState,
                write=write,
            )

    @router.post("/{name}/raises", status_code=201)
    async def post_raise(
        name: EnvelopeName, written: RaiseWrite, caller: BudgetWriter, key: IdempotencyKey
    ) -> EnvelopeState:
        """Give one ledger of the open period more, with a reason and an end."""

        async def move(connection: AsyncConnection, account: Account) -> None:
            by, now = caller.key_id, clock.now()
            await moving.raise_ledger(connection, account, name, written, by=by, now=now)

        return await moved(name, caller, key, written, move)

    @router.post("/{name}/transfers", status_code=201)
    async def post_transfer(
        name: EnvelopeName, written: TransferWrite, caller: BudgetWriter, key: IdempotencyKey
    ) -> EnvelopeState:
        """Let one ledger give the other what it has left: the only way between them."""

        async def move(connection: AsyncConnection, account: Account) -> None:
            by, now = caller.key_id, clock.now()
            await moving.transfer(connection, account, name, written, by=by, now=now)

        return await moved(name, caller, key, written, move)

    @router.post("/{name}/approvals", status_code=201)
    async def post_approval(
        name: EnvelopeName, written: ApprovalWrite, caller: BudgetWriter, key: IdempotencyKey
    ) -> EnvelopeState:
        """Let a run begin although the envelope asks, with a reason and an end."""

        async def move(connection: AsyncConnection, account: Account) -> None:
            by, now = caller.key_id, clock.now()
            await moving.approve(connection, account, name, written, by=by, now=now)

        return await moved(name, caller, key, written, move)
