"""Routes from a line to the usage behind it."""

from typing import Annotated

from fastapi import APIRouter, Query

from services.invoicing import tracing
from services.invoicing.api.common import BillingReader, InvoiceId, Services, account_of
from services.invoicing.documents.schemas import DetailUsage, LineUsage
from services.invoicing.models import Invoice, InvoiceLine, InvoiceLineDetail
from services.invoicing.repository import documents as repository
from services.invoicing.repository import invoices
from shared.errors import not_found

DETAILS_PER_PAGE_MAX = 1_000


def tracing_router(services: Services) -> APIRouter:
    """Return the routes of lines under `/v1`."""
    router = APIRouter(prefix="/v1", tags=["invoices"])

    @router.get("/invoices/{invoice_id}/lines/{line_key:path}/usage")
    async def trace_line(
        invoice_id: InvoiceId,
        line_key: str,
        caller: BillingReader,
        after: Annotated[int, Query(ge=0, le=2**31 - 1)] = 0,
        limit: Annotated[int, Query(ge=1, le=DETAILS_PER_PAGE_MAX)] = 100,
    ) -> LineUsage:
        """Return what to ask of metering for the usage and the events behind a line."""
        account = account_of(caller)
        async with services.database.transaction() as connection:
            invoice = await invoices.read_invoice(
                connection, account, invoice_id, tenant_id=caller.tenant_id
            )
            lines = (await invoices.read_lines(connection, account, [invoice_id]))[invoice_id]
            line = next((one for one in lines if one.line_key == line_key), None)
            if line is None:
                raise not_found("line", line_key)
            details = list(
                await repository.list_details(
                    connection, invoice, line.position, after=after, limit=limit + 1
                )
            )
        return _line_usage(invoice, line, details, limit)

    return router


def _line_usage(
    invoice: Invoice, line: InvoiceLine, found: list[InvoiceLineDetail], limit: int
) -> LineUsage:
    details, more = found[:limit], len(found) > limit
    booked = tracing.booked_days(invoice, line)
    return LineUsage(
        invoice_id=invoice.invoice_id,
        line_key=line.line_key,
        unit=line.unit,
        quantity=line.quantity,
        usage_path=tracing.usage_path(invoice, details) if details else None,
        booked_from=booked.first,
        booked_to=booked.end,
        details=[
            DetailUsage.model_validate(
                {**vars(detail), "events_path": tracing.events_path(invoice, detail)}
            )
            for detail in details
        ],
        next_after=details[-1].position if more else None,
    )
