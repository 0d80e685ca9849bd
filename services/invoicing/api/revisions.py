"""Routes of replacing an issued invoice."""

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Body
from sqlalchemy.ext.asyncio import AsyncConnection

from services.invoicing.api.common import (
    BillingReader,
    BillingWriter,
    InvoiceId,
    Services,
    account_of,
)
from services.invoicing.corrections.revising import order_revision
from services.invoicing.models import Invoice
from services.invoicing.repository import actions, invoices, revisions
from services.invoicing.repository.revisions import Revision
from services.invoicing.revision_schemas import RevisionRead, RevisionWrite
from shared.errors import not_found


def revisions_router(services: Services) -> APIRouter:
    """Return the routes under `/v1`."""
    router = APIRouter(prefix="/v1", tags=["invoices"])

    @router.post("/invoices/{invoice_id}/revise", status_code=HTTPStatus.ACCEPTED)
    async def revise_invoice(
        invoice_id: InvoiceId,
        caller: BillingWriter,
        written: Annotated[RevisionWrite | None, Body()] = None,
    ) -> RevisionRead:
        """Replace an issued, unpaid invoice: it is voided, then a new one is drafted and issued.

        The new one has a number of its own, the tenant's name, address and purchase order as they
        are now, and the coupons that are valid now. The same order twice is one.
        """
        caller.require_vendor_key()
        account = account_of(caller)
        given = written.lines if written else None
        lines: list[dict[str, Any]] | None = None
        if given is not None:
            lines = [line.model_dump() for line in given]
        wanted = Revision(lines, caller.key_id, services.clock.now())
        async with services.database.transaction() as connection:
            await order_revision(connection, account, invoice_id, wanted, services.clock)
            invoice = await invoices.read_invoice(connection, account, invoice_id)
            return await _read(connection, invoice)

    @router.get("/invoices/{invoice_id}/revision")
    async def get_revision(invoice_id: InvoiceId, caller: BillingReader) -> RevisionRead:
        """Return the order to replace an invoice, and what it has led to."""
        async with services.database.transaction() as connection:
            invoice = await invoices.read_invoice(
                connection, account_of(caller), invoice_id, tenant_id=caller.tenant_id
            )
            return await _read(connection, invoice)

    return router


async def _read(connection: AsyncConnection, invoice: Invoice) -> RevisionRead:
    order = await actions.find_action(connection, invoice, "revise")
    found = await revisions.find_revision(connection, invoice)
    if order is None or found is None:
        raise not_found("revision", invoice.invoice_id)
    return RevisionRead(
        invoice_id=invoice.invoice_id,
        state=order.state,
        reason=order.reason,
        revised_by=found.revised_by,
        created_at=order.created_at,
    )
