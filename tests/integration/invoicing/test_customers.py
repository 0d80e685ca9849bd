"""A tenant has one customer at Stripe: made once, linked if it was there, told of every change."""

from typing import Any

from services.invoicing.handlers import retry_invoice
from services.invoicing.linking import Linking, read_links
from services.invoicing.repository.documents import put_locale

HEADER = "tenant,customer"
BERLIN = {"line1": "Torstr. 1", "city": "Berlin", "postal_code": "10119", "country": "DE"}


async def send(world: Any, statement: Any, number: int) -> None:
    invoice = await world.draft(
        statement(("a", "5"), total="5", subscription_id=f"sub-{number}", sequence=number)
    )
    await world.sync().sync_due()
    assert ("sent", None) == await world.state(invoice)


async def customers(world: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await world.simulator.get("/v1/customers", limit=100))["data"]
    return found


async def test_a_change_reaches_stripe_before_the_next_invoice(world: Any, statement: Any) -> None:
    """What changed is sent once, what was taken away is cleared, and the first value again too."""
    await send(world, statement, 1)
    for number, address in enumerate((BERLIN, {"country": "FR"}, {}, BERLIN), start=2):
        await world.add_tenant(address=address)
        await send(world, statement, number)

        (customer,) = await customers(world)
        held = {name: text for name, text in (customer["address"] or {}).items() if text}
        assert address == held
    await send(world, statement, 6)

    assert 4 == await world.simulator.created("customer.updated")
    assert 1 == await world.simulator.created("customer.created")


async def test_an_edit_at_stripe_stays(world: Any, statement: Any) -> None:
    """What somebody changed in the dashboard is not overwritten while the tenant is as it was."""
    await send(world, statement, 1)
    (customer,) = await customers(world)
    await world.simulator.post(f"/v1/customers/{customer['id']}", name="By hand")

    await send(world, statement, 2)

    (customer,) = await customers(world)
    assert "By hand" == customer["name"]


async def test_an_edit_at_stripe_is_never_overwritten(world: Any, statement: Any) -> None:
    """What both changed parks the invoice; what only we changed is sent, and nothing else."""
    await send(world, statement, 1)
    (customer,) = await customers(world)
    await world.simulator.post(f"/v1/customers/{customer['id']}", name="By hand")
    await world.add_tenant(address=BERLIN)
    await send(world, statement, 2)
    (customer,) = await customers(world)
    assert ("By hand", "Berlin") == (customer["name"], customer["address"]["city"])

    await world.add_tenant(address=BERLIN, legal_name="Renamed")
    invoice = await world.draft(statement(("a", "5"), total="5", sequence=3, subscription_id="s"))
    await world.sync().sync_due()
    assert ("parked", "customer_edited_at_stripe:name") == await world.state(invoice)

    await world.simulator.post(f"/v1/customers/{customer['id']}", name="Renamed")
    async with world.database.transaction() as connection:
        await retry_invoice(connection, world.account, invoice.invoice_id, clock=world.clock)
    await world.sync().sync_due()
    assert ("sent", None) == await world.state(invoice)


async def test_stripe_speaks_the_language_of_the_tenant(world: Any, statement: Any) -> None:
    """Its pages and e-mails follow the tenant's locale, and so does the invoice's period."""
    await send(world, statement, 1)
    async with world.database.transaction() as connection:
        await put_locale(connection, world.account, "acme", "de-CH")
    await send(world, statement, 2)

    (customer,) = await customers(world)
    assert ["de"] == customer["preferred_locales"]
    first, second = sorted(await world.simulator.invoices(), key=lambda one: one["number"])
    assert ["Usage: Jan 1\u2009\u2013\u200931, 2026", "Usage: 1.\u201331. Jan. 2026"] == [
        first["description"],
        second["description"],
    ]


async def link(world: Any, *lines: str) -> list[str]:
    links, faults = read_links([HEADER, *lines])
    linking = Linking(world.database, world.gateway, world.account, world.clock)
    return [str(fault) for fault in faults or await linking.link(links)]


async def test_a_linked_customer_gets_the_invoice(world: Any, statement: Any) -> None:
    """No customer is made for a linked tenant; linking twice is the same as once."""
    made = await world.simulator.post("/v1/customers", name="Acme", email="pay@acme.test")
    assert [] == await link(world, f"acme,{made['id']}")
    assert [] == await link(world, f"acme,{made['id']}")

    await send(world, statement, 1)

    (invoice,) = await world.simulator.invoices()
    assert made["id"] == invoice["customer"]
    assert 1 == await world.simulator.created("customer.created")
    assert 0 == await world.simulator.created("customer.updated")


async def test_every_fault_is_told_and_nothing_is_linked(world: Any) -> None:
    """Missing and deleted customers, unknown tenants, links that contradict: all at once."""
    one, two, gone = [
        (await world.simulator.post("/v1/customers", name=name))["id"] for name in "abc"
    ]
    (await world.simulator.http.delete(f"/v1/customers/{gone}")).raise_for_status()
    await world.add_tenant("beta")
    await world.add_tenant("gamma")
    await world.add_tenant("delta")
    assert [] == await link(world, f"acme,{one}")

    faults = await link(
        world, f"beta,{one}", f"acme,{two}", f"gamma,{gone}", "delta,cus_none", f"nobody,{two}x"
    )

    assert [
        f"line 2: customer_linked {one}",
        "line 3: tenant_has_customer acme",
        f"line 4: customer_missing {gone}",
        "line 5: customer_missing cus_none",
        f"line 6: customer_missing {two}x",
        "line 6: unknown_tenant nobody",
    ] == faults
    assert ["line 2: duplicate_tenant acme", "line 3: duplicate_tenant acme"] == await link(
        world, f"acme,{one}", f"acme,{two}"
    )
    linked = await world.rows(
        "select tenant_id from invoicing.stripe_customer where vendor_id = :v", v=world.vendor_id
    )
    assert ["acme"] == [row.tenant_id for row in linked]
