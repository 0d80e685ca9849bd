"""Invoicing dies before and after every step, under every fault: one right invoice comes out.

`python -m tests.support.crash_matrix` writes what the cells ended in to docs/reference.
"""

from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from deploy.local.stripe_simulator.faults import FAULTS
from services.invoicing import stripe_gateway
from services.invoicing.stripe_gateway import StripeGateway
from services.invoicing.stripe_types import StripeProblem
from tests.integration.invoicing.conftest import START, STRIPE_KEY
from tests.integration.invoicing.test_crashes import LINES, STEPS, ForgetfulStripe
from tests.support.crash_matrix import Cell, check_page, page
from tests.support.killing import Killed

MOMENTS = ("before", "after")
PASSES_MAX = 8
OLD = timedelta(hours=25)
"""So long Stripe keeps a key at least; `key_pruned` forgets it then."""

READS = ("stale_read", "search_lag")


@dataclass
class DyingStripe:
    """Dies once at a step: before the call leaves, or after its answer or failure arrived."""

    inner: Any
    step: str
    moment: str
    armed: bool = True

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    async def post(self, step: str, target: str, params: Any, *, key: str) -> str:
        if not self.armed or step != self.step:
            return str(await self.inner.post(step, target, params, key=key))
        self.armed = False
        if self.moment == "after":
            with suppress(StripeProblem):
                await self.inner.post(step, target, params, key=key)
        raise Killed


async def set_fault(world: Any, path: str, fault: str, reads: str = "/v1/invoices") -> None:
    """Let the simulator meet the next request to a path with a fault, once.

    Faults of reads meet the path `reads`.
    """
    rule = {"fault": fault, "times": 1, "match": {"method": "POST", "path": path}}
    if fault in READS:
        rule["match"] = {"method": "GET", "path": reads}
    if fault == "latency":
        rule["latency_ms"] = 20
    plan = {"seed": 7, "rules": [rule]}
    (await world.simulator.http.post("/_sim/faults", json=plan)).raise_for_status()


@pytest.fixture(name="impatient")
async def _impatient(world: Any, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[StripeGateway]:
    """A gateway that resends nothing itself and waits half a second for an answer."""
    monkeypatch.setattr(stripe_gateway, "NETWORK_RETRIES", 0)
    monkeypatch.setattr(stripe_gateway, "TIMEOUT_SECONDS", 0.5)

    async def no_sleep(_seconds: float) -> None:
        return None

    gateway = StripeGateway(STRIPE_KEY, api_base=world.simulator.url, sleep=no_sleep)
    yield gateway
    await gateway.close()


@dataclass
class Matrix:
    """Runs cells, each on a tenant of its own at an empty Stripe."""

    world: Any
    statement: Any
    stripe: Any
    tenants: int = 0

    async def run(self, step: str, fault: str, moment: str) -> Cell:
        """Die at a step under a fault, go on, and return what Stripe holds in the end."""
        world = self.world
        await world.simulator.reset()
        world.clock.instant = START
        self.tenants += 1
        tenant = f"tenant-{self.tenants}"
        await world.add_tenant(tenant)
        made = self.statement(*LINES, total="101", tenant_id=tenant, subscription_id=tenant)
        invoice = await world.draft(made)
        await set_fault(world, STEPS[step], fault)
        dying = DyingStripe(self.stripe, step, moment)
        with pytest.raises(Killed):
            await world.sync(dying).sync(world.account, invoice.invoice_id)
        if fault == "key_pruned":
            world.clock.advance(OLD)
        return await self._resume(invoice)

    async def _resume(self, invoice: Any) -> Cell:
        world = self.world
        for _ in range(PASSES_MAX):
            await world.sync(self.stripe).sync_due()
            now = await world.read(invoice)
            if now.state in ("sent", "parked"):
                break
            world.clock.advance(timedelta(seconds=300))
        assert ("sent", None) == (now.state, now.reason)
        return await self._at_stripe(now)

    async def _at_stripe(self, invoice: Any) -> Cell:
        """Fail unless Stripe holds one customer and one invoice, and it is ours to the cent."""
        simulator = self.world.simulator
        (theirs,) = await simulator.invoices()
        (customer,) = (await simulator.get("/v1/customers", limit=100))["data"]
        lines = {line["metadata"]["line_key"]: line["amount"] for line in theirs["lines"]["data"]}
        assert {"a": 10033, "b": 33, "c": 34} == lines
        assert 3 == theirs["lines"]["total_count"]
        assert (invoice.number, 10100) == (theirs["number"], theirs["total"])
        assert (invoice.stripe_invoice_id, customer["id"]) == (theirs["id"], theirs["customer"])
        assert 1 == await simulator.created("invoice.finalized")
        return Cell(
            status=theirs["status"],
            attempt=int(theirs["metadata"]["attempt"]),
            drafts=await simulator.created("invoice.created"),
            mails=await simulator.created("invoice.sent"),
        )


@pytest.fixture(name="matrix")
def _matrix(world: Any, statement: Any, impatient: StripeGateway) -> Matrix:
    return Matrix(world, statement, impatient)


async def test_every_cell_ends_in_one_right_invoice(matrix: Matrix) -> None:
    """Whatever step it dies at, and whatever fault it meets: Stripe holds the invoice once."""
    cells = {
        (step, fault, moment): await matrix.run(step, fault, moment)
        for fault in FAULTS
        for step in STEPS
        for moment in MOMENTS
    }

    assert all((cell.status, cell.drafts) == ("open", 1) for cell in cells.values())
    second = {key for key, cell in cells.items() if cell.mails != 1}
    assert {step for step, _, _ in second} <= {"send_invoice"}
    check_page(page(cells, tuple(STEPS), FAULTS))


@pytest.mark.parametrize("step", ["create_customer", "create_invoice"])
async def test_fresh_keys_fail_in_the_same_cell(matrix: Matrix, step: str) -> None:
    """With a new idempotency key for each call, a lost answer makes the object twice."""
    matrix.stripe = ForgetfulStripe(matrix.stripe)

    try:
        cell = await matrix.run(step, "commit_then_drop", "after")
    except ValueError:
        assert "create_customer" == step  # two customers where one was unpacked
    else:
        assert ("create_invoice", 2) == (step, cell.drafts)
