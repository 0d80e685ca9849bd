"""A closed month with its invoice sent."""

from dataclasses import dataclass
from typing import Any

from shared.events.statement_rated import StatementRated
from tests.support.closed_month import ClosedMonth


@dataclass
class Closed:
    """The month, its statement, and our invoice and Stripe's of it."""

    month: ClosedMonth
    world: Any
    statement: StatementRated
    invoice: Any = None

    async def bill(self) -> None:
        """Make the invoice and take it as far as it goes."""
        self.invoice = await self.world.draft(self.statement)
        await self.world.sync().sync_due()
        self.invoice = await self.world.read(self.invoice)

    @property
    def stripe_path(self) -> str:
        return f"/v1/invoices/{self.invoice.stripe_invoice_id}"
