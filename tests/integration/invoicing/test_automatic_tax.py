"""Stripe's automatic tax: what it needs, what it refuses, and that nobody waits for ever."""

from datetime import timedelta
from typing import Any

import pytest

from services.invoicing.webhooks import WebhookProcessor
from tests.support.taxed import BERLIN, put_setting

MINUTE = timedelta(seconds=61)


async def _automatic(api: Any) -> None:
    (await put_setting(api, treatment="automatic")).raise_for_status()


async def _items(api: Any) -> list[Any]:
    found = await api.http.get("/v1/attention", headers=await api.key())
    return list(found.json()["items"])


async def _deliver_all(api: Any) -> None:
    world = api.world
    for event in (await world.simulator.get("/v1/events", limit=100))["data"]:
        assert 200 == (await api.deliver(event)).status_code
    processor = WebhookProcessor(world.database, world.sync().accounts, world.clock)
    while await processor.process_due():
        pass


async def test_stripe_works_the_tax_out_and_it_is_stored(api: Any, statement: Any) -> None:
    """Prices of the vendor's one product, made once; net is compared, tax is kept."""
    world = api.world
    await _automatic(api)
    await world.add_tenant(address=BERLIN)
    first = await world.draft(statement(("a", "10"), ("b", "20"), total="30"))
    values = {"sequence": 2, "statement_id": "st-2"}
    second = await world.draft(statement(("a", "5"), total="5", **values))
    await world.sync().sync_due()

    theirs = {one["total_excluding_tax"]: one for one in await world.simulator.invoices()}
    products = (await world.simulator.get("/v1/products"))["data"]
    line = theirs[500]["lines"]["data"][0]
    path = f"/v1/invoices/{first.invoice_id}"
    shown = (await api.http.get(path, headers=await api.key())).json()
    assert [("sent", None)] * 2 == [await world.state(one) for one in (first, second)]
    assert (3570, 595) == (theirs[3000]["total"], theirs[500]["total"])
    assert ["complete", "complete"] == [one["automatic_tax"]["status"] for one in theirs.values()]
    assert [f"tallyroll-test-{world.vendor_id}"] == [one["id"] for one in products]
    assert products[0]["id"] == line["pricing"]["price_details"]["product"]
    assert (3000, 570, 3570, "automatic", []) == tuple(
        shown[name]
        for name in ("total_minor", "tax_minor", "gross_minor", "tax_treatment", "taxes")
    )


async def test_what_is_below_zero_is_inside_the_other_lines(api: Any, statement: Any) -> None:
    """A coupon, a correction and credits: Stripe gets lines above zero that sum to the total."""
    world = api.world
    await _automatic(api)
    await world.add_tenant(address=BERLIN)
    coupon = {
        "tenant": "acme",
        "coupon_id": "half",
        "name": "Launch",
        "percent": "50",
        "first_period": "2026-01-01",
    }
    await api.http.post("/v1/coupons", json=coupon, headers=await api.key())
    draws = [{"grant_id": "g", "line_key": "a", "amount_exact": "5", "tax": "at_use"}]
    adjustment = ("~adjustment/2025-12-01/a", "-5")
    made = await world.draft(
        statement(("a", "20"), ("b", "10"), adjustment, total="25", credits=draws)
    )
    await world.sync().sync_due()

    (theirs,) = await world.simulator.invoices()
    assert ("sent", None) == await world.state(made)
    assert (1000, 1190) == (theirs["total_excluding_tax"], theirs["total"])
    assert [667, 333] == [line["amount"] for line in theirs["lines"]["data"]]


@pytest.mark.parametrize(
    ("address", "missing", "total"),
    [
        ({}, "country,postal_code", 1190),
        ({"country": "US", "postal_code": "941"}, "postal_code", 1190),
    ],
)
async def test_an_invoice_waits_for_the_address_that_tax_needs(
    api: Any, statement: Any, *, address: Any, missing: str, total: int
) -> None:
    """The reason names what is missing, one action says where; then it goes on by itself."""
    world = api.world
    await _automatic(api)
    await world.add_tenant(address=address)
    made = await world.draft(statement(("a", "10"), total="10"))
    await world.sync().sync_due()
    waiting, items = await world.state(made), await _items(api)
    nothing = await world.simulator.invoices()
    await world.add_tenant(address=BERLIN)
    world.clock.advance(MINUTE)
    await world.sync().sync_due()

    assert ("draft", f"tax_address_missing:{missing}") == waiting
    assert [("PUT", "/v1/tenants/acme")] == [
        (item["action"]["method"], item["action"]["path"]) for item in items
    ]
    assert [] == nothing
    assert ("sent", None) == await world.state(made)
    assert [total] == [one["total"] for one in await world.simulator.invoices()]
    assert [] == await _items(api)


