"""What becomes of the invoices of ordered credit: a grant when one is paid, a note of the rest."""

import structlog
from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.domain.wallet.orders import granted_by, order_from
from services.pricing.handlers.wallets import give
from services.pricing.repository import top_ups, wallets
from services.pricing.repository.top_ups import TAKEN_BACK, UNPAID
from services.pricing.repository.wallets import Wallet
from shared.accounts.repository import Account
from shared.clock import utc_day
from shared.events.invoice_changed import InvoiceChanged

logger = structlog.get_logger()

TOLD = frozenset({"paid", *UNPAID, *TAKEN_BACK})


async def settle_top_up(connection: AsyncConnection, message: InvoiceChanged) -> None:
    """Grant what a paid invoice was for, and note what else became of it; twice is once.

    An invoice that was given up as unpaid may be paid after all: that is granted, too.
    """
    if message.state not in TOLD or message.statement_id is None:
        return
    account = Account(message.vendor_id, message.mode)
    row = await top_ups.of_statement(connection, account, message.statement_id)
    if row is None:
        return
    held = Wallet(message.vendor_id, message.mode, row["tenant_id"], row["currency"])
    await wallets.lock_wallet(connection, held)
    new = await top_ups.note(
        connection,
        account,
        row["order_id"],
        message.state,
        at=message.changed_at,
        invoice_id=message.invoice_id,
        invoice_key=message.invoice_key,
        note=message.reason,
    )
    if new and message.state == "paid":
        await _grant(connection, held, row, message)


async def _grant(
    connection: AsyncConnection, held: Wallet, row: RowMapping, message: InvoiceChanged
) -> None:
    on = utc_day(message.changed_at)
    grant = granted_by(order_from(row["content"]), on=on)
    await give(connection, held, grant, on=on, origin="paid_top_up")
    logger.info("top_up_granted", order_id=row["order_id"], grant_id=grant.grant_id)
