"""Stripe's limits are kept by waiting here, and what is refused all the same comes again later."""

from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from deploy.local.stripe_simulator import create_simulator
from deploy.local.stripe_simulator.settings import Settings
from services.invoicing.stripe_gateway import RATE_LIMIT_BUDGET_SECONDS, StripeGateway
from services.invoicing.stripe_throttle import Throttle
from services.invoicing.stripe_types import OutcomeUnknown
from tests.integration.invoicing.conftest import (
    API_VERSION,
    STRIPE_KEY,
    SimulatedStripe,
    served,
)

PER_ENDPOINT, OVERALL = 25, 100
INVOICES = 200
REQUESTS_FOR_A_REFUSAL = 20
"""One request in so many may be refused."""


@pytest.fixture(name="limited")
async def _limited() -> AsyncIterator[SimulatedStripe]:
    """A simulator of its own, by real time, with Stripe's documented limits."""
    settings = Settings(rate_limits=True, rate_per_endpoint=PER_ENDPOINT, rate_global=OVERALL)
    headers = {"Authorization": f"Bearer {STRIPE_KEY}", "Stripe-Version": API_VERSION}
    async with (
        served(create_simulator(control=True, settings=settings)) as url,
        httpx.AsyncClient(base_url=url, headers=headers, trust_env=False) as http,
    ):
        yield SimulatedStripe(url, http)


async def outcomes(simulator: SimulatedStripe) -> Counter[str]:
    """Return how often each thing became of a request."""
    requests = (await simulator.get("/_sim/requests"))["requests"]
    return Counter(request["outcome"] for request in requests)


async def test_many_invoices_go_out_at_stripes_pace(
    world: Any, statement: Any, limited: SimulatedStripe
) -> None:
    """Two hundred invoices, and hardly a request is refused: the waiting is ours.

    Requests that a stalled machine bunches up may be; they come again. That none is on one that
    does not stall is the throttle's own test, by a clock of its own.
    """
    for number in range(INVOICES):
        await world.draft(statement(("a", "5"), total="5", subscription_id=f"sub-{number}"))
    gateway = StripeGateway(
        STRIPE_KEY, api_base=limited.url, throttle=Throttle(PER_ENDPOINT, OVERALL)
    )

    await world.sync(gateway).sync_due()

    await gateway.close()
    assert INVOICES == await world.rows_count("sent")
    seen = await outcomes(limited)
    assert seen["rate_limited"] * REQUESTS_FOR_A_REFUSAL <= seen.total()


async def test_without_buckets_requests_are_refused(
    world: Any, statement: Any, limited: SimulatedStripe
) -> None:
    """The same without waiting beforehand runs into the limits at once; no invoice is lost."""
    for number in range(40):
        await world.draft(statement(("a", "5"), total="5", subscription_id=f"sub-{number}"))
    gateway = StripeGateway(STRIPE_KEY, api_base=limited.url)

    await world.sync(gateway).sync_due()

    await gateway.close()
    assert 40 == await world.rows_count("sent")
    assert (await outcomes(limited))["rate_limited"] > 0


async def test_retry_after_is_heeded(world: Any) -> None:
    """After a 429 the call rests at least as long as Stripe asks, at most half a second else."""
    rests: list[float] = []

    async def sleep(seconds: float) -> None:
        rests.append(seconds)

    gateway = StripeGateway(STRIPE_KEY, api_base=world.simulator.url, sleep=sleep)
    for header in ({"retry_after": 7}, {}):
        await world.simulator.fault("429", "/v1/customers", **header)
        await gateway.post("create_customer", "", {"name": "A"}, key=f"key-{len(rests)}")
    await gateway.close()

    assert 7 == rests[0]
    assert 0 <= rests[1] <= 0.5


async def test_a_call_rests_within_its_budget(world: Any) -> None:
    """A call that is refused for ever is given up after its budget, with growing rests."""
    rests: list[float] = []

    async def sleep(seconds: float) -> None:
        rests.append(seconds)

    gateway = StripeGateway(STRIPE_KEY, api_base=world.simulator.url, sleep=sleep)
    await world.simulator.fault("429", "/v1/customers", times=10_000)
    with pytest.raises(OutcomeUnknown):
        await gateway.post("create_customer", "", {"name": "A"}, key="key")
    await gateway.close()

    assert sum(rests) <= RATE_LIMIT_BUDGET_SECONDS
    assert max(rests) > 5
    assert all(rest <= 30 for rest in rests)
