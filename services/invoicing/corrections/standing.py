"""How an invoice stands: asked of Stripe as a whole, and stored as a whole."""

from datetime import UTC, datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from services.invoicing.domain.standing import (
    Payments,
    Refund,
    facts_of,
    news,
    waits_for_a_person,
)
from services.invoicing.domain.wire import from_wire
from services.invoicing.models import Invoice
from services.invoicing.repository import standing as repository
from services.invoicing.repository.standing import Standing
from services.invoicing.stripe_types import Stripe, StripeInvoice, StripeRefund
from services.invoicing.telling import tell
from shared.clock import Clock
from shared.money import CURRENCIES


async def read_payments(stripe: Stripe, observed: StripeInvoice) -> Payments:
    """Ask Stripe for all that tells how a fetched invoice stands; raises `StripeProblem`."""
    currency = CURRENCIES[observed.currency.upper()]
    refunds: list[StripeRefund] = []
    disputes: list[str] = []
    if observed.amount_paid > 0:
        for intent in await stripe.payment_intents_of(observed.id):
            refunds += await stripe.list_refunds(intent)
            disputes += await stripe.list_dispute_statuses(intent)
    due = observed.due_date
    return Payments(
        status=observed.status,
        paid_minor=from_wire(observed.amount_paid, currency),
        remaining_minor=from_wire(observed.amount_remaining, currency),
        due_at=None if due is None else datetime.fromtimestamp(due, UTC),
        attempted=observed.attempted,
        finalization_error=observed.finalization_error,
        refunds=[Refund(one.status, from_wire(one.amount, currency)) for one in refunds],
        dispute_statuses=disputes,
    )


async def record_payments(
    connection: AsyncConnection, invoice: Invoice, payments: Payments, clock: Clock
) -> None:
    """Store how a locked invoice stands, and tell the facts that are new."""
    now = clock.now()
    before = await repository.read_standing(connection, invoice)
    after = Standing(
        paid_minor=payments.paid_minor,
        remaining_minor=payments.remaining_minor,
        refunded_minor=payments.refunded_minor,
        due_at=payments.due_at,
        facts=dict(facts_of(payments, now)),
        observed_at=now,
    )
    waits = any(waits_for_a_person(*fact) for fact in after.facts.items())
    await repository.put_standing(connection, invoice, after, waits=waits)
    for fact, reason in news(before.facts if before else {}, after.facts):
        await tell(connection, invoice, fact, reason, clock)
