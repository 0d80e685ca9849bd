"""A month with every correction in it reconciles; what is broken in one is named."""

from collections.abc import AsyncIterator
from datetime import date, timedelta
from typing import Any

import pytest

from services.invoicing.corrections.adjusting import credit_adjustment
from services.pricing.repository.adjustments import add_credit
from shared.database import Database
from shared.events.statement_rated import AdjustmentCredited
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


def _credited(corrected: Corrected, **values: Any) -> AdjustmentCredited:
    line = usage_line("output", "output_text", -100, "-2.003", details=[])
    fields: dict[str, Any] = {
        "vendor_id": corrected.world.vendor_id,
        "mode": "test",
        "tenant_id": "acme",
        "adjustment_id": new_id(),
        "statement_id": f"st-{corrected.world.vendor_id}",
        "subscription_id": "sub-1",
        "period_start": FIRST,
        "period_end": date(2026, 2, 1),
        "currency": "USD",
        "revision": 1,
        "rating_hash": "r",
        "total_exact": "-2.003",
        "returned_exact": "0",
        "settlement": "out_of_band",
        "lines": [line],
    }
    return AdjustmentCredited.model_validate(fields | values)


async def _credit(corrected: Corrected, credited: AdjustmentCredited) -> None:
    """Store it in pricing, and have invoicing credit it."""
    priced = Database(corrected.month.database.urls["pricing"], connections=1)
    async with priced.transaction() as connection:
        await add_credit(connection, credited, sequence=1, tell=False)
    await priced.close()
    async with corrected.world.database.transaction() as connection:
        identity, clock = credited.adjustment_id, corrected.world.clock
        await credit_adjustment(connection, credited, message_id=identity, clock=clock)
    await corrected.settle()


async def test_after_a_credited_adjustment(corrected: Corrected) -> None:
    """What pricing credits is what invoicing credited and carried on, to the last fraction."""
    credited = _credited(corrected)
    await _credit(corrected, credited)
    await _check(corrected)

    await corrected.month.tamper(
        "update invoicing.credited_adjustment set carried_exact = '0' where vendor_id = :vendor"
    )
    assert ["credited_adjustment_differs"] == await corrected.month.codes()
    assert corrected.month.lines[0].endswith(": pricing 2.003, invoicing 2")
    await corrected.month.tamper(
        "delete from invoicing.credited_adjustment where vendor_id = :vendor"
    )
    assert ["credited_adjustment_missing"] == await corrected.month.codes()


async def test_an_adjustment_that_pricing_does_not_know_is_named(corrected: Corrected) -> None:
    """Invoicing credited what pricing has no rating for."""
    await _credit(corrected, _credited(corrected))
    await corrected.month.tamper("delete from pricing.adjustment_credit where vendor_id = :vendor")

    assert ["credited_adjustment_unknown"] == await corrected.month.codes()


async def test_what_returned_to_credits_alone_is_no_difference(corrected: Corrected) -> None:
    """Nothing is left to credit: invoicing is not told."""
    credited = _credited(corrected, returned_exact="2.003")
    priced = Database(corrected.month.database.urls["pricing"], connections=1)
    async with priced.transaction() as connection:
        await add_credit(connection, credited, sequence=1, tell=False)
    await priced.close()

    await _check(corrected)


NOTES: list[dict[str, Any]] = [
    {"full": True},
    {"amount": "12.34"},
    {"lines": [{"line_key": "output", "amount": "7.5"}]},
]


@pytest.mark.parametrize("paid", [0, 2500])
@pytest.mark.parametrize("note", NOTES)
async def test_after_credit_notes(corrected: Corrected, note: Any, paid: int) -> None:
    """Our notes and Stripe's are the same, whatever was paid before."""
    if paid:
        await corrected.pay(paid)
    await corrected.order("credit-notes", settlement="out_of_band", **note)

    await _check(corrected)
    assert 1 == (await corrected.month.reconcile()).compared["credit notes"]


CHANGE = "update invoicing.credit_note set {} where vendor_id = :vendor and state = 'issued'"
BROKEN_NOTES = {
    "a note's amount is another": (
        CHANGE.format("net_minor = 1"),
        ["stripe_credit_note_net_differs", "stripe_credit_note_total_differs"],
    ),
    "a note was settled otherwise": (
        CHANGE.format("post_payment_minor = 5"),
        ["stripe_credit_note_post_payment_differs"],
    ),
    "a number is another": (
        CHANGE.format("number = 'X'"),
        ["stripe_credit_note_number_differs"],
    ),
    "a note forgot Stripe's": (
        CHANGE.format("stripe_credit_note_id = 'cn_gone'"),
        ["stripe_credit_note_missing", "stripe_credit_note_orphan"],
    ),
    "a note is gone": (
        "delete from invoicing.credit_note where vendor_id = :vendor",
        ["stripe_credit_note_orphan"],
    ),
    "a note waits": (
        CHANGE.format("state = 'parked', reason = 'x'"),
        ["credit_note_not_at_stripe"],
    ),
}


@pytest.mark.parametrize("broken", BROKEN_NOTES)
async def test_what_is_broken_in_a_note_is_named(corrected: Corrected, broken: str) -> None:
    """Each broken row of a note gives its own codes and no other."""
    query, codes = BROKEN_NOTES[broken]
    await corrected.order("credit-notes", settlement="out_of_band", amount="5")
    await corrected.month.tamper(query)

    assert codes == await corrected.month.codes()


async def test_notes_made_or_voided_at_stripe_by_hand_are_named(corrected: Corrected) -> None:
    """A note that a person made in the dashboard, and one of ours that was voided there."""
    made = await corrected.world.simulator.post(
        "/v1/credit_notes", invoice=corrected.invoice.stripe_invoice_id, amount="100"
    )
    assert ["stripe_credit_note_orphan"] == await corrected.month.codes()
    await corrected.world.simulator.post(f"/v1/credit_notes/{made['id']}/void")
    assert [] == await corrected.month.codes()

    await corrected.order("credit-notes", settlement="out_of_band", amount="5")
    notes = await corrected.world.simulator.get(
        "/v1/credit_notes", invoice=corrected.invoice.stripe_invoice_id
    )
    (ours,) = [one for one in notes["data"] if one["id"] != made["id"]]
    await corrected.world.simulator.post(f"/v1/credit_notes/{ours['id']}/void")
    assert ["stripe_credit_note_status_differs"] == await corrected.month.codes()
