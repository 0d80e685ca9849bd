"""A wallet that runs low is told of, once each time that it falls below its bound."""

from datetime import date
from fractions import Fraction

from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.repository import wallets
from services.pricing.repository.wallets import Wallet
from services.pricing.tables import outbox
from shared.events.spend_crossed import SpendCrossed
from shared.money import format_exact, parse_exact
from shared.outbox import Outgoing, put


async def tell_low(
    connection: AsyncConnection,
    held: Wallet,
    statement_id: str,
    *,
    before: Fraction,
    after: Fraction,
    on: date,
) -> None:
    """Put a message beside the draw that took a balance from its bound, or above, to below it.

    The caller holds the wallet's lock, and a statement draws once: so it is told once.
    """
    settings = await wallets.read_settings(connection, held)
    if settings is None or settings["low_balance"] is None:
        return
    bound = parse_exact(settings["low_balance"])
    if not after < bound <= before:
        return
    crossed = SpendCrossed(
        vendor_id=held.vendor_id,
        mode=held.mode,
        tenant_id=held.tenant_id,
        crossing_id=f"wallet-low/{statement_id}",
        kind="wallet_low",
        currency=held.currency,
        bound_exact=format_exact(bound),
        now_exact=format_exact(after),
        booked_on=on,
        statement_id=statement_id,
    )
    await put(connection, outbox, [Outgoing(crossed, message_id=crossed.crossing_id)])