async def test_a_place_that_stripe_does_not_know_waits_for_another(
    api: Any, statement: Any
) -> None:
    """Stripe is asked once about an address, and again when it is another."""
    world = api.world
    await _automatic(api)
    await world.add_tenant(address=BERLIN | {"country": "CA", "postal_code": "nowhere"})
    made = await world.draft(statement(("a", "10"), total="10"))
    for _ in range(3):
        await world.sync().sync_due()
        world.clock.advance(MINUTE)
    asked = (await world.simulator.http.get("/_sim/requests")).json()["requests"]
    waiting, items = await world.state(made), await _items(api)
    await world.add_tenant(address=BERLIN)
    await world.sync().sync_due()

    assert ("draft", "tax_address_not_located") == waiting
    assert ["/v1/tenants/acme"] == [item["action"]["path"] for item in items]
    assert 1 == sum(one["path"] == "/v1/customers" for one in asked)
    assert ("sent", None) == await world.state(made)


async def test_an_address_that_is_lost_at_stripe_is_found_again(api: Any, statement: Any) -> None:
    """Somebody clears the customer's address: the draft waits, another address makes it anew."""
    world = api.world
    await _automatic(api)
    await world.add_tenant(address=BERLIN)
    first = await world.draft(statement(("a", "10"), total="10"))
    await world.sync().sync_due()
    customer = (await world.simulator.invoices())[0]["customer"]
    await world.simulator.post(f"/v1/customers/{customer}", address="")
    values = {"sequence": 2, "statement_id": "st-2"}
    second = await world.draft(statement(("a", "20"), total="20", **values))
    await world.sync().sync_due()
    waiting = await world.state(second)
    await world.add_tenant(address=BERLIN | {"line2": "3rd floor"})
    world.clock.advance(MINUTE)
    await world.sync().sync_due()

    assert ("sent", None) == await world.state(first)
    assert ("draft", "tax_address_not_located") == waiting
    assert ("sent", None) == await world.state(second)
    assert [2380, 1190] == [one["total"] for one in await world.simulator.invoices()]


async def test_a_failed_finalization_waits_and_keeps_its_number(api: Any, statement: Any) -> None:
    """The address goes between the gate and finalizing: the number stays, the next try issues."""
    world = api.world
    await _automatic(api)
    await world.add_tenant(address=BERLIN)
    made = await world.draft(statement(("a", "10"), total="10"))
    await world.sync(Forgetful(world)).sync_due()
    waiting, failed = await world.state(made), await world.simulator.invoices()
    await _deliver_all(api)
    told = {item["reason"] for item in await _items(api)}
    number = (await world.read(made)).number
    await world.add_tenant(address=BERLIN | {"line2": "3rd floor"})
    world.clock.advance(MINUTE)
    await world.sync().sync_due()

    await _deliver_all(api)

    assert ("approved", "tax_address_not_located") == waiting
    assert {
        "tax_address_not_located",
        "finalization_failed:customer_tax_location_invalid",
    } == told
    assert [] == await _items(api)
    assert ["customer_tax_location_invalid"] == [
        one["last_finalization_error"]["code"] for one in failed
    ]
    assert ("sent", None) == await world.state(made)
    assert [(failed[0]["id"], number, 1190)] == [
        (one["id"], one["number"], one["total"]) for one in await world.simulator.invoices()
    ]


class Forgetful:
    """Clears the customer's address right before an invoice is finalized, once."""

    def __init__(self, world: Any) -> None:
        self.world = world
        self.armed = True

    def __getattr__(self, name: str) -> Any:
        return getattr(self.world.gateway, name)

    async def post(self, step: str, target: str, params: Any, *, key: str) -> str:
        if self.armed and step == "finalize_invoice":
            self.armed = False
            (draft,) = await self.world.simulator.invoices()
            await self.world.simulator.post(f"/v1/customers/{draft['customer']}", address="")
        answer: str = await self.world.gateway.post(step, target, params, key=key)
        return answer


async def test_automatic_tax_that_was_switched_off_is_not_finalized(
    api: Any, statement: Any
) -> None:
    """Without it the invoice would go out untaxed; the gate sees that."""
    world = api.world
    await _automatic(api)
    await world.add_tenant(address=BERLIN)
    made = await world.draft(statement(("a", "10"), total="10"))
    await world.sync(SwitchedOff(world)).sync_due()

    assert ("parked", "automatic_tax_differs") == await world.state(made)


class SwitchedOff(Forgetful):
    """Switches automatic tax off at Stripe once the lines are there."""

    async def post(self, step: str, target: str, params: Any, *, key: str) -> str:
        answer: str = await self.world.gateway.post(step, target, params, key=key)
        if step == "add_lines":
            form = {"automatic_tax[enabled]": "false"}
            await self.world.simulator.post(f"/v1/invoices/{target}", **form)
        return answer


async def test_a_tenant_of_its_own_way(api: Any, statement: Any) -> None:
    """One tenant is taxed by Stripe, though the vendor's default is none."""
    world = api.world
    await world.add_tenant(address=BERLIN)
    await put_setting(api, "acme", treatment="automatic")
    made = await world.draft(statement(("a", "10"), total="10"))
    await world.sync().sync_due()

    (theirs,) = await world.simulator.invoices()
    assert ("sent", None) == await world.state(made)
    assert (True, 1190) == (theirs["automatic_tax"]["enabled"], theirs["total"])
