"""What progressive statements invoiced of the open period, taken off its bill and its statement."""

from dataclasses import replace

from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.domain.progressive import with_progressive_credits
from services.pricing.handlers.rating import RatedPeriod
from services.pricing.repository import progressive
from shared.accounts.repository import Account
from shared.currencies import CURRENCIES
from shared.events.invoice_changed import InvoiceChanged


async def credited(
    connection: AsyncConnection, account: Account, rated: RatedPeriod
) -> RatedPeriod:
    """Return a rated open period less what was invoiced of it; what is void is owed still."""
    known = await progressive.list_of_period(
        connection, account, rated.subscription["subscription_id"], rated.sequence
    )
    billed = [one for one, is_void in known if not is_void]
    currency = CURRENCIES[rated.currency]
    return replace(rated, rated=with_progressive_credits(rated.rated, billed, currency=currency))


async def take_back_void(connection: AsyncConnection, message: InvoiceChanged) -> None:
    """Let the period's statement bring what a voided progressive invoice had; twice is once.

    Once the period is closed, a void lets the tenant off, as that of any invoice does.
    """
    if message.state == "void" and message.statement_id is not None:
        account = Account(message.vendor_id, message.mode)
        await progressive.note_void(connection, account, message.statement_id, message.invoice_id)
