"""HTTP in: invoices, the vendor's Stripe account, Stripe's webhooks."""

import asyncio
from dataclasses import dataclass
from typing import Annotated

import structlog
from fastapi import APIRouter, Depends, Header, Path, Query, Request

from services.invoicing import handlers
from services.invoicing.attention import attention_item
from services.invoicing.domain.states import State
from services.invoicing.models import Invoice, InvoiceLine
from services.invoicing.repository import invoices as repository
from services.invoicing.repository import stripe as stripe_repository
from services.invoicing.repository.invoices import InvoiceFilter
from services.invoicing.schemas import (
    Attention,
    EventReceived,
    InvoiceDetailRead,
    InvoiceDetails,
    InvoiceLineRead,
    InvoicePage,
    InvoiceRead,
    StripeAccountRead,
    StripeAccountWrite,
)
from services.invoicing.sealing import StripeCredentials, seal
from services.invoicing.settings import InvoicingSettings
from services.invoicing.stripe_accounts import StripeAccounts, check_key
from services.invoicing.stripe_types import StripeProblem
from services.invoicing.webhooks import BODY_BYTES_MAX, WebhookInbox, payload_too_large
from shared.accounts.access import Caller, requires
from shared.accounts.keys import Scope
from shared.accounts.repository import Account
from shared.clock import Clock
from shared.database import Database
from shared.errors import TallyrollError, not_found
from shared.events.message import Mode
from shared.ids import Slug

logger = structlog.get_logger()

HOSTED_URL_SECONDS_MAX = 5
"""An invoice is shown without its hosted URL rather than late."""

LAST = 4

AccountsWriter = Annotated[Caller, Depends(requires(Scope.ACCOUNTS_WRITE))]
BillingReader = Annotated[Caller, Depends(requires(Scope.BILLING_READ))]
BillingWriter = Annotated[Caller, Depends(requires(Scope.BILLING_WRITE))]
InvoiceId = Annotated[str, Path(pattern=r"^[0-9a-f-]{36}$")]


@dataclass(frozen=True)
class Services:
    """What the routes work with."""

    database: Database
    accounts: StripeAccounts
    settings: InvoicingSettings
    clock: Clock


def _account(caller: Caller) -> Account:
    return Account(caller.vendor_id, caller.mode)


def invoices_router(services: Services) -> APIRouter:
    """Return the routes of invoices under `/v1`."""
    router = APIRouter(prefix="/v1", tags=["invoices"])

    @router.get("/invoices")
    async def list_invoices(
        caller: BillingReader,
        tenant: Annotated[Slug | None, Query()] = None,
        state: Annotated[State | None, Query()] = None,
        before: Annotated[str | None, Query(pattern=r"^[0-9a-f-]{36}$")] = None,
        limit: Annotated[int, Query(ge=1, le=200)] = 100,
    ) -> InvoicePage:
        """List invoices, newest first; a tenant's key sees the tenant's own."""
        wanted = caller.tenant(tenant) if caller.tenant_id else tenant
        account = _account(caller)
        async with services.database.transaction() as connection:
            found = await repository.list_invoices(
                connection, account, InvoiceFilter(wanted, state, before, limit)
            )
            lines = await repository.read_lines(
                connection, account, [invoice.invoice_id for invoice in found]
            )
        return InvoicePage(
            invoices=[_invoice_read(invoice, lines[invoice.invoice_id]) for invoice in found],
            next=found[-1].invoice_id if len(found) == limit else None,
        )

    @router.get("/invoices/{invoice_id}")
    async def get_invoice(invoice_id: InvoiceId, caller: BillingReader) -> InvoiceRead:
        """Return one invoice, its hosted URL freshly fetched from Stripe."""
        invoice, lines = await _read(services, caller, invoice_id)
        url = await _hosted_invoice_url(services.accounts, invoice)
        return _invoice_read(invoice, lines, hosted_invoice_url=url)

    @router.get("/invoices/{invoice_id}/details")
    async def get_details(invoice_id: InvoiceId, caller: BillingReader) -> InvoiceDetails:
        """Return what each line is made of: by agent, model, kind and day."""
        invoice, lines = await _read(services, caller, invoice_id)
        async with services.database.transaction() as connection:
            found = await repository.read_details(connection, _account(caller), invoice_id)
        by_position = {line.position: line for line in lines}
        details = [
            InvoiceDetailRead.model_validate(
                {
                    **vars(detail),
                    "line_key": by_position[detail.line_position].line_key,
                    "charge": by_position[detail.line_position].charge,
                }
            )
            for detail in found
        ]
        return InvoiceDetails(invoice_id=invoice_id, currency=invoice.currency, details=details)

    @router.post("/invoices/{invoice_id}/retry")
    async def retry_invoice(invoice_id: InvoiceId, caller: BillingWriter) -> InvoiceRead:
        """Let a parked invoice go on; 409 when it is not parked or can never be sent."""
        caller.require_vendor_key()
        async with services.database.transaction() as connection:
            await handlers.retry_invoice(
                connection, _account(caller), invoice_id, clock=services.clock
            )
        return _invoice_read(*await _read(services, caller, invoice_id))

    @router.get("/attention")
    async def list_attention(caller: BillingReader) -> Attention:
        """List what waits for a person, with one action each."""
        caller.require_vendor_key()
        async with services.database.transaction() as connection:
            waiting = await repository.list_waiting(connection, _account(caller))
        return Attention(items=[attention_item(invoice) for invoice in waiting])

    return router


