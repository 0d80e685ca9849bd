"""A month with every correction in it reconciles; what is broken in one is named."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from shared.ids import new_id
from tests.support.closed_month import FIRST, ClosedMonth, Counting, usage_line
from tests.support.database import TestDatabase


class Corrected:
    """A closed month, its sent invoice, and orders as a vendor gives them."""

    def __init__(self, month: ClosedMonth, world: Any, api: Any, invoice: Any) -> None:
        self.month, self.world, self.api, self.invoice = month, world, api, invoice

    async def post(self, path: str, **body: Any) -> Any:
        headers = await self.api.key("billing:write")
        headers |= {"Idempotency-Key": new_id()}
        answer = await self.api.http.post(f"/v1{path}", json=body, headers=headers)
        assert answer.is_success, answer.text
        await self.settle()
        return answer.json()

    async def order(self, route: str, **body: Any) -> Any:
        return await self.post(f"/invoices/{self.invoice.invoice_id}/{route}", **body)

    async def settle(self) -> None:
        for _ in range(4):
            await self.world.corrections().sync_due()
            await self.world.sync().sync_due()
            self.world.clock.advance(timedelta(seconds=5))

    async def pay(self, amount: int) -> None:
        body = {"invoice": self.invoice.stripe_invoice_id, "amount": amount}
        answer = await self.world.simulator.http.post("/_sim/payments", json=body)
        answer.raise_for_status()
        for event in (await self.world.simulator.get("/v1/events", limit=100))["data"]:
            await self.api.deliver(event)
        while await self.world.webhooks().process_due():
            pass


@pytest.fixture(name="corrected")
async def _corrected(
    world: Any, api: Any, database: TestDatabase, statement: Any
) -> AsyncIterator[Corrected]:
    lines = [
        usage_line("input", "input_uncached", 3000, "10.005"),
        usage_line("output", "output_text", 1000, "20"),
    ]
    stated = statement(total="30.005", lines=lines, statement_id=f"st-{world.vendor_id}")
    month = ClosedMonth(database, world.account, world.gateway, Counting())
    await month.write(stated)
    invoice = await world.draft(stated)
    await world.sync().sync_due()
    yield Corrected(month, world, api, await world.read(invoice))
    await month.tamper(
        "delete from pricing.statement where vendor_id = :vendor",
        "truncate invoicing.invoice_line, invoicing.invoice_line_detail",
    )


async def _check(corrected: Corrected, *, invoices: int = 1) -> None:
    done = await corrected.month.reconcile()
    assert [] == corrected.month.lines
    assert [] == done.unread
    assert invoices == done.compared["Stripe invoices"]
    assert done.summary().endswith("… 0 differences")


async def test_after_a_revision(corrected: Corrected) -> None:
    """Both invoices are compared with the statement, and each with its own at Stripe."""
    await corrected.order("revise")

    await _check(corrected, invoices=2)
    await corrected.month.tamper(
        "update invoicing.invoice_line set amount_exact = '1' "
        "where vendor_id = :vendor and line_key = 'output' and invoice_id = ("
        "select revised_by from invoicing.invoice_revision where vendor_id = :vendor)"
    )
    assert ["invoice_exact_total_differ", "statement_line_differs"] == await corrected.month.codes()


async def test_after_a_void(corrected: Corrected) -> None:
    """A void invoice is void on both sides."""
    await corrected.order("void")

    await _check(corrected)


async def test_after_giving_up(corrected: Corrected) -> None:
    """An uncollectible invoice is so on both sides, also when it is paid after all."""
    await corrected.order("mark-uncollectible")
    await _check(corrected)

    await corrected.pay(3001)
    assert "paid" == (await corrected.world.read(corrected.invoice)).state
    await _check(corrected)


@pytest.mark.parametrize("amount", [1000, 3001])
async def test_after_a_payment(corrected: Corrected, amount: int) -> None:
    """Partly paid, an invoice is open on both sides; paid, it is paid."""
    await corrected.pay(amount)

    await _check(corrected)


async def test_of_one_off_invoices(corrected: Corrected) -> None:
    """They have no statement; drafted, sent, revised and void they are no difference."""
    days = {"period_start": FIRST.isoformat(), "period_end": "2026-01-02"}
    lines = [{"description": "Workshop", "quantity": "2", "amount": "1800.005"}]
    body = {"tenant_id": "acme", "currency": "USD", "lines": lines, **days}
    made = await corrected.post("/invoices", **body)
    await _check(corrected, invoices=2)

    await corrected.post(f"/invoices/{made['invoice_id']}/revise", lines=lines * 2)
    await _check(corrected, invoices=3)
    again = await corrected.world.rows(
        "select revised_by from invoicing.invoice_revision where vendor_id = :v",
        v=corrected.world.vendor_id,
    )
    await corrected.post(f"/invoices/{again[0].revised_by}/void")
    await _check(corrected, invoices=3)
