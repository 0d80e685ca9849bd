"""One-off invoices, and drafts that wait for their grace period or for a person."""

from datetime import timedelta
from typing import Any

import pytest

from shared.ids import new_id
from tests.support.killing import Killed, KillingStripe


async def _create(api: Any, key: str | None = None, **values: Any) -> Any:
    lines = [
        {"description": "Workshop", "quantity": "2", "amount": "1800.005"},
        {"description": "Travel", "amount": "99.995"},
    ]
    headers = await api.key("billing:write")
    headers["Idempotency-Key"] = key or new_id()
    body = {"tenant_id": "acme", "currency": "USD", "lines": lines} | values
    return await api.http.post("/v1/invoices", headers=headers, json=body)


async def _state(api: Any, answer: Any) -> tuple[str, str | None]:
    path = f"/v1/invoices/{answer.json()['invoice_id']}"
    seen = (await api.http.get(path, headers=await api.key("billing:read"))).json()
    return seen["state"], seen["reason"]


async def test_a_one_off_invoice_goes_the_same_way(world: Any, api: Any) -> None:
    """Exact amounts are rounded once; key, number and Stripe's lines are like any invoice's."""
    made = await _create(api)
    await world.sync().sync_due()

    (theirs,) = await world.simulator.invoices()
    key = f"{world.vendor_id}/test/acme/-/manual/1/2026-03-01/1"
    assert (201, key, 190_000) == (
        made.status_code,
        made.json()["invoice_key"],
        made.json()["total_minor"],
    )
    assert {"001": 180_001, "002": 9_999} == {
        line["metadata"]["line_key"]: line["amount"] for line in theirs["lines"]["data"]
    }
    assert ("open", 190_000, key) == (
        theirs["status"],
        theirs["total"],
        theirs["metadata"]["invoice_key"],
    )
    assert ("sent", None) == await _state(api, made)


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("step", ["create_invoice", "add_lines", "finalize_invoice"])
async def test_a_crash_leaves_one_invoice(world: Any, api: Any, *, step: str, moment: str) -> None:
    """The way through Stripe is the statements' own, with its journal."""
    made = await _create(api)
    with pytest.raises(Killed):
        await world.sync(KillingStripe(world.gateway, step, moment)).sync(
            world.account, made.json()["invoice_id"]
        )

    await world.sync().sync(world.account, made.json()["invoice_id"])

    assert ("sent", None) == await _state(api, made)
    assert 1 == await world.simulator.created("invoice.finalized")


async def test_the_same_key_makes_one_invoice(world: Any, api: Any) -> None:
    """Twice the same request is one; a new key makes the next of the tenant's sequence."""
    one, same = await _create(api, "k"), await _create(api, "k")
    other = await _create(api, "k", currency="EUR")
    second = await _create(api, "k-2")

    assert one.json()["invoice_id"] == same.json()["invoice_id"]
    assert (409, "idempotency_key_reused") == (other.status_code, other.json()["code"])
    assert second.json()["invoice_key"].endswith("/manual/2/2026-03-01/1")


async def _settings(api: Any, **values: Any) -> None:
    answer = await api.http.put(
        "/v1/billing-settings", headers=await api.key("billing:write"), json=values
    )
    assert (200, values) == (answer.status_code, {name: answer.json()[name] for name in values})


async def _approve(api: Any, answer: Any) -> Any:
    path = f"/v1/invoices/{answer.json()['invoice_id']}/approve"
    return await api.http.post(path, headers=await api.key("billing:write"))


async def test_a_draft_waits_for_its_grace_period(world: Any, api: Any) -> None:
    """It goes out when the period is over, to the second, also if asked to hurry before."""
    await _settings(api, grace_seconds=3600)
    made = await _create(api)
    await world.sync().sync_due()
    early = await _state(api, made)
    world.clock.advance(timedelta(seconds=3599))
    await world.sync().sync(world.account, made.json()["invoice_id"])
    still = await _state(api, made)
    world.clock.advance(timedelta(seconds=1))
    await world.sync().sync_due()

    assert [("draft", "grace_period")] * 2 == [early, still]
    assert ("sent", None) == await _state(api, made)


