"""Routes of invoices and of what waits for a person."""

import asyncio
from typing import Annotated

import structlog
from fastapi import APIRouter, Query

from services.invoicing import handlers
from services.invoicing.api.common import (
    BillingReader,
    BillingWriter,
    InvoiceId,
    Services,
    account_of,
)
from services.invoicing.domain.states import State
from services.invoicing.domain.taxing import Tax
from services.invoicing.models import Invoice, InvoiceLine
from services.invoicing.repository import invoices as repository
from services.invoicing.repository.invoices import InvoiceFilter
from services.invoicing.repository.revisions import Neighbours, read_neighbours
from services.invoicing.repository.taxes import read_taxes
from services.invoicing.schemas import (
    InvoiceDetailRead,
    InvoiceDetails,
    InvoiceLineRead,
    InvoicePage,
    InvoiceRead,
)
from services.invoicing.stripe_accounts import StripeAccounts
from services.invoicing.stripe_types import StripeProblem
from services.invoicing.tax.schemas import tax_read
from services.invoicing.waiting import InvoicingAttention
from services.invoicing.waiting import list_attention as list_waiting
from shared.accounts.access import Caller
from shared.errors import TallyrollError
from shared.ids import Slug

logger = structlog.get_logger()

HOSTED_URL_SECONDS_MAX = 5
"""An invoice is shown without its hosted URL rather than late."""


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
        account = account_of(caller)
        async with services.database.transaction() as connection:
            found = await repository.list_invoices(
                connection, account, InvoiceFilter(wanted, state, before, limit)
            )
            names = [invoice.invoice_id for invoice in found]
            lines = await repository.read_lines(connection, account, names)
            taxes = await read_taxes(connection, account, names)
            beside = await read_neighbours(connection, account, names)
        return InvoicePage(
            invoices=[
                invoice_read(one, lines[name], taxes[name], beside.get(name))
                for name, one in zip(names, found, strict=True)
            ],
            next=found[-1].invoice_id if len(found) == limit else None,
        )

    @router.get("/invoices/{invoice_id}")
    async def get_invoice(invoice_id: InvoiceId, caller: BillingReader) -> InvoiceRead:
        """Return one invoice, its hosted URL freshly fetched from Stripe."""
        invoice, lines, taxes = await _read(services, caller, invoice_id)
        async with services.database.transaction() as connection:
            beside = await read_neighbours(connection, invoice.account, [invoice_id])
        url = await _hosted_invoice_url(services.accounts, invoice)
        return invoice_read(invoice, lines, taxes, beside.get(invoice_id), hosted_invoice_url=url)

    @router.get("/invoices/{invoice_id}/details")
    async def get_details(invoice_id: InvoiceId, caller: BillingReader) -> InvoiceDetails:
        """Return what each line is made of: by agent, model, kind and day."""
        invoice, lines, _ = await _read(services, caller, invoice_id)
        async with services.database.transaction() as connection:
            found = await repository.read_details(connection, account_of(caller), invoice_id)
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

    _add_attention(router, services)
    return router


def _add_attention(router: APIRouter, services: Services) -> None:
    @router.post("/invoices/{invoice_id}/retry")
    async def retry_invoice(invoice_id: InvoiceId, caller: BillingWriter) -> InvoiceRead:
        """Let a parked invoice go on; 409 when it is not parked or can never be sent."""
        caller.require_vendor_key()
        async with services.database.transaction() as connection:
            await handlers.retry_invoice(
                connection, account_of(caller), invoice_id, clock=services.clock
            )
        return invoice_read(*await _read(services, caller, invoice_id))

    @router.get("/attention")
    async def list_attention(caller: BillingReader) -> InvoicingAttention:
        """List what waits for a person, with one action each."""
        caller.require_vendor_key()
        async with services.database.transaction() as connection:
            items = await list_waiting(connection, account_of(caller))
        return InvoicingAttention(items=items)


async def _read(
    services: Services, caller: Caller, invoice_id: str
) -> tuple[Invoice, list[InvoiceLine], list[Tax]]:
    account = account_of(caller)
    async with services.database.transaction() as connection:
        invoice = await repository.read_invoice(
            connection, account, invoice_id, tenant_id=caller.tenant_id
        )
        lines = await repository.read_lines(connection, account, [invoice_id])
        taxes = await read_taxes(connection, account, [invoice_id])
    return invoice, lines[invoice_id], taxes[invoice_id]


def invoice_read(
    invoice: Invoice,
    lines: list[InvoiceLine],
    taxes: list[Tax],
    beside: Neighbours | None = None,
    *,
    hosted_invoice_url: str | None = None,
) -> InvoiceRead:
    """Return an invoice as it is shown."""
    return InvoiceRead.model_validate(
        {
            **vars(invoice),
            "tenant_id": invoice.tenant_id,
            "lines": [InvoiceLineRead.model_validate(vars(line)) for line in lines],
            "tax_minor": invoice.told_tax_minor,
            "gross_minor": invoice.gross_minor,
            "taxes": [tax_read(tax) for tax in taxes],
            "hosted_invoice_url": hosted_invoice_url,
            **vars(beside or Neighbours()),
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
