"""The HTTP API of pricing: what moves an envelope for a while: raises, transfers, approvals."""

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import APIRouter, Depends, Path

from services.pricing.api import vendor_of
from services.pricing.handlers.envelopes import moving
from services.pricing.handlers.envelopes.state import read_state
from services.pricing.handlers.idempotency import once
from services.pricing.schemas.envelope import (
    ApprovalWrite,
    EnvelopeState,
    RaiseWrite,
    TransferWrite,
)
from shared.accounts.access import Caller, requires
from shared.accounts.keys import Scope
from shared.clock import Clock
from shared.database import Database
from shared.idempotency import IdempotencyKey
from shared.ids import Slug

BudgetWriter = Annotated[Caller, Depends(requires(Scope.BUDGETS_WRITE))]
EnvelopeName = Annotated[Slug, Path()]
Written = RaiseWrite | TransferWrite | ApprovalWrite
Move = Callable[..., Awaitable[None]]
"""(connection, account, name, written, by=, now=): one of `handlers/envelopes/moving.py`."""
Mover = Callable[[str, Caller, str, Written, Move], Awaitable[EnvelopeState]]


def add_movements(router: APIRouter, database: Database, clock: Clock) -> None:
    """Add the routes that change an envelope for a while; each happens once for its key."""
    moved = _mover(database, clock)

    @router.post("/{name}/raises", status_code=201)
    async def post_raise(
        name: EnvelopeName, written: RaiseWrite, caller: BudgetWriter, key: IdempotencyKey
    ) -> EnvelopeState:
        """Give one ledger of the open period more, with a reason and an end."""
        return await moved(name, caller, key, written, moving.raise_ledger)

    @router.post("/{name}/transfers", status_code=201)
    async def post_transfer(
        name: EnvelopeName, written: TransferWrite, caller: BudgetWriter, key: IdempotencyKey
    ) -> EnvelopeState:
        """Let one ledger give the other what it has left: the only way between them."""
        return await moved(name, caller, key, written, moving.transfer)

    @router.post("/{name}/approvals", status_code=201)
    async def post_approval(
        name: EnvelopeName, written: ApprovalWrite, caller: BudgetWriter, key: IdempotencyKey
    ) -> EnvelopeState:
        """Let a run begin although the envelope asks, with a reason and an end."""
        return await moved(name, caller, key, written, moving.approve)


def _mover(database: Database, clock: Clock) -> Mover:
    async def moved(
        name: str, caller: Caller, key: str, written: Written, move: Move
    ) -> EnvelopeState:
        account = vendor_of(caller)
        async with database.transaction() as connection:

            async def write() -> EnvelopeState:
                now = clock.now()
                await move(connection, account, name, written, by=caller.key_id, now=now)
                return await read_state(connection, account, name, now=now)

            return await once(
                connection,
                account,
                key,
                request=(f"envelopes/{name}/{type(written).__name__}", written),
                answer=EnvelopeState,
                write=write,
            )

    return moved
