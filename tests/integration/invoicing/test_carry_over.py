"""What an invoice leaves to the next one goes there once, whatever is delivered how often."""

import asyncio
from contextlib import suppress
from typing import Any

import pytest
from sqlalchemy.exc import DBAPIError

from services.invoicing import handlers
from services.invoicing.handlers import Change


async def _draft(world: Any, statement: Any, sequence: int, total: str, **values: Any) -> Any:
    made = statement(
        ("a", total), total=total, sequence=sequence, statement_id=f"st-{sequence}", **values
    )
    return await world.draft(made)


async def _lines(world: Any, invoice: Any) -> dict[str, int]:
    rows = await world.rows(
        "select line_key, amount_minor from invoicing.invoice_line where invoice_id = :i",
        i=invoice.invoice_id,
    )
    return {row.line_key: row.amount_minor for row in rows}


async def _void(world: Any, invoice: Any) -> None:
    async with world.database.transaction() as connection:
        await handlers.change_state(connection, invoice, Change("void"), world.clock)


@pytest.mark.parametrize(("left", "sent"), [("-3.004", 700), ("0.3", 1030)])
async def test_it_opens_the_next_invoice_once(
    world: Any, statement: Any, left: str, sent: int
) -> None:
    """Below zero, or below the minimum charge: nothing at Stripe; the next one opens with it."""
    first = await _draft(world, statement, 1, left)
    again = await _draft(world, statement, 1, left)
    second = await _draft(world, statement, 2, "10")
    third = await _draft(world, statement, 3, "10")
    await world.sync().sync_due()

    assert (None, ("paid", "carried_over")) == (again, await world.state(first))
    assert (0, sent, 1000) == (first.total_minor, second.total_minor, third.total_minor)
    assert {"a", f"~carried/{first.invoice_id}"} == set(await _lines(world, second))
    assert sorted([sent, 1000]) == sorted(one["total"] for one in await world.simulator.invoices())
    assert [0, 0] == [one["starting_balance"] for one in await world.simulator.invoices()]


async def test_a_remainder_goes_on_until_it_is_used_up(world: Any, statement: Any) -> None:
    """What the next invoice cannot use up goes on from there, in exact amounts."""
    await _draft(world, statement, 1, "-3.004")
    second = await _draft(world, statement, 2, "1.001")
    third = await _draft(world, statement, 3, "5")

    assert ("paid", "carried_over") == (second.state, second.reason)
    assert (0, "2.997", 300) == (second.total_minor, third.total_exact, third.total_minor)


async def test_other_currencies_and_tenants_do_not_take_it(world: Any, statement: Any) -> None:
    """It belongs to one vendor, mode, tenant and currency."""
    await world.add_tenant("globex")
    await _draft(world, statement, 1, "-3")
    others = [
        await _draft(world, statement, 2, "10", currency="EUR"),
        await _draft(world, statement, 3, "10", tenant_id="globex"),
        await _draft(world, statement, 4, "10", mode="live"),
    ]

    own = await _draft(world, statement, 5, "10", subscription_id="sub-2")

    assert [1000, 1000, 1000, 700] == [one.total_minor for one in (*others, own)]


async def test_invoices_at_the_same_time_take_it_once(world: Any, statement: Any) -> None:
    """Of statements that are handled at once, one gets it."""
    await _draft(world, statement, 1, "-3")

    made = await asyncio.gather(
        *(_draft(world, statement, sequence, "10") for sequence in range(2, 6))
    )

    assert [700, 1000, 1000, 1000] == sorted(one.total_minor for one in made)


async def test_a_crash_takes_nothing(world: Any, statement: Any) -> None:
    """The invoice and what it takes over are stored together, or not at all."""
    await _draft(world, statement, 1, "-3")
    rated = statement(("a", "10"), total="10", sequence=2, statement_id="st-2")
    with suppress(LookupError):
        async with world.database.transaction() as connection:
            received = handlers.Received(rated, "m")
            await handlers.draft_invoices(connection, [received], world.clock)
            raise LookupError

    made = await world.draft(rated)

    assert 700 == made.total_minor


async def test_a_void_invoice_gives_it_back(world: Any, statement: Any) -> None:
    """It waits again, and goes on the invoice after that."""
    await _draft(world, statement, 1, "-3")
    second = await _draft(world, statement, 2, "10")
    await _void(world, second)
    await _void(world, await world.read(second))

    third = await _draft(world, statement, 3, "10")

    assert (700, 700) == (second.total_minor, third.total_minor)


