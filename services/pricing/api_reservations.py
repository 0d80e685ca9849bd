"""The HTTP API of pricing: asking before work begins, and settling after it."""

from typing import Annotated

from fastapi import APIRouter, Path
from sqlalchemy import RowMapping

from services.pricing.api_envelope_movements import BudgetWriter
from services.pricing.handlers.envelopes import reserving, settling
from services.pricing.schemas.reservation import (
    CommitWrite,
    ReservationRead,
    ReservationState,
    ReservationWrite,
)
from shared.accounts.access import Caller
from shared.accounts.repository import Account
from shared.clock import Clock
from shared.database import Database
from shared.money import exact

ReservationId = Annotated[str, Path(pattern=r"^[A-Za-z0-9_.:@+-]{1,128}$")]


def reservations_router(database: Database, clock: Clock) -> APIRouter:
    """Return the routes of `/v1/reservations`. A tenant's key asks for its own work only."""
    router = APIRouter(prefix="/v1/reservations/{reservation_id}", tags=["envelopes"])

    @router.put("")
    async def put_reservation(
        reservation_id: ReservationId, written: ReservationWrite, caller: BudgetWriter
    ) -> ReservationRead:
        """Hold an estimate before work begins, or more of it; not granted is an answer, too.

        The same again is the same reservation: the id is the client's, and goes onto its events.
        """
        account = Account(caller.vendor_id, caller.mode)
        if caller.tenant_id is not None:
            own = caller.tenant(written.work.tenant or None)
            work = written.work.model_copy(update={"tenant": own})
            written = written.model_copy(update={"work": work})
        async with database.transaction() as connection:
            return await reserving.reserve(
                connection, account, reservation_id, written, now=clock.now()
            )

    @router.get("")
    async def get_reservation(
        reservation_id: ReservationId, caller: BudgetWriter
    ) -> ReservationState:
        async with database.transaction() as connection:
            return _state(
                await settling.read_reservation(
                    connection, _account(caller), reservation_id, caller.tenant_id
                )
            )

    @router.post("/commit")
    async def post_commit(
        reservation_id: ReservationId, written: CommitWrite, caller: BudgetWriter
    ) -> ReservationState:
        """Say what was used. Late, it still counts; the same again changes nothing."""
        account, amount, now = _account(caller), exact(written.amount), clock.now()
        async with database.transaction() as connection:
            row = await settling.commit(
                connection, account, reservation_id, amount, now=now, tenant=caller.tenant_id
            )
        return _state(row)

    @router.post("/release")
    async def post_release(reservation_id: ReservationId, caller: BudgetWriter) -> ReservationState:
        """Give the estimate back: nothing was used. The same again changes nothing."""
        account, now = _account(caller), clock.now()
        async with database.transaction() as connection:
            row = await settling.release(
                connection, account, reservation_id, now=now, tenant=caller.tenant_id
            )
        return _state(row)

    return router


def _account(caller: Caller) -> Account:
    return Account(caller.vendor_id, caller.mode)


def _state(row: RowMapping) -> ReservationState:
    return ReservationState(
        reservation_id=row["reservation_id"],
        state=row["state"],
        ledger=row["ledger"],
        estimate=row["estimate_exact"],
        committed=row["committed_exact"] or None,
        expires_at=row["expires_at"],
        committed_at=row["committed_at"],
    )
