"""Routes of what becomes of an issued invoice: how it stands."""

from fastapi import APIRouter

from services.invoicing.api.common import BillingReader, InvoiceId, Services, account_of
from services.invoicing.correction_schemas import HistoryEntry, StandingRead
from services.invoicing.repository import invoices, standing


def corrections_router(services: Services) -> APIRouter:
    """Return the routes under `/v1`."""
    router = APIRouter(prefix="/v1", tags=["invoices"])

    @router.get("/invoices/{invoice_id}/standing")
    async def get_standing(invoice_id: InvoiceId, caller: BillingReader) -> StandingRead:
        """Return what is paid, due, disputed and refunded of an invoice, and its history."""
        async with services.database.transaction() as connection:
            invoice = await invoices.read_invoice(
                connection, account_of(caller), invoice_id, tenant_id=caller.tenant_id
            )
            found = await standing.read_standing(connection, invoice)
            history = await standing.read_history(connection, invoice)
        fields = ("paid_minor", "remaining_minor", "refunded_minor", "due_at", "observed_at")
        return StandingRead(
            invoice_id=invoice_id,
            currency=invoice.currency,
            facts={**found.facts} if found else {},
            history=[HistoryEntry(**entry) for entry in history],
            **{name: getattr(found, name) if found else None for name in fields},
        )

    return router
