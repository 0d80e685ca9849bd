"""What Stripe holds and we did not send never passes the gate."""

from dataclasses import dataclass
from typing import Any

import pytest

from services.invoicing import handlers
from services.invoicing.stripe_types import Posted

LINES = (("a", "10"), ("b", "20"))


@dataclass
class TamperedStripe:
    """Lets somebody change the draft behind our back once, right before a step's answer is used."""

    world: Any
    change: str
    armed: bool = True

    def __getattr__(self, name: str) -> Any:
        return getattr(self.world.gateway, name)

    async def post(self, step: str, target: str, params: Any, *, key: str) -> Posted:
        answer: Posted = await self.world.gateway.post(step, target, params, key=key)
        if self.armed and step == "add_lines":
            self.armed = False
            await self._tamper(target)
        return answer

    async def _tamper(self, invoice_id: str) -> None:
        path = f"/v1/invoices/{invoice_id}"
        if self.change == "extra line":
            form = {"lines[0][amount]": "500", "lines[0][description]": "by hand"}
            await self.world.simulator.post(f"{path}/add_lines", **form)
        elif self.change == "finalized":
            await self.world.simulator.post(f"{path}/finalize")
        elif self.change == "metadata":
            await self.world.simulator.post(path, **{"metadata[lines_sha256]": "0"})
        else:
            (await self.world.simulator.http.delete(path)).raise_for_status()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("extra line", "line_count_differs,lines_differ,total_differs"),
        ("finalized", "not_a_draft"),
        ("metadata", "lines_hash_differs"),
        ("deleted", "stripe_resource_missing"),
    ],
)
async def test_a_draft_that_differs_is_parked(
    world: Any, statement: Any, change: str, reason: str
) -> None:
    """A draft that was changed between filling and gate is parked with every difference."""
    invoice = await world.draft(statement(*LINES, total="30"))

    await world.sync(TamperedStripe(world, change)).sync_due()

    now = await world.read(invoice)
    assert ("parked", reason, None) == (now.state, now.reason, now.number)
    assert ["draft", "parked"] == await world.messages(invoice)


@pytest.mark.parametrize("change", ["extra line", "deleted"])
async def test_a_retry_builds_the_draft_anew(world: Any, statement: Any, change: str) -> None:
    """Retried by a person, the draft with foreign lines is replaced by the next attempt."""
    invoice = await world.draft(statement(*LINES, total="30"))
    await world.sync(TamperedStripe(world, change)).sync_due()
    async with world.database.transaction() as connection:
        await handlers.retry_invoice(
            connection, world.account, invoice.invoice_id, clock=world.clock
        )

    await world.sync().sync_due()

    (theirs,) = await world.simulator.invoices()
    assert ("sent", None) == await world.state(invoice)
    assert ("open", 3000, "2") == (theirs["status"], theirs["total"], theirs["metadata"]["attempt"])


async def test_another_draft_with_our_key_is_deleted(world: Any, statement: Any) -> None:
    """One Stripe invoice carries the key in the end: a stray draft is deleted before finalizing."""
    invoice = await world.draft(statement(*LINES, total="30"))
    customer = await world.simulator.post("/v1/customers", name="Acme")
    await world.rows(
        "insert into invoicing.stripe_customer values (:v, 'test', 'acme', :c) returning 1",
        v=world.vendor_id,
        c=customer["id"],
    )
    stray = {"customer": customer["id"], "metadata[invoice_key]": invoice.invoice_key}
    await world.simulator.post("/v1/invoices", **stray)

    await world.sync().sync_due()

    assert ["open"] == [one["status"] for one in await world.simulator.invoices()]
    assert ("sent", None) == await world.state(invoice)


async def test_another_open_invoice_with_our_key_parks(world: Any, statement: Any) -> None:
    """An issued Stripe invoice with our key that we do not know stops everything."""
    invoice = await world.draft(statement(*LINES, total="30"))
    customer = await world.simulator.post("/v1/customers", name="Acme")
    await world.rows(
        "insert into invoicing.stripe_customer values (:v, 'test', 'acme', :c) returning 1",
        v=world.vendor_id,
        c=customer["id"],
    )
    stray = {"customer": customer["id"], "metadata[invoice_key]": invoice.invoice_key}
    other = await world.simulator.post("/v1/invoices", **stray)
    await world.simulator.post(
        f"/v1/invoices/{other['id']}/add_lines", **{"lines[0][amount]": "100"}
    )
    await world.simulator.post(f"/v1/invoices/{other['id']}/finalize")

    await world.sync().sync_due()

    assert ("parked", "duplicate_stripe_invoice") == await world.state(invoice)
