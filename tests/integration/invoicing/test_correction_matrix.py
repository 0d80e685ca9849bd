"""Invoicing dies around every correction at Stripe, under every fault: it is done once.

`python -m tests.support.crash_matrix` writes what the cells ended in to docs/reference.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from deploy.local.stripe_simulator.faults import FAULTS
from services.invoicing import stripe_gateway
from services.invoicing.stripe_gateway import StripeGateway
from shared.ids import new_id
from tests.integration.invoicing.conftest import START, STRIPE_KEY
from tests.integration.invoicing.test_crash_matrix import (
    MOMENTS,
    OLD,
    PASSES_MAX,
    DyingStripe,
    set_fault,
)
from tests.integration.invoicing.test_crashes import ForgetfulStripe
from tests.support.crash_matrix import CORRECTIONS_HEAD, check_page, page
from tests.support.killing import Killed

STEPS = {
    "void_invoice": "/v1/invoices/*/void",
    "mark_uncollectible": "/v1/invoices/*/mark_uncollectible",
    "create_credit_note": "/v1/credit_notes",
}
READS = {
    "void_invoice": "/v1/invoices/*",
    "mark_uncollectible": "/v1/invoices/*",
    "create_credit_note": "/v1/credit_notes",
}
ROUTES = {"void_invoice": "void", "mark_uncollectible": "mark-uncollectible"}
EVENTS = {
    "void_invoice": "invoice.voided",
    "mark_uncollectible": "invoice.marked_uncollectible",
    "create_credit_note": "credit_note.created",
}
STATES = {"void_invoice": "void", "mark_uncollectible": "uncollectible"}
STALE = timedelta(minutes=2)
"""Reads that lag behind by a minute show the invoice as it was sent."""

CREDITED = 1234
"""Minor units of the 5,000 that the invoice asks for."""


@dataclass(frozen=True)
class Cell:
    """The invoice's state at Stripe in the end, and what was credited."""

    status: str
    credited: int

    def __str__(self) -> str:
        return f"{self.status}, {self.credited / 100:.2f}" if self.credited else self.status


@dataclass
class Matrix:
    """Runs cells, each on a tenant of its own at an empty Stripe."""

    world: Any
    statement: Any
    api: Any
    stripe: Any
    tenants: int = 0

    async def run(self, step: str, fault: str, moment: str) -> Cell:
        """Die at a correction under a fault, go on, and return what Stripe holds in the end."""
        world = self.world
        invoice = await self._sent()
        await self._order(step, invoice)
        await set_fault(world, STEPS[step], fault, READS[step])
        with pytest.raises(Killed):
            await world.corrections(DyingStripe(self.stripe, step, moment)).sync_due()
        if fault == "key_pruned":
            world.clock.advance(OLD)
        for _ in range(PASSES_MAX):
            await world.corrections(self.stripe).sync_due()
            if await self._state(step, invoice) not in ("pending", "approved"):
                break
            world.clock.advance(timedelta(seconds=300))
        return await self._check(step, invoice)

    async def _sent(self) -> Any:
        world = self.world
        await world.simulator.reset()
        world.clock.instant = START
        self.tenants += 1
        tenant = f"tenant-{self.tenants}"
        await world.add_tenant(tenant)
        made = self.statement(("a", "50"), total="50", tenant_id=tenant, subscription_id=tenant)
        invoice = await world.draft(made)
        await world.sync().sync_due()
        world.clock.advance(STALE)
        return await world.read(invoice)

    async def _order(self, step: str, invoice: Any) -> None:
        path = f"/v1/invoices/{invoice.invoice_id}/{ROUTES.get(step, 'credit-notes')}"
        headers = await self.api.key("billing:write") | {"Idempotency-Key": new_id()}
        body = {"settlement": "out_of_band", "amount": f"{CREDITED / 100:.2f}"}
        send = {"json": body} if step == "create_credit_note" else {}
        answer = await self.api.http.post(path, headers=headers, **send)
        assert 202 == answer.status_code, answer.text

    async def _state(self, step: str, invoice: Any) -> str:
        """Return the state of the order."""
        table = "credit_note" if step == "create_credit_note" else "invoice_action"
        (row,) = await self.world.rows(
            f"select state from invoicing.{table} where invoice_id = :i",  # noqa: S608
            i=invoice.invoice_id,
        )
        return str(row.state)

    async def _check(self, step: str, invoice: Any) -> Cell:
        """Fail unless the correction was made once, and ours tells the same of it."""
        simulator = self.world.simulator
        (theirs,) = await simulator.invoices()
        notes = (await simulator.get("/v1/credit_notes", invoice=theirs["id"]))["data"]
        assert 1 == await simulator.created(EVENTS[step])
        done = "issued" if step == "create_credit_note" else "done"
        assert done == await self._state(step, invoice)
        assert (STATES.get(step, "sent"), None) == await self.world.state(invoice)
        amounts = [note["total"] for note in notes]
        assert ([CREDITED] if step == "create_credit_note" else []) == amounts
        assert 5000 - sum(amounts) == theirs["amount_remaining"]
        return Cell(theirs["status"], sum(amounts))


@pytest.fixture(name="matrix")
async def _matrix(
    world: Any, statement: Any, api: Any, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Matrix]:
    async def no_sleep(_seconds: float) -> None:
        return None

    monkeypatch.setattr(stripe_gateway, "NETWORK_RETRIES", 0)
    monkeypatch.setattr(stripe_gateway, "TIMEOUT_SECONDS", 0.5)
    gateway = StripeGateway(STRIPE_KEY, api_base=world.simulator.url, sleep=no_sleep)
    yield Matrix(world, statement, api, gateway)
    await gateway.close()


async def test_every_cell_ends_with_the_correction_done_once(matrix: Matrix) -> None:
    """Whatever dies when: one void, one giving up, one credit note."""
    cells = {
        (step, fault, moment): await matrix.run(step, fault, moment)
        for fault in FAULTS
        for step in STEPS
        for moment in MOMENTS
    }

    made = page(cells, tuple(STEPS), FAULTS, CORRECTIONS_HEAD)
    check_page(made, "crash-matrix-corrections")


async def test_fresh_keys_credit_twice(matrix: Matrix) -> None:
    """With a new idempotency key for each call, a lost answer credits a second time."""
    matrix.stripe = ForgetfulStripe(matrix.stripe)

    with pytest.raises(AssertionError):
        await matrix.run("create_credit_note", "commit_then_drop", "after")
