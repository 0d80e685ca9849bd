"""What pricing credits of closed periods: once, on the period's invoice, the rest on the next."""

import asyncio
from datetime import UTC, date, datetime
from fractions import Fraction
from typing import Any

import pytest
from sqlalchemy import text

from services.invoicing.consumers import Record, StatementConsumer
from services.invoicing.corrections.adjusting import credit_adjustment
from services.invoicing.domain.errors import InvalidStatement
from shared.events.statement_rated import AdjustmentCredited
from shared.ids import new_id
from shared.money import parse_exact
from tests.support.killing import Killed, KillingStripe

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture(name="sent")
async def _sent(world: Any, statement: Any) -> Any:
    invoice = await world.draft(statement(("a", "30"), ("b", "20"), total="50"))
    await world.sync().sync_due()
    return await world.read(invoice)


def _credited(world: Any, *changes: tuple[str, str], **values: Any) -> AdjustmentCredited:
    total = sum((parse_exact(amount) for _, amount in changes), Fraction(0))
    fields: dict[str, Any] = {
        "vendor_id": world.vendor_id,
        "mode": "test",
        "tenant_id": "acme",
        "adjustment_id": new_id(),
        "statement_id": "st-1",
        "subscription_id": "sub-1",
        "period_start": date(2026, 1, 1),
        "period_end": date(2026, 2, 1),
        "currency": "USD",
        "revision": 1,
        "rating_hash": "r",
        "total_exact": str(total),
        "returned_exact": "0",
        "settlement": "out_of_band",
        "lines": [
            {
                "line_key": key,
                "charge": key,
                "model": "per_unit",
                "description": f"Tokens of {key}",
                "quantity": "-1",
                "unit": "tokens",
                "amount_exact": amount,
                "steps": [],
                "details": [],
            }
            for key, amount in changes
        ],
    }
    return AdjustmentCredited.model_validate(fields | values)


async def _take(world: Any, credited: AdjustmentCredited) -> Any:
    """Handle a message as the consumer does: its id is the adjustment's."""
    async with world.database.transaction() as connection:
        made = await credit_adjustment(
            connection, credited, message_id=credited.adjustment_id, clock=world.clock
        )
    await world.corrections().sync_due()
    return made


async def _notes(world: Any) -> list[Any]:
    found: list[Any] = await world.rows(
        "select state, net_minor, settlement, memo, invoice_id from invoicing.credit_note "
        "where vendor_id = :v order by credit_note_id",
        v=world.vendor_id,
    )
    return found


async def _carried(world: Any) -> list[str]:
    rows = await world.rows(
        "select amount_exact from invoicing.carry_over where vendor_id = :v order by created_at",
        v=world.vendor_id,
    )
    return [row.amount_exact for row in rows]


async def _next(world: Any, statement: Any, total: str = "10") -> Any:
    return await world.draft(
        statement(
            ("a", total),
            total=total,
            sequence=2,
            statement_id="st-2",
            period_start=date(2026, 2, 1),
            period_end=date(2026, 3, 1),
        )
    )


async def test_it_is_credited_on_its_periods_invoice(world: Any, sent: Any, statement: Any) -> None:
    """Whole cents of the cheaper line as a note at Stripe; the rest of a cent opens the next."""
    await _take(world, _credited(world, ("b", "-7.503"), ("a", "1")))

    following = await _next(world, statement)
    (theirs,) = (await world.simulator.get("/v1/credit_notes"))["data"]
    assert [("issued", 650, "out_of_band", sent.invoice_id)] == [
        (note.state, note.net_minor, note.settlement, note.invoice_id)
        for note in await _notes(world)
    ]
    assert 650 == theirs["total"]
    assert ["-0.003"] == await _carried(world)
    assert "9.997" == following.total_exact


async def test_the_same_message_twice_is_one(world: Any, sent: Any) -> None:
    """By the inbox; and the adjustment itself is stored once, whatever carries it."""
    assert sent
    credited = _credited(world, ("b", "-5"))
    first, second = [await _take(world, credited) for _ in range(2)]

    assert (500, None) == (first.credited_minor, second)
    assert 1 == len(await _notes(world))


