"""What becomes of invoices, as far as it moves something here."""

from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.handlers.paid_top_ups import settle_top_up
from services.pricing.handlers.progressive_credits import take_back_void
from services.pricing.handlers.wallets import return_credits
from shared.events.invoice_changed import InvoiceChanged


async def settle_invoice(connection: AsyncConnection, message: InvoiceChanged) -> None:
    """Do what a change of an invoice asks for; the same message twice is once."""
    await return_credits(connection, message)
    await take_back_void(connection, message)
    await settle_top_up(connection, message)