async def _read(
    services: Services, caller: Caller, invoice_id: str
) -> tuple[Invoice, list[InvoiceLine]]:
    account = _account(caller)
    async with services.database.transaction() as connection:
        invoice = await repository.read_invoice(
            connection, account, invoice_id, tenant_id=caller.tenant_id
        )
        lines = await repository.read_lines(connection, account, [invoice_id])
    return invoice, lines[invoice_id]


def _invoice_read(
    invoice: Invoice, lines: list[InvoiceLine], *, hosted_invoice_url: str | None = None
) -> InvoiceRead:
    return InvoiceRead.model_validate(
        {
            **vars(invoice),
            "tenant": invoice.tenant_id,
            "lines": [InvoiceLineRead.model_validate(vars(line)) for line in lines],
            "hosted_invoice_url": hosted_invoice_url,
        }
    )


async def _hosted_invoice_url(accounts: StripeAccounts, invoice: Invoice) -> str | None:
    if invoice.stripe_invoice_id is None or invoice.state in ("draft", "approved", "parked"):
        return None
    try:
        async with asyncio.timeout(HOSTED_URL_SECONDS_MAX):
            stripe = await accounts.gateway(invoice.account)
            if stripe is None:
                return None
            return (await stripe.retrieve_invoice(invoice.stripe_invoice_id)).hosted_invoice_url
    except (StripeProblem, TimeoutError, TallyrollError) as problem:
        logger.warning("hosted_url_unavailable", cause=type(problem).__name__)
        return None


def stripe_router(services: Services) -> APIRouter:
    """Return the routes of the vendor's Stripe account and of Stripe's webhooks."""
    router = APIRouter(prefix="/v1", tags=["stripe"])
    webhooks = WebhookInbox(services.database, services.accounts, services.clock)

    @router.put("/stripe-account")
    async def put_stripe_account(
        written: StripeAccountWrite, caller: AccountsWriter
    ) -> StripeAccountRead:
        """Store the vendor's Stripe key, encrypted; waiting invoices then go on."""
        caller.require_vendor_key()
        account = _account(caller)
        check_key(services.settings, account, written.api_key)
        await _store_account(services, account, written)
        return await _account_read(services, account)

    @router.get("/stripe-account")
    async def get_stripe_account(caller: AccountsWriter) -> StripeAccountRead:
        """Return which account serves the caller's mode; 404 when none does."""
        caller.require_vendor_key()
        return await _account_read(services, _account(caller))

    @router.post("/webhooks/stripe/{vendor_id}/{mode}")
    async def receive_event(
        vendor_id: Slug,
        mode: Mode,
        request: Request,
        stripe_signature: Annotated[str, Header()] = "",
    ) -> EventReceived:
        """Take an event of Stripe's: signed, at most 512 KiB; processed after the answer."""
        body = await _read_body(request)
        await webhooks.receive(Account(vendor_id, mode), body, stripe_signature)
        return EventReceived()

    return router


async def _read_body(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_BYTES_MAX:
            raise payload_too_large()
    return bytes(body)


async def _store_account(services: Services, account: Account, written: StripeAccountWrite) -> None:
    secrets = [s for s in (written.webhook_secret, written.previous_webhook_secret) if s]
    secret_key = services.settings.secret_key.get_secret_value().encode()
    now = services.clock.now()
    values = {
        "sealed": seal(secret_key, account, StripeCredentials(written.api_key, tuple(secrets))),
        "api_key_last4": written.api_key[-LAST:],
        "webhook_secrets_last4": [secret[-LAST:] for secret in secrets],
        "updated_at": now,
    }
    async with services.database.transaction() as connection:
        await stripe_repository.put_account(connection, account, values)
        await repository.hurry(connection, account, now)


async def _account_read(services: Services, account: Account) -> StripeAccountRead:
    path = f"/v1/webhooks/stripe/{account.vendor_id}/{account.mode}"
    async with services.database.transaction() as connection:
        row = await stripe_repository.read_account(connection, account)
    if row is not None:
        return StripeAccountRead(
            mode=account.mode,
            source="own",
            api_key_last4=row["api_key_last4"],
            webhook_secrets_last4=row["webhook_secrets_last4"],
            webhook_path=path,
            updated_at=row["updated_at"],
        )
    shared = services.accounts.deployment_credentials(account)
    if shared is None:
        raise not_found("stripe_account", f"{account.vendor_id}/{account.mode}")
    return StripeAccountRead(
        mode=account.mode,
        source="deployment",
        api_key_last4=shared.api_key[-LAST:],
        webhook_secrets_last4=[secret[-LAST:] for secret in shared.webhook_secrets],
        webhook_path=path,
        updated_at=None,
    )