async def test_at_the_same_time_it_is_one(world: Any, sent: Any) -> None:
    """Delivered to two at once, one makes it."""
    assert sent
    credited = _credited(world, ("b", "-5"))

    async def take() -> Any:
        async with world.database.transaction() as connection:
            return await credit_adjustment(
                connection, credited, message_id=credited.adjustment_id, clock=world.clock
            )

    made = await asyncio.gather(take(), take())
    assert 1 == sum(one is not None for one in made)
    assert 1 == len(await _notes(world))


@pytest.mark.parametrize("moment", ["before", "after"])
async def test_a_crash_around_the_note_leaves_one(world: Any, sent: Any, moment: str) -> None:
    """The note is a row with the adjustment: whoever comes next makes it, once."""
    credited = _credited(world, ("b", "-5"))
    async with world.database.transaction() as connection:
        await credit_adjustment(
            connection, credited, message_id=credited.adjustment_id, clock=world.clock
        )
    with pytest.raises(Killed):
        await world.corrections(
            KillingStripe(world.gateway, "create_credit_note", moment)
        ).sync_due()
    await world.corrections().sync_due()
    again = await _take(world, credited)

    assert again is None
    assert 1 == len((await world.simulator.get("/v1/credit_notes"))["data"])
    assert ["issued"] == [note.state for note in await _notes(world)]
    assert ["draft", "issued", "sent", "credited"] == await world.messages(sent)


async def test_no_more_than_is_left(world: Any, api: Any, sent: Any, statement: Any) -> None:
    """After a goodwill note of 45, 5 of 8 can be credited; 3 open the next invoice."""
    headers = await api.key("billing:write") | {"Idempotency-Key": new_id()}
    body = {"amount": "45", "settlement": "out_of_band"}
    path = f"/v1/invoices/{sent.invoice_id}/credit-notes"
    await api.http.post(path, json=body, headers=headers)
    await world.corrections().sync_due()
    await _take(world, _credited(world, ("b", "-8")))

    following = await _next(world, statement)
    assert [4500, 500] == [note.net_minor for note in await _notes(world)]
    assert "7" == following.total_exact
    assert "paid" == (await world.read(sent)).state


@pytest.mark.parametrize("state", ["draft", "void", "revising"])
async def test_what_has_no_invoice_to_credit_opens_the_next(
    world: Any, api: Any, statement: Any, state: str
) -> None:
    """A draft, a void invoice, one that is being replaced: all of it goes on, exactly."""
    invoice = await world.draft(statement(("a", "30"), total="30"))
    if state != "draft":
        await world.sync().sync_due()
        route = "void" if state == "void" else "revise"
        path = f"/v1/invoices/{invoice.invoice_id}/{route}"
        await api.http.post(path, headers=await api.key("billing:write"))
    if state == "void":
        await world.corrections().sync_due()
    credited = _credited(world, ("a", "-4.005"))
    made: Any
    async with world.database.transaction() as connection:
        made = await credit_adjustment(
            connection, credited, message_id=credited.adjustment_id, clock=world.clock
        )

    following = await _next(world, statement)
    assert ([], None, "5.995") == (await _notes(world), made.credit_note_id, following.total_exact)
    (line,) = await world.rows(
        "select description from invoicing.invoice_line where invoice_id = :i "
        "and line_key like '~carried/%'",
        i=following.invoice_id,
    )
    assert "2026-01-01 to 2026-01-31 (sub-1)" in line.description


async def test_what_no_invoice_takes_is_paid_out(world: Any, api: Any, sent: Any) -> None:
    """Without a next invoice a person settles the rest; it names the period that it is of."""
    assert sent
    credited = _credited(world, ("b", "-60.5"))
    await _take(world, credited)
    listed = await api.http.get("/v1/carry-overs?state=open", headers=await api.key())
    body = {"settled_as": "paid_out", "reason": "transfer"}
    path = f"/v1/carry-overs/{credited.adjustment_id}/settle"
    settled = await api.http.post(path, json=body, headers=await api.key())

    (one,) = listed.json()["carry_overs"]
    assert ("-10.5", "2026-01-01", "sub-1") == (
        one["amount_exact"],
        one["period_start"],
        one["subscription_id"],
    )
    assert (200, "paid_out") == (settled.status_code, settled.json()["state"])


