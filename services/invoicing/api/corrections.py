"""Routes of what becomes of an issued invoice: how it stands, voiding it, giving it up."""

from http import HTTPStatus

from fastapi import APIRouter

from services.invoicing.api.common import (
    BillingReader,
    BillingWriter,
    InvoiceId,
    Services,
    account_of,
)
from services.invoicing.correction_schemas import ActionRead, HistoryEntry, StandingRead
from services.invoicing.corrections.models import Action
from services.invoicing.corrections.ordering import order_action
from services.invoicing.repository import invoices, standing
from shared.accounts.access import Caller


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

    _add_actions(router, services)
    return router


def _add_actions(router: APIRouter, services: Services) -> None:
    async def order(caller: Caller, invoice_id: str, action: Action) -> ActionRead:
        caller.require_vendor_key()
        async with services.database.transaction() as connection:
            ordered = await order_action(
                connection, account_of(caller), invoice_id, action, services.clock
            )
        return ActionRead.model_validate(vars(ordered))

    @router.post("/invoices/{invoice_id}/void", status_code=HTTPStatus.ACCEPTED)
    async def void_invoice(invoice_id: InvoiceId, caller: BillingWriter) -> ActionRead:
        """Void an issued, unpaid invoice: nothing of it is owed, and its credits return.

        The same order twice is one; after a refusal it begins anew.
        """
        return await order(caller, invoice_id, "void")

    @router.post("/invoices/{invoice_id}/mark-uncollectible", status_code=HTTPStatus.ACCEPTED)
    async def mark_uncollectible(invoice_id: InvoiceId, caller: BillingWriter) -> ActionRead:
        """Give up an issued, unpaid invoice; it can still be paid or voided."""
        return await order(caller, invoice_id, "mark_uncollectible")
