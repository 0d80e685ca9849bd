"""Whatever dies or is lost when: one right Stripe invoice comes out."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from secrets import token_hex
from typing import Any

import pytest

from services.invoicing import stripe_gateway
from services.invoicing.stripe_gateway import StripeGateway
from services.invoicing.stripe_types import Posted
from tests.support.killing import Killed, KillingStripe

STRIPE_KEY = "sk_test_invoicing"
LINES = (("a", "100.333"), ("b", "0.333"), ("c", "0.334"))
STEPS = {
    "create_customer": "/v1/customers",
    "create_invoice": "/v1/invoices",
    "add_lines": "/v1/invoices/*/add_lines",
    "set_number": "/v1/invoices/*",
    "finalize_invoice": "/v1/invoices/*/finalize",
    "send_invoice": "/v1/invoices/*/send",
}


@dataclass
class ForgetfulStripe:
    """The naive client: a fresh idempotency key for every call."""

    inner: Any

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    async def post(self, step: str, target: str, params: Any, *, key: str) -> Posted:
        del key
        answer: Posted = await self.inner.post(step, target, params, key=token_hex(32))
        return answer


@dataclass
class OneMoreLine:
    """Somebody adds a line of theirs to the draft when ours are in it."""

    world: Any

    def __getattr__(self, name: str) -> Any:
        return getattr(self.world.gateway, name)

    async def post(self, step: str, target: str, params: Any, *, key: str) -> Posted:
        answer: Posted = await self.world.gateway.post(step, target, params, key=key)
        if step == "add_lines":
            form = {"lines[0][amount]": "500", "lines[0][description]": "by hand"}
            await self.world.simulator.post(f"/v1/invoices/{target}/add_lines", **form)
        return answer


async def check_one_right_invoice(world: Any, invoice: Any) -> None:
    """Fail unless Stripe ever saw one customer and one invoice, and it is ours to the cent."""
    ours = await world.read(invoice)
    (theirs,) = await world.simulator.invoices()
    lines = {line["metadata"]["line_key"]: line["amount"] for line in theirs["lines"]["data"]}
    assert ("sent", None) == (ours.state, ours.reason)
    assert ("open", ours.number, 10100) == (theirs["status"], theirs["number"], theirs["total"])
    assert {"a": 10033, "b": 33, "c": 34} == lines
    assert 3 == theirs["lines"]["total_count"]
    assert 1 == await world.simulator.created("customer.created")
    assert 1 == await world.simulator.created("invoice.created")
    assert 1 == await world.simulator.created("invoice.finalized")
    assert 1 == await world.simulator.created("invoice.sent")


async def kill_and_resume(world: Any, invoice: Any, stripe: Any, step: str, moment: str) -> None:
    with pytest.raises(Killed):
        await world.sync(KillingStripe(stripe, step, moment)).sync(
            world.account, invoice.invoice_id
        )
    await world.sync(stripe).sync(world.account, invoice.invoice_id)


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("step", STEPS)
async def test_a_crash_at_any_step_leaves_one_right_invoice(
    world: Any, statement: Any, step: str, moment: str
) -> None:
    """A process that dies before or after any call is followed by one that finishes its work."""
    invoice = await world.draft(statement(*LINES, total="101"))

    await kill_and_resume(world, invoice, world.gateway, step, moment)

    await check_one_right_invoice(world, invoice)


@pytest.mark.parametrize("step", ["create_customer", "create_invoice", "send_invoice"])
async def test_random_idempotency_keys_fail_the_same_check(
    world: Any, statement: Any, step: str
) -> None:
    """The naive client makes the customer, the invoice or the e-mail twice."""
    invoice = await world.draft(statement(*LINES, total="101"))

    await kill_and_resume(world, invoice, ForgetfulStripe(world.gateway), step, "after")

    with pytest.raises(AssertionError):
        await check_one_right_invoice(world, invoice)


@pytest.fixture(name="impatient")
async def _impatient(world: Any, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[StripeGateway]:
    """A gateway that leaves every resend to us, so that each fault is an unknown outcome."""
    monkeypatch.setattr(stripe_gateway, "NETWORK_RETRIES", 0)
    gateway = StripeGateway(STRIPE_KEY, api_base=world.simulator.url, sleep=asyncio.sleep)
    yield gateway
    await gateway.close()


@pytest.mark.parametrize("path", STEPS.values())
@pytest.mark.parametrize(
    "fault", ["commit_then_drop", "drop_before_commit", "commit_then_500", "fail_after_start"]
)
async def test_lost_answers_and_failures_leave_one_right_invoice(
    world: Any, statement: Any, impatient: StripeGateway, fault: str, path: str
) -> None:
    """An answer that is lost or a stored 500 changes nothing in the end."""
    invoice = await world.draft(statement(*LINES, total="101"))
    await world.simulator.fault(fault, path)

    for _ in range(3):
        await world.sync(impatient).sync_due()
        world.clock.advance(timedelta(seconds=5))

    if fault == "commit_then_500" and path.endswith("/send"):
        # Whether the mail left cannot be known: once more is the lesser harm.
        assert ("sent", None) == await world.state(invoice)
        return
    await check_one_right_invoice(world, invoice)


@pytest.mark.parametrize("fault", ["commit_then_drop", "fail_before_commit", "429"])
async def test_the_client_resends_by_itself(world: Any, statement: Any, fault: str) -> None:
    """A short fault is over within one run: the same key goes out again after a pause."""
    invoice = await world.draft(statement(*LINES, total="101"))
    await world.simulator.fault(fault, "/v1/invoices", times=2)

    await world.sync().sync_due()

    await check_one_right_invoice(world, invoice)


@pytest.mark.parametrize(
    ("fault", "attempt"), [("commit_then_drop", "1"), ("drop_before_commit", "2")]
)
async def test_after_twenty_hours_nothing_is_resent_blindly(
    world: Any, statement: Any, impatient: StripeGateway, fault: str, attempt: str
) -> None:
    """An old call of unknown outcome is looked for: what it made is adopted, else made anew."""
    invoice = await world.draft(statement(*LINES, total="101"))
    await world.simulator.fault(fault, "/v1/invoices")
    await world.sync(impatient).sync_due()

    world.clock.advance(timedelta(hours=25))
    await world.sync(impatient).sync_due()

    await check_one_right_invoice(world, invoice)
    (theirs,) = await world.simulator.invoices()
    assert attempt == theirs["metadata"]["attempt"]


async def test_a_repeated_answer_is_not_news(world: Any) -> None:
    """An answer that Stripe had stored under the key says nothing of the invoice as it is now."""
    customer = await world.gateway.post("create_customer", "", {"name": "A"}, key="customer")
    params = {"customer": customer.id, "currency": "usd"}

    answers = [
        await world.gateway.post("create_invoice", "", params, key="invoice") for _ in range(2)
    ]

    assert answers[0].id == answers[1].id
    assert ["draft", None] == [one.invoice and one.invoice.status for one in answers]
    assert customer.invoice is None


async def test_what_stripe_answered_is_kept_when_the_invoice_stops(
    world: Any, statement: Any
) -> None:
    """The job of a call that was made is done, although the gate stopped the invoice behind it."""
    invoice = await world.draft(statement(*LINES, total="101"))

    await world.sync(OneMoreLine(world)).sync_due()

    assert "parked" == (await world.state(invoice))[0]
    jobs = await world.rows(
        "select step, state from invoicing.stripe_job where vendor_id = :v", v=world.vendor_id
    )
    steps = {"create_customer", "create_invoice", "add_lines"}
    assert {(step, "done") for step in steps} == {tuple(job) for job in jobs}
    assert (await world.read(invoice)).stripe_invoice_id is not None
