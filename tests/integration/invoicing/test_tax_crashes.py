"""What is told to Stripe for tax is told once, whatever dies when."""

from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import text

from tests.integration.invoicing.test_crashes import ForgetfulStripe, kill_and_resume
from tests.support.taxed import BERLIN, put_setting

NUMBER = {"type": "eu_vat", "value": "DE123456789"}
STEPS = {
    "create_tax_id": "/v1/customers/*/tax_ids",
    "create_product": "/v1/products",
    "add_lines": "/v1/invoices/*/add_lines",
    "finalize_invoice": "/v1/invoices/*/finalize",
}
FAULTS = ("fail_before_commit", "commit_then_drop", "commit_then_500", "fail_after_start")


async def _draft(api: Any, statement: Any) -> Any:
    await api.world.add_tenant(address=BERLIN)
    await put_setting(api, treatment="automatic")
    await put_setting(api, "acme", tax_ids=[NUMBER])
    return await api.world.draft(statement(("a", "10"), ("b", "5"), total="15"))


async def _check(world: Any, made: Any) -> None:
    (theirs,) = await world.simulator.invoices()
    products = (await world.simulator.get("/v1/products"))["data"]
    ids = (await world.simulator.get(f"/v1/customers/{theirs['customer']}/tax_ids"))["data"]
    assert ("sent", None) == await world.state(made)
    # A VAT number of the EU makes the simulator's tax a reverse charge.
    assert (1500, "reverse_charge") == (
        theirs["total"],
        theirs["total_taxes"][0]["taxability_reason"],
    )
    assert [f"tallyroll-test-{world.vendor_id}"] == [one["id"] for one in products]
    assert ["DE123456789"] == [one["value"] for one in ids]
    assert 1 == await world.simulator.created("invoice.finalized")


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("step", STEPS)
async def test_a_crash_at_any_step_of_tax(api: Any, statement: Any, step: str, moment: str) -> None:
    """Dying before or after a call leaves one product, one tax id, one right invoice."""
    made = await _draft(api, statement)

    await kill_and_resume(api.world, made, api.world.gateway, step, moment)

    await _check(api.world, made)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("step", ["create_tax_id", "create_product"])
async def test_a_lost_answer_of_tax(api: Any, statement: Any, step: str, fault: str) -> None:
    """Whatever became of the call, it takes effect once."""
    made = await _draft(api, statement)
    await api.world.simulator.fault(fault, STEPS[step])

    for _ in range(3):
        await api.world.sync().sync(api.world.account, made.invoice_id)

    await _check(api.world, made)


@dataclass
class BlindStripe:
    """Shows no tax ids, as a list that lags behind would."""

    inner: Any

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    async def list_tax_ids(self, _customer: str) -> list[Any]:
        return []


async def test_the_key_alone_keeps_a_tax_id_single(api: Any, statement: Any) -> None:
    """A list that lags behind does no harm; with random keys beside it, the same check fails."""
    made = await _draft(api, statement)
    blind = BlindStripe(api.world.gateway)
    await kill_and_resume(api.world, made, blind, "create_tax_id", "after")
    await _check(api.world, made)

    await api.world.simulator.reset()
    await api.world.add_tenant("globex", address=BERLIN)
    await put_setting(api, "globex", tax_ids=[NUMBER])
    values = {"tenant_id": "globex", "statement_id": "st-2"}
    again = await api.world.draft(statement(("a", "10"), ("b", "5"), total="15", **values))
    async with api.world.database.transaction() as connection:
        await connection.execute(text("delete from invoicing.stripe_job"))
    await kill_and_resume(api.world, again, ForgetfulStripe(blind), "create_tax_id", "after")
    with pytest.raises(AssertionError):
        await _check(api.world, again)


async def test_a_product_that_is_there_already_is_ours(api: Any, statement: Any) -> None:
    """The id is ours: after our own records are lost, the product is taken as it is."""
    made = await _draft(api, statement)
    identity = f"tallyroll-test-{api.world.vendor_id}"
    await api.world.simulator.post("/v1/products", id=identity, name="Usage")
    await api.world.sync().sync_due()
    values = {"sequence": 2, "statement_id": "st-2"}
    second = await api.world.draft(statement(("a", "10"), total="10", **values))
    await api.world.sync().sync_due()

    requests = (await api.world.simulator.http.get("/_sim/requests")).json()["requests"]
    made_products = [one for one in requests if one["path"] == "/v1/products"]
    assert ("sent", None) == await api.world.state(made)
    assert ("sent", None) == await api.world.state(second)
    assert 2 == sum(one["method"] == "POST" for one in made_products)  # the test's own, and ours
