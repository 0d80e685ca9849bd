"""Any interleaving of Stripe's webhooks ends in the same state (hypothesis)."""

import random
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from services.invoicing.stripe_types import OutcomeUnknown
from services.invoicing.webhooks import WebhookProcessor

ACTIONS = (
    "decline",
    "pay_part",
    "pay_rest",
    "pay_elsewhere",
    "dispute",
    "refund",
    "void",
    "give_up",
)
STEPS = st.one_of(
    st.tuples(st.just("happens"), st.sampled_from(ACTIONS)),
    st.tuples(st.just("deliver"), st.randoms(use_true_random=False)),
    st.tuples(st.just("process"), st.booleans()),
)


class FlakyStripe:
    """Stripe, which fails to answer while `down`."""

    def __init__(self, stripe: Any) -> None:
        self._stripe = stripe
        self.down = False

    def __getattr__(self, name: str) -> Any:
        if self.down:
            raise OutcomeUnknown
        return getattr(self._stripe, name)

    async def gateway(self, _account: Any) -> Any:
        return self


@dataclass
class Billed:
    """An invoice that is sent, and the events about it that happened so far."""

    world: Any
    api: Any
    invoice: Any
    stripe: FlakyStripe
    events: list[Any] = field(default_factory=list)

    async def happens(self, action: str) -> None:
        """Let something happen at Stripe, which may refuse it; note the events it makes."""
        known = {event["id"] for event in await self._all_events()}
        await getattr(self, f"_{action}")()
        self.events += [e for e in reversed(await self._all_events()) if e["id"] not in known]

    async def _all_events(self) -> list[Any]:
        found: list[Any] = (await self.world.simulator.get("/v1/events", limit=100))["data"]
        return found

    async def _post(self, path: str, **form: Any) -> None:
        await self.world.simulator.http.post(path, data=form)

    async def _card(self, amount: int, card: str = "pm_card_visa") -> None:
        body = {"invoice": self.invoice.stripe_invoice_id, "amount": amount, "card": card}
        await self.world.simulator.http.post("/_sim/payments", json=body)

    @property
    def _path(self) -> str:
        return f"/v1/invoices/{self.invoice.stripe_invoice_id}"

    async def _decline(self) -> None:
        await self._post(f"{self._path}/pay", payment_method="pm_card_chargeDeclined")

    async def _pay_part(self) -> None:
        await self._card(1000)

    async def _pay_rest(self) -> None:
        remaining = (await self.world.simulator.get(self._path))["amount_remaining"]
        await self._card(remaining)

    async def _pay_elsewhere(self) -> None:
        await self._post(f"{self._path}/pay", paid_out_of_band="true")

    async def _dispute(self) -> None:
        await self._card(1000, "pm_card_createDispute")

    async def _refund(self) -> None:
        customer = (await self.world.simulator.get(self._path))["customer"]
        charges = (await self.world.simulator.get("/v1/charges", limit=100))["data"]
        intents = await self.stripe.payment_intents_of(self.invoice.stripe_invoice_id)
        for charge in charges:
            if charge["customer"] == customer and charge["payment_intent"] in intents:
                await self._post("/v1/refunds", charge=charge["id"], amount=300)
                return

    async def _void(self) -> None:
        await self._post(f"{self._path}/void")

    async def _give_up(self) -> None:
        await self._post(f"{self._path}/mark_uncollectible")

    async def deliver(self, events: list[Any]) -> None:
        answers = [(await self.api.deliver(event)).status_code for event in events]
        assert {200} >= set(answers)

    async def process(self, *, answered: bool = True) -> None:
        """Look at what is due once, with or without answers of Stripe."""
        self.stripe.down = not answered
        await WebhookProcessor(self.world.database, self.stripe, self.world.clock).process_due()
        self.stripe.down = False

    async def settle(self) -> None:
        """Process until nothing waits."""
        waiting = "select 1 from invoicing.webhook_inbox where processed_at is null"
        while await self.world.rows(waiting):
            await self.process()
            self.world.clock.advance(timedelta(minutes=5))

    async def end(self) -> Any:
        """Return what is stored of the invoice in the end, but for its ids and times."""
        state, reason = await self.world.state(self.invoice)
        columns = "paid_minor, remaining_minor, refunded_minor, facts, waits"
        rows = await self.world.rows(
            f"select {columns} from invoicing.invoice_standing where invoice_id = :i",  # noqa: S608
            i=self.invoice.invoice_id,
        )
        return state, reason, [tuple(row) for row in rows]


async def _billed(world: Any, api: Any, statement: Any, number: int) -> Billed:
    made = statement(
        ("a", "50"), total="50", statement_id=f"st-{number}", subscription_id=f"sub-{number}"
    )
    invoice = await world.draft(made)
    await world.sync().sync_due()
    return Billed(world, api, await world.read(invoice), FlakyStripe(world.gateway))


@settings(
    max_examples=12,
    deadline=None,
    phases=(Phase.generate,),  # shrinking takes minutes against servers
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(steps=st.lists(STEPS, max_size=12), last=st.randoms(use_true_random=False))
async def test_any_interleaving_of_webhooks_ends_in_the_same_state(
    world: Any, api: Any, statement: Any, *, steps: list[Any], last: random.Random
) -> None:
    """One of two invoices hears of what happens to both in order; the other anyhow.

    Some events come while more happens, some several times, all of them in the end; some are
    processed while Stripe does not answer.
    """
    number = (await world.rows("select count(*) from invoicing.invoice"))[0][0]
    plain = await _billed(world, api, statement, number)
    tangled = await _billed(world, api, statement, number + 1)
    api.delivered = 0
    for step, value in steps:
        if step == "happens":
            await plain.happens(value)
            await tangled.happens(value)
        elif step == "deliver" and tangled.events:
            await tangled.deliver(value.choices(tangled.events, k=3))
        elif step == "process":
            await tangled.process(answered=value)
    await tangled.deliver(last.sample(tangled.events, k=len(tangled.events)))
    await tangled.settle()
    await plain.deliver(plain.events)
    await plain.settle()

    assert await plain.end() == await tangled.end()
