"""Coupons are on the invoices that are drafted while they are valid, and on no others."""

import asyncio
from datetime import date
from typing import Any

import pytest
from sqlalchemy.exc import DBAPIError

from services.invoicing import handlers
from services.invoicing.handlers import Change

HALF = {
    "tenant": "acme",
    "coupon_id": "half",
    "name": "Launch",
    "percent": "50",
    "first_period": "2026-01-01",
}


async def _draft(world: Any, statement: Any, sequence: int, **values: Any) -> Any:
    made = statement(
        ("a", "10"), total="10", sequence=sequence, statement_id=f"st-{sequence}", **values
    )
    return await world.draft(made)


async def _give(api: Any, **values: Any) -> Any:
    return await api.http.post("/v1/coupons", json=HALF | values, headers=await api.key())


async def test_an_invoice_has_its_coupon_at_stripe_too(
    api: Any, statement: Any, simulator: Any
) -> None:
    """A named line below zero, on both sides, and the gate is passed."""
    before = await _draft(api.world, statement, 1)
    await _give(api)
    after = await _draft(api.world, statement, 2)
    await api.world.sync().sync_due()

    lines = {
        line["description"]: line["amount"]
        for one in await simulator.invoices()
        for line in one["lines"]["data"]
        if one["total"] == 500
    }
    assert (1000, 500) == (before.total_minor, after.total_minor)
    assert ("sent", None) == await api.world.state(after)
    assert {"Tokens of a": 1000, "Launch: 50 % off": -500} == lines


@pytest.mark.parametrize(
    ("coupon", "values", "total"),
    [
        ({"first_period": "2026-01-02"}, {}, 1000),
        ({"last_period": "2026-01-01"}, {}, 500),
        ({"last_period": "2026-01-01"}, {"period_start": date(2026, 1, 2)}, 1000),
        ({"applies_to": ["b"]}, {}, 1000),
        ({"percent": None, "amount": "3", "currency": "USD"}, {}, 700),
        ({"percent": None, "amount": "3", "currency": "USD"}, {"currency": "EUR"}, 1000),
        ({}, {"tenant_id": "globex"}, 1000),
        ({}, {"mode": "live"}, 1000),
    ],
)
async def test_which_invoices_have_it(
    api: Any, statement: Any, *, coupon: Any, values: Any, total: int
) -> None:
    """Those of the tenant, mode, periods, charges and currency that it is for."""
    assert 201 == (await _give(api, **coupon)).status_code

    assert total == (await _draft(api.world, statement, 1, **values)).total_minor


async def test_it_runs_out_and_a_void_invoice_does_not_count(api: Any, statement: Any) -> None:
    """On so many invoices and no more, also when they are drafted at once."""
    await _give(api, invoices_max=2)
    made = await asyncio.gather(
        *(_draft(api.world, statement, sequence) for sequence in range(1, 6))
    )
    async with api.world.database.transaction() as connection:
        one = next(one for one in made if one.total_minor == 500)
        await handlers.change_state(connection, one, Change("void"), api.world.clock)

    again = [await _draft(api.world, statement, sequence) for sequence in (6, 7)]

    assert [500, 500, 1000, 1000, 1000] == sorted(one.total_minor for one in made)
    assert [500, 1000] == [one.total_minor for one in again]


async def test_it_is_set_once_and_ended_once(api: Any, statement: Any) -> None:
    """The same again is no second one, another one is refused; ended, it is on no new invoice."""
    same = [await _give(api) for _ in range(2)]
    other = await _give(api, percent="40")
    headers = await api.key()
    path = "/v1/coupons/half/end?tenant=acme"
    ended = [(await api.http.post(path, headers=headers)).json() for _ in range(2)]
    listed = (await api.http.get("/v1/coupons?tenant=acme", headers=headers)).json()["coupons"]

    assert same[0].json() == same[1].json()
    assert (409, "coupon_exists") == (other.status_code, other.json()["code"])
    assert [ended[0]] == listed
    assert ended[0] == ended[1]
    assert 1000 == (await _draft(api.world, statement, 1)).total_minor


@pytest.mark.parametrize(
    ("values", "status", "code"),
    [
        ({"percent": "101"}, 400, "invalid_request"),
        ({"percent": "0"}, 400, "invalid_request"),
        ({"percent": "NaN"}, 400, "invalid_request"),
        ({"percent": None}, 400, "invalid_request"),
        ({"amount": "1", "currency": "USD"}, 400, "invalid_request"),
        ({"percent": None, "amount": "1"}, 400, "invalid_request"),
        ({"percent": None, "amount": "1", "currency": "UGX"}, 400, "invalid_request"),
        ({"name": "a\x00b"}, 400, "invalid_json"),
        ({"applies_to": []}, 400, "invalid_request"),
        ({"last_period": "2025-12-31"}, 400, "invalid_request"),
        ({"invoices_max": 0}, 400, "invalid_request"),
        ({"tenant": "nobody"}, 404, "unknown_tenant"),
    ],
)
async def test_coupons_that_cannot_be(api: Any, *, values: Any, status: int, code: str) -> None:
    """Each is refused with a stable code, and nothing is stored."""
    answer = await _give(api, **values)

    assert (status, code) == (answer.status_code, answer.json()["code"])


async def test_the_database_refuses_to_change_it(api: Any) -> None:
    """What a coupon is worth never changes, and it never goes away."""
    await _give(api)

    for change in (
        "update invoicing.invoice_coupon set percent = '60' where vendor_id = :v",
        "delete from invoicing.invoice_coupon where vendor_id = :v",
    ):
        with pytest.raises(DBAPIError, match="coupons never change"):
            await api.world.rows(f"{change} returning 1", v=api.world.vendor_id)


async def test_a_tenant_reads_its_own_and_sets_none(api: Any) -> None:
    """Coupons are given by the vendor."""
    await _give(api)
    own = await api.key(tenant_id="acme")

    listed = (await api.http.get("/v1/coupons", headers=own)).json()["coupons"]
    refused = await api.http.post("/v1/coupons", json=HALF, headers=own)

    assert (["half"], 403) == ([one["coupon_id"] for one in listed], refused.status_code)