async def test_a_parked_invoice_keeps_it_and_goes_on(world: Any, statement: Any) -> None:
    """Its lines are what they are: it is retried with them, so no other invoice may take them."""
    await _draft(world, statement, 1, "-3")
    second = await _draft(world, statement, 2, "10")
    async with world.database.transaction() as connection:
        await handlers.park_invoice(connection, second, "stripe_unauthorized", world.clock)
    third = await _draft(world, statement, 3, "10")
    async with world.database.transaction() as connection:
        await handlers.retry_invoice(
            connection, world.account, second.invoice_id, clock=world.clock
        )

    await world.sync().sync_due()

    assert (700, 1000) == (second.total_minor, third.total_minor)
    assert ("sent", None) == await world.state(second)


async def test_the_database_refuses_to_take_it_twice(world: Any, statement: Any) -> None:
    """Whatever the code does: taken is taken, and the amount never changes."""
    first = await _draft(world, statement, 1, "-3")
    await _draft(world, statement, 2, "10")
    for change in ("into_invoice_id = 'other'", "amount_minor = 1", "carry_over_id = 'x'"):
        statement_text = f"update invoicing.carry_over set {change} where carry_over_id = :i"  # noqa: S608
        with pytest.raises(DBAPIError, match="carried over"):
            await world.rows(statement_text, i=first.invoice_id)


async def test_it_is_listed_and_settled_by_hand(api: Any, statement: Any) -> None:
    """Paid out with a reason, once; then no invoice opens with it."""
    first = await _draft(api.world, statement, 1, "-3.004")
    headers = await api.key()
    path = f"/v1/carry-overs/{first.invoice_id}/settle"
    body = {"settled_as": "paid_out", "reason": "SEPA of 3 March"}

    (listed,) = (await api.http.get("/v1/carry-overs?state=open", headers=headers)).json()[
        "carry_overs"
    ]
    answers = [await api.http.post(path, json=body, headers=headers) for _ in range(2)]
    other = await api.http.post(path, json=body | {"reason": "again"}, headers=headers)
    second = await _draft(api.world, statement, 2, "10")

    assert ("open", "-3.004", -300) == tuple(
        listed[name] for name in ("state", "amount_exact", "amount_minor")
    )
    assert [(200, "paid_out", "SEPA of 3 March")] * 2 == [
        (one.status_code, one.json()["state"], one.json()["settled_reason"]) for one in answers
    ]
    assert (409, "carry_over_not_open") == (other.status_code, other.json()["code"])
    assert 1000 == second.total_minor


@pytest.mark.parametrize(
    ("left", "body", "status", "code"),
    [
        ("0.3", {"settled_as": "paid_out", "reason": "r"}, 409, "wrong_settlement"),
        ("-1", {"settled_as": "written_off", "reason": "r"}, 409, "wrong_settlement"),
        ("-1", {"settled_as": "paid_out", "reason": " "}, 400, "invalid_request"),
        ("-1", {"settled_as": "paid_out", "reason": "a\x00b"}, 400, "invalid_json"),
    ],
)
async def test_what_cannot_be_settled_so(
    api: Any, statement: Any, *, left: str, body: Any, status: int, code: str
) -> None:
    """What we owe is never written off, what is owed to us is never paid out."""
    first = await _draft(api.world, statement, 1, left)

    answer = await api.http.post(
        f"/v1/carry-overs/{first.invoice_id}/settle", json=body, headers=await api.key()
    )

    assert (status, code) == (answer.status_code, answer.json()["code"])


async def test_a_tenant_sees_its_own_and_settles_nothing(api: Any, statement: Any) -> None:
    """A tenant's key reads; settling needs a key of the vendor."""
    await api.world.add_tenant("globex")
    first = await _draft(api.world, statement, 1, "-3")
    own, other = [await api.key(tenant_id=tenant) for tenant in ("acme", "globex")]

    seen = [
        len((await api.http.get("/v1/carry-overs", headers=one)).json()["carry_overs"])
        for one in (own, other)
    ]
    refused = await api.http.post(
        f"/v1/carry-overs/{first.invoice_id}/settle",
        json={"settled_as": "paid_out", "reason": "r"},
        headers=own,
    )

    assert ([1, 0], 403) == (seen, refused.status_code)
