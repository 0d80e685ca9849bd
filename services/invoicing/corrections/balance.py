"""Whose a customer's balance at Stripe is: ours, when our credit notes put it there."""

from services.invoicing.models import Invoice
from services.invoicing.repository import credit_notes
from services.invoicing.stripe_types import OutcomeUnknown, Stripe, StripeInvoice
from shared.database import Database

_SPENT = frozenset({"applied_to_invoice", "unapplied_from_invoice"})


async def foreign_balance(
    database: Database, stripe: Stripe, invoice: Invoice, observed: StripeInvoice
) -> int:
    """Return what of a draft's balance is not ours, in Stripe's integers; below zero is credit.

    Raises `OutcomeUnknown` while one of our notes may have moved the balance unrecorded.
    """
    if observed.starting_balance == 0:
        return 0
    moves = await stripe.list_balance_moves(observed.customer)
    async with database.transaction() as connection:
        ours = await credit_notes.balance_notes(connection, invoice.account, invoice.tenant_id)
    foreign = [
        move.amount for move in moves if move.kind not in _SPENT and move.credit_note not in ours
    ]
    if foreign and None in ours:
        raise OutcomeUnknown("credit_note_under_way")
    return sum(foreign)