async def test_a_revision_is_what_is_credited(world: Any, api: Any, sent: Any) -> None:
    """Of several invoices of a statement it is the newest one."""
    path = f"/v1/invoices/{sent.invoice_id}/revise"
    await api.http.post(path, headers=await api.key("billing:write"))
    await world.corrections().sync_due()
    await world.sync().sync_due()
    await _take(world, _credited(world, ("b", "-5")))

    (note,) = await _notes(world)
    assert note.invoice_id != sent.invoice_id
    assert ("issued", 500) == (note.state, note.net_minor)


async def test_what_returned_to_prepaid_credits_is_not_credited_again(
    world: Any, statement: Any
) -> None:
    """Of 8, 5 went back to the grant; 3 are credited in money."""
    credit = {"grant_id": "g", "line_key": "a", "amount_exact": "25", "tax": "at_use"}
    await world.draft(statement(("a", "30"), total="30", credits=[credit]))
    await world.sync().sync_due()
    made = await _take(world, _credited(world, ("a", "-8"), returned_exact="5"))

    assert (300, "3", "0") == (made.credited_minor, made.amount_exact, made.carried_exact)


async def test_coupons_had_taken_their_part(world: Any, api: Any, statement: Any) -> None:
    """With 20 % off, 10 less is 8 less; the second time, too, and whole coupons stay whole."""
    coupon = {
        "tenant": "acme",
        "coupon_id": "fifth",
        "name": "A fifth",
        "percent": "20",
        "first_period": "2026-01-01",
    }
    await api.http.post("/v1/coupons", json=coupon, headers=await api.key("billing:write"))
    await world.draft(statement(("a", "30"), ("b", "20"), total="50"))
    await world.sync().sync_due()
    first = await _take(world, _credited(world, ("a", "-10")))
    second = await _take(world, _credited(world, ("a", "-20"), revision=2))

    assert [("10", "2", 800), ("20", "4", 1600)] == [
        (one.amount_exact, one.coupons_exact, one.credited_minor) for one in (first, second)
    ]


async def test_a_cancelled_note_opens_the_next_invoice(
    world: Any, api: Any, sent: Any, statement: Any
) -> None:
    """What pricing credits is owed: when a person gives the note up, it is carried over."""
    credited = _credited(world, ("b", "-5.001"))
    made: Any
    async with world.database.transaction() as connection:
        made = await credit_adjustment(
            connection, credited, message_id=credited.adjustment_id, clock=world.clock
        )
        # As Stripe's preview would, where somebody had credited it in the dashboard.
        await connection.execute(
            text("update invoicing.credit_note set state = 'parked', reason = 'net_differs'")
        )
    path = f"/v1/credit-notes/{made.credit_note_id}/cancel"
    answers = [await api.http.post(path, headers=await api.key("billing:write")) for _ in range(2)]

    following = await _next(world, statement)
    assert [200, 409] == [one.status_code for one in answers]
    assert ["-0.001", "-5"] == sorted(await _carried(world))
    assert "4.999" == following.total_exact
    assert sent.state == (await world.read(sent)).state


async def test_what_cannot_be_right_is_refused(world: Any, sent: Any) -> None:
    """Lines against their total, nothing left to credit, another currency, an unknown period."""
    assert sent
    wrong = {
        "invalid_amount": [
            _credited(world, ("b", "-5"), total_exact="-6"),
            _credited(world, ("b", "-5"), returned_exact="5"),
            _credited(world, ("b", "5")),
        ],
        "unknown_statement": [
            _credited(world, ("b", "-5"), currency="EUR"),
            _credited(world, ("b", "-5"), statement_id="st-9"),
        ],
    }
    for code, messages in wrong.items():
        for one in messages:
            with pytest.raises(InvalidStatement) as refused:
                await _take(world, one)
            assert code == refused.value.code
    assert ([], []) == (await _notes(world), await _carried(world))


async def test_the_consumer_takes_both_kinds_of_messages(world: Any, sent: Any) -> None:
    """By the type in the header; another one is kept as a dead letter."""
    assert sent
    consumer = StatementConsumer(world.database, world.clock)
    body = _credited(world, ("b", "-5")).model_dump_json().encode()
    for offset, name in enumerate(("AdjustmentCredited", "Else")):
        place = int(new_id()[-8:], 16) % 10**6 + offset
        await consumer.take([Record("statement.rated", 0, place, name, new_id(), body)])

    assert 1 == len(await _notes(world))
    letters = await world.rows("select code from invoicing.dead_letter where code = 'unknown_type'")
    assert letters