async def test_a_draft_waits_for_its_approval(world: Any, api: Any, statement: Any) -> None:
    """Statements' drafts too; it is listed with its action, and nothing else lets it go."""
    await _settings(api, approval=True)
    invoice = await world.draft(statement(("a", "50"), total="50"))
    await world.sync().sync_due()
    world.clock.advance(timedelta(days=30))
    await world.sync().sync_due()
    waiting = await world.state(invoice)
    headers = await api.key()
    (item,) = (await api.http.get("/v1/attention", headers=headers)).json()["items"]

    answers = [await api.http.post(item["action"]["path"], headers=headers) for _ in range(2)]
    await world.sync().sync_due()

    assert ("draft", "approval_missing") == waiting
    assert ("waiting_invoice", "approval_missing") == (item["kind"], item["reason"])
    assert answers[0].json() == answers[1].json()
    assert ("sent", None) == await world.state(invoice)
    assert ["draft", "draft", "draft", "issued", "sent"] == await world.messages(invoice)


async def test_an_approval_ends_the_grace_period(world: Any, api: Any) -> None:
    """Who has looked at it need not wait; drafts made under another setting are not touched."""
    before = await _create(api)
    await _settings(api, grace_seconds=3600)
    made = await _create(api)
    await _approve(api, made)
    await world.sync().sync_due()

    assert [("sent", None)] * 2 == [await _state(api, before), await _state(api, made)]
    late = await _approve(api, before)
    assert (409, "invoice_not_a_draft") == (late.status_code, late.json()["code"])


@pytest.mark.parametrize(
    ("values", "path"),
    [
        ({"lines": []}, "lines"),
        ({"lines": [{"description": "x", "amount": "1e3"}]}, "lines[0].amount"),
        ({"lines": [{"description": "x", "amount": 1}]}, "lines[0].amount"),
        ({"lines": [{"description": "", "amount": "1"}]}, "lines[0].description"),
        ({"lines": [{"description": "x", "amount": "-1"}]}, "lines"),
        ({"lines": [{"description": "x", "amount": "9" * 15}]}, "lines"),
        ({"currency": "QQQ"}, "currency"),
        ({"currency": "UGX"}, "currency"),
    ],
)
async def test_bad_invoices_are_refused_with_their_place(api: Any, values: Any, path: str) -> None:
    """Bad input is told with a path, never a 500, and makes nothing."""
    answer = await _create(api, **values)

    assert answer.status_code in (400, 422)
    assert path in [fault["path"].removeprefix("body.") for fault in answer.json()["faults"]]


async def test_an_unknown_tenant_and_a_tenants_key_make_nothing(world: Any, api: Any) -> None:
    """Only the vendor bills, and only its own tenants."""
    unknown = await _create(api, tenant_id="nobody")
    headers = await api.key("billing:write", tenant_id="acme") | {"Idempotency-Key": "k"}
    body = {
        "tenant_id": "acme",
        "currency": "USD",
        "lines": [{"description": "x", "amount": "1"}],
    }
    tenants = await api.http.post("/v1/invoices", headers=headers, json=body)

    assert [404, 403] == [unknown.status_code, tenants.status_code]


async def test_nothing_to_pay_is_paid(world: Any, api: Any) -> None:
    """A total of zero is settled without a number, and Stripe is not asked."""
    lines = [{"description": "x", "amount": "5"}, {"description": "y", "amount": "-5"}]
    made = await _create(api, lines=lines)
    await world.sync().sync_due()

    assert ("paid", "zero_total") == await _state(api, made)
    assert [] == await world.simulator.invoices()


@pytest.mark.parametrize("kind", ["csv", "pdf"])
async def test_a_one_off_invoice_has_its_statement(world: Any, api: Any, kind: str) -> None:
    """What the customer gets needs no subscription and no usage."""
    made = await _create(api)
    await world.sync().sync_due()
    path = f"/v1/invoices/{made.json()['invoice_id']}/statement"

    answer = await api.http.get(
        path, params={"format": kind}, headers=await api.key("billing:read")
    )

    assert 200 == answer.status_code
    assert answer.content


@pytest.mark.parametrize(
    ("amount", "currency", "fault"),
    [
        ("-5", "USD", "negative_total"),
        ("0.49", "USD", "below_minimum_charge"),
        ("999999999999999", "USD", "value_out_of_range"),
        ("5", "UGX", "unsupported_currency"),
        ("5", "ZZZ", "unsupported_currency"),
    ],
)
async def test_what_cannot_be_charged_is_refused(
    api: Any, *, amount: str, currency: str, fault: str
) -> None:
    """Each with its own code; nothing is drafted that Stripe would turn into something else."""
    refused = await _create(
        api, currency=currency, lines=[{"description": "Workshop", "amount": amount}]
    )

    assert (400, fault) == (refused.status_code, refused.json()["faults"][0]["code"])
