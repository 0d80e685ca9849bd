"""The HTTP API of pricing: credits of tenants."""

from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Path
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.api import PAGE_DEFAULT, AfterPosition, Limit
from services.pricing.domain.wallet.grants import Grant
from services.pricing.domain.wallet.ledger import Origin
from services.pricing.handlers.idempotency import once
from services.pricing.handlers.reading_wallets import read_ledger, read_wallet
from services.pricing.handlers.wallets import give
from services.pricing.repository import wallets
from services.pricing.repository.wallets import Wallet
from services.pricing.schemas.reading import body_schema, read_body
from services.pricing.schemas.wallet import (
    GrantWrite,
    GrantWritten,
    LedgerPage,
    TopUpWrite,
    WalletRead,
    WalletWrite,
)
from shared.accounts.access import Caller, requires
from shared.accounts.keys import Scope
from shared.accounts.repository import Account, read_tenant
from shared.clock import Clock, utc_day
from shared.currencies import CURRENCIES
from shared.database import Database
from shared.errors import TallyrollError, not_found
from shared.idempotency import IdempotencyKey, OptionalIdempotencyKey
from shared.ids import Slug, new_id

BillingReader = Annotated[Caller, Depends(requires(Scope.BILLING_READ))]
BillingWriter = Annotated[Caller, Depends(requires(Scope.BILLING_WRITE))]
TenantId = Annotated[Slug, Path()]
CurrencyCode = Annotated[str, Path(pattern=r"^[A-Z]{3}$")]
BUY_AT_PAR = "1"


def wallets_router(database: Database, clock: Clock) -> APIRouter:
    """Return the routes of wallets under `/v1/tenants/{tenant_id}/wallets/{currency}`."""
    router = APIRouter(prefix="/v1/tenants/{tenant_id}/wallets/{currency}", tags=["credits"])
    _add_reads(router, database, clock)
    _add_settings(router, database, clock)
    _add_purchases(router, database, clock)
    return router


def _add_reads(router: APIRouter, database: Database, clock: Clock) -> None:
    @router.get("")
    async def get_wallet(
        tenant_id: TenantId, currency: CurrencyCode, caller: BillingReader
    ) -> WalletRead:
        """Return the balance and the grants of a tenant's credits in a currency."""
        async with database.transaction("REPEATABLE READ") as connection:
            held = await held_by(connection, caller, caller.tenant(tenant_id), currency)
            return await read_wallet(connection, held, today=utc_day(clock.now()))

    @router.get("/ledger")
    async def list_ledger(
        tenant_id: TenantId,
        currency: CurrencyCode,
        *,
        caller: BillingReader,
        after: AfterPosition = 0,
        limit: Limit = PAGE_DEFAULT,
    ) -> LedgerPage:
        """List every movement of credit, oldest first."""
        async with database.transaction("REPEATABLE READ") as connection:
            held = await held_by(connection, caller, caller.tenant(tenant_id), currency)
            return await read_ledger(connection, held, after=after, limit=limit)


def _add_settings(router: APIRouter, database: Database, clock: Clock) -> None:
    @router.put("", openapi_extra=body_schema(WalletWrite))
    async def put_wallet(
        tenant_id: TenantId,
        currency: CurrencyCode,
        *,
        caller: BillingWriter,
        content: Annotated[Any, Body()],
        key: OptionalIdempotencyKey = None,
    ) -> WalletRead:
        """Say what happens without credit, and when credit is bought; it holds from now on."""
        caller.require_vendor_key()
        written = read_body(WalletWrite, content, code="invalid_wallet")
        async with database.transaction() as connection:
            held = await held_by(connection, caller, tenant_id, currency)

            async def write() -> WalletRead:
                await wallets.lock_wallet(connection, held)
                await wallets.put_settings(connection, held, _columns(written))
                return await read_wallet(connection, held, today=utc_day(clock.now()))

            return await once(
                connection,
                held.account,
                key,
                request=(f"wallets/{tenant_id}/{currency}", written),
                answer=WalletRead,
                write=write,
            )


def _add_purchases(router: APIRouter, database: Database, clock: Clock) -> None:
    @router.post("/grants", status_code=201, openapi_extra=body_schema(GrantWrite))
    async def post_grant(
        tenant_id: TenantId,
        currency: CurrencyCode,
        *,
        caller: BillingWriter,
        key: IdempotencyKey,
        content: Annotated[Any, Body()],
    ) -> GrantWritten:
        """Grant credit with terms of its own, such as a present or part of a contract."""
        caller.require_vendor_key()
        written = read_body(GrantWrite, content, code="invalid_grant")
        asked = _Asked(written, utc_day(clock.now()), "grant")
        async with database.transaction() as connection:
            held = await held_by(connection, caller, tenant_id, currency)
            return await _grant_once(connection, held, key, asked=asked)

    @router.post("/top-ups", status_code=201, openapi_extra=body_schema(TopUpWrite))
    async def post_top_up(
        tenant_id: TenantId,
        currency: CurrencyCode,
        *,
        caller: BillingWriter,
        key: IdempotencyKey,
        content: Annotated[Any, Body()],
    ) -> GrantWritten:
        """Add credit that was bought at par, and is paid already; `top-up-orders` invoices it."""
        caller.require_vendor_key()
        top_up = read_body(TopUpWrite, content, code="invalid_top_up")
        written = GrantWrite(**top_up.model_dump(), cost_basis=BUY_AT_PAR)
        asked = _Asked(written, utc_day(clock.now()), "top_up")
        async with database.transaction() as connection:
            held = await held_by(connection, caller, tenant_id, currency)
            return await _grant_once(connection, held, key, asked=asked)


@dataclass(frozen=True)
class _Asked:
    """A grant that was asked for on a day."""

    written: GrantWrite
    on: date
    origin: Origin


async def _grant_once(
    connection: AsyncConnection, held: Wallet, key: str, *, asked: _Asked
) -> GrantWritten:
    async def write() -> GrantWritten:
        # Here, since an attempt that comes on a later day is answered as the first one was.
        grant = _grant(asked)
        await give(connection, held, grant, on=asked.on, origin=asked.origin)
        return GrantWritten(grant_id=grant.grant_id)

    operation = f"wallets/{held.tenant_id}/{held.currency}/{asked.origin}"
    return await once(
        connection,
        held.account,
        key,
        request=(operation, asked.written),
        answer=GrantWritten,
        write=write,
    )


async def held_by(
    connection: AsyncConnection, caller: Caller, tenant_id: str, currency: str
) -> Wallet:
    """Return a tenant's wallet; raises `unknown_tenant`, `unknown_currency`."""
    account = Account(caller.vendor_id, caller.mode)
    await read_tenant(connection, account, tenant_id)
    if currency not in CURRENCIES:
        raise not_found("currency", currency)
    return Wallet(account.vendor_id, account.mode, tenant_id, currency)


def _grant(asked: _Asked) -> Grant:
    try:
        return asked.written.to_domain(new_id(), today=asked.on)
    except ValueError as error:
        # Only a start that is left out can still lie behind the end: the day is the clock's.
        message = "Credit that starts today ends tomorrow or later."
        raise TallyrollError("ends_before_start", message, subject="expires_on") from error


def _columns(written: WalletWrite) -> dict[str, Any]:
    rule: BaseModel | None = written.automatic_top_up
    named = rule.model_dump() if rule else {"below": None, "amount": None, "by": "grant"}
    return {
        "on_empty": written.on_empty,
        "top_up_below": named["below"],
        "top_up_amount": named["amount"],
        "top_up_by": named["by"],
        "low_balance": written.low_balance,
    }
