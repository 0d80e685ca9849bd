"""Routes of drafts: one-off invoices, what drafts wait for, approval."""

from datetime import timedelta
from fractions import Fraction
from http import HTTPStatus

from fastapi import APIRouter

from services.invoicing.api.common import (
    BillingReader,
    BillingWriter,
    InvoiceId,
    Services,
    account_of,
)
from services.invoicing.api.invoices import invoice_read
from services.invoicing.corrections.once import made_once
from services.invoicing.holding import release_draft
from services.invoicing.manual import ManualInvoice, ManualLine, draft_manual_invoice
from services.invoicing.manual_schemas import ApprovalRead, BillingSettings, ManualInvoiceWrite
from services.invoicing.repository import holds, invoices, taxes
from services.invoicing.repository.holds import BillingSetting
from services.invoicing.schemas import InvoiceRead
from shared.clock import Clock, utc_day
from shared.errors import Fault, TallyrollError
from shared.idempotency import IdempotencyKey
from shared.money import CURRENCIES, parse_decimal

UNTESTED = frozenset({"UGX"})
"""Currencies of which nobody knows how Stripe counts them."""


def drafts_router(services: Services) -> APIRouter:
    """Return the routes under `/v1`."""
    router = APIRouter(prefix="/v1", tags=["invoices"])

    @router.post("/invoices", status_code=HTTPStatus.CREATED)
    async def create_invoice(
        written: ManualInvoiceWrite, caller: BillingWriter, idempotency_key: IdempotencyKey
    ) -> InvoiceRead:
        """Draft a one-off invoice: it is issued after the grace period or its approval."""
        caller.require_vendor_key()
        account = account_of(caller)
        async with services.database.transaction() as connection:

            async def make() -> str:
                order = _order(written, services.clock)
                made = await draft_manual_invoice(connection, account, order, services.clock)
                return made.invoice_id

            made = await made_once(
                connection,
                account,
                idempotency_key,
                request=("POST /v1/invoices", written),
                make=make,
                clock=services.clock,
            )
            invoice = await invoices.read_invoice(connection, account, made)
            lines = await invoices.read_lines(connection, account, [made])
            own = await taxes.read_taxes(connection, account, [made])
        return invoice_read(invoice, lines[made], own[made])

    @router.post("/invoices/{invoice_id}/approve")
    async def approve_invoice(invoice_id: InvoiceId, caller: BillingWriter) -> ApprovalRead:
        """Let a draft go on now, whatever it waits for; twice is once."""
        caller.require_vendor_key()
        async with services.database.transaction() as connection:
            approved_at = await release_draft(
                connection,
                account_of(caller),
                invoice_id,
                by=caller.key_id,
                clock=services.clock,
            )
        return ApprovalRead(invoice_id=invoice_id, approved_at=approved_at)

    _add_settings(router, services)
    return router


def _add_settings(router: APIRouter, services: Services) -> None:
    @router.get("/billing-settings")
    async def get_billing_settings(caller: BillingReader) -> BillingSettings:
        """Return what new drafts of the vendor wait for."""
        caller.require_vendor_key()
        async with services.database.transaction() as connection:
            found = await holds.read_setting(connection, account_of(caller))
        return BillingSettings.model_validate(vars(found))

    @router.put("/billing-settings")
    async def put_billing_settings(
        written: BillingSettings, caller: BillingWriter
    ) -> BillingSettings:
        """Set what new drafts wait for; drafts that are there keep what they wait for."""
        caller.require_vendor_key()
        setting = BillingSetting(written.grace_seconds, written.approval)
        async with services.database.transaction() as connection:
            await holds.put_setting(connection, account_of(caller), setting, services.clock.now())
        return written


def _order(written: ManualInvoiceWrite, clock: Clock) -> ManualInvoice:
    if written.currency not in CURRENCIES or written.currency in UNTESTED:
        message = f"{written.currency} cannot be invoiced."
        fault = Fault("unsupported_currency", "currency", message)
        raise TallyrollError("invalid_invoice", message, faults=[fault])
    today = utc_day(clock.now())
    return ManualInvoice(
        tenant_id=written.tenant_id,
        currency=written.currency,
        period_start=written.period_start or today,
        period_end=written.period_end or today + timedelta(days=1),
        lines=[
            ManualLine(
                line.description,
                parse_decimal(line.quantity),
                line.unit,
                Fraction(parse_decimal(line.amount)),
            )
            for line in written.lines
        ],
    )
