"""A statement becomes a sent invoice at Stripe, equal to the minor unit."""

from contextlib import suppress
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from services.invoicing import handlers
from services.invoicing.repository import invoices

MORE_SENT = (
    "insert into invoicing.invoice_sent_line select vendor_id, mode, tenant_id, invoice_id, 9, "
    "'x', 'x', 'x', '1', 'x', '1', 1, 1 from invoicing.invoice where vendor_id = :v"
)
THIRDS = (("a", "100.333"), ("b", "0.333"), ("c", "0.334"))


async def test_a_statement_becomes_a_sent_invoice(world: Any, statement: Any) -> None:
    """Stripe's invoice is open, bears our number, and its total and lines are ours to the cent."""
    invoice = await world.draft(statement(*THIRDS, total="101"))

    await world.sync().sync_due()

    ours = await world.read(invoice)
    (theirs,) = await world.simulator.invoices()
    lines = {line["metadata"]["line_key"]: line["amount"] for line in theirs["lines"]["data"]}
    assert ("sent", 10100, 10100) == (ours.state, ours.total_minor, ours.stripe_total_minor)
    assert ("open", ours.number, 10100) == (theirs["status"], theirs["number"], theirs["total"])
    assert {"a": 10033, "b": 33, "c": 34} == lines
    assert ["draft", "issued", "sent"] == await world.messages(invoice)


async def test_many_lines_go_in_chunks(world: Any, statement: Any) -> None:
    """250 lines are added by three calls and read back whole, page by page."""
    amounts = [(f"line-{index:03d}", "1.005") for index in range(250)]
    invoice = await world.draft(statement(*amounts, total="251.25"))

    await world.sync().sync_due()

    (theirs,) = await world.simulator.invoices()
    assert ("sent", None) == await world.state(invoice)
    assert (25125, 250) == (theirs["total"], theirs["lines"]["total_count"])


@pytest.mark.parametrize(
    ("currency", "amounts", "total", "ours", "theirs"),
    [
        ("JPY", ("100.5", "100.5"), "201", 201, 201),
        ("KWD", ("1.2345", "2"), "3.2345", 3240, 3240),
        ("ISK", ("10.4", "10.3"), "20.7", 21, 2100),
        ("MGA", ("617.28", "617.28"), "1234.56", 123500, 1235),
    ],
)
async def test_currencies_are_converted_for_stripe(
    world: Any, statement: Any, *, currency: str, amounts: Any, total: str, ours: int, theirs: int
) -> None:
    """We count in ISO minor units and round to a payable total by a named line; Stripe gets its."""
    lines = tuple(zip("ab", amounts, strict=True))
    invoice = await world.draft(statement(*lines, total=total, currency=currency))

    await world.sync().sync_due()

    now = await world.read(invoice)
    (at_stripe,) = await world.simulator.invoices()
    assert (None, ours, ours) == (now.reason, now.total_minor, now.stripe_total_minor)
    assert theirs == at_stripe["total"]


async def test_the_same_statement_twice_is_one_invoice(world: Any, statement: Any) -> None:
    """A statement that is delivered again, even as another message, makes nothing new."""
    first = await world.draft(statement(("a", "5"), total="5"))
    await world.sync().sync_due()

    second = await world.draft(statement(("a", "5"), total="5"))

    await world.sync().sync_due()
    assert (None, "sent") == (second, (await world.read(first)).state)
    assert 1 == await world.simulator.created()


async def test_numbers_are_gapless_under_each_vendor(world: Any, statement: Any) -> None:
    """Each vendor counts for itself, and an invoice that does not pass takes no number."""
    other = type(world)(world.database, world.writer, world.simulator, world.gateway, world.clock)
    await other.add_tenant()
    numbers: dict[str, list[str]] = {}
    for vendor in (world, other):
        for sequence in (1, 2, 3):
            total = "-1" if sequence == 2 else "7"
            made = await vendor.draft(
                statement(("a", total), total=total, vendor_id=vendor.vendor_id, sequence=sequence)
            )
            await vendor.sync().sync_due()
            numbers.setdefault(vendor.vendor_id, []).append((await vendor.read(made)).number)

    ends = [[number and number[-6:] for number in found] for found in numbers.values()]
    assert [["000001", None, "000002"]] * 2 == ends


async def _numbers_of_two_crashes(world: Any, take: Any) -> list[Any]:
    """Take a number in a transaction that does not commit, twice."""
    taken = []
    for _ in range(2):
        with suppress(LookupError):
            async with world.database.transaction() as connection:
                taken.append(await take(connection))
                raise LookupError
    return taken


async def test_a_number_that_is_rolled_back_is_given_again(world: Any, statement: Any) -> None:
    """A crash between taking and binding a number leaves no gap; a database sequence would."""
    invoice = await world.draft(statement(("a", "5"), total="5"))
    async with world.database.transaction() as connection:
        await connection.execute(text("create sequence invoicing.naive"))

    async def ours(connection: Any) -> str:
        (approved,) = await handlers.approve_invoices(connection, [invoice], world.clock)
        return approved.number or ""

    async def naive(connection: Any) -> int:
        return int(await connection.scalar(text("select nextval('invoicing.naive')")))

    assert 1 == len(set(await _numbers_of_two_crashes(world, ours)))
    assert 2 == len(set(await _numbers_of_two_crashes(world, naive)))


async def test_more_lines_than_stripe_takes_go_as_fewer(world: Any, statement: Any) -> None:
    """What is sent sums to the same total and passes the gate; every line stays ours."""
    amounts = [(f"line-{index:03d}", "1.005") for index in range(251)]
    invoice = await world.draft(statement(*amounts, total="252.255"))

    await world.sync().sync_due()

    (theirs,) = await world.simulator.invoices()
    assert ("sent", None) == await world.state(invoice)
    assert (25226, 1) == (theirs["total"], theirs["lines"]["total_count"])
    assert "Fees: 251 lines of the usage statement" == theirs["lines"]["data"][0]["description"]
    async with world.database.transaction() as connection:
        kept = await invoices.read_lines(connection, world.account, [invoice.invoice_id])
    assert 251 == len(kept[invoice.invoice_id])


@pytest.mark.parametrize(
    ("total", "state", "reason"),
    [("0", "paid", "zero_total"), ("-3", "paid", "carried_over"), ("0.3", "paid", "carried_over")],
)
async def test_what_is_not_to_be_paid_is_not_sent(
    world: Any, statement: Any, total: str, state: str, reason: str
) -> None:
    """Nothing to pay is paid, what cannot be charged goes on; Stripe hears of neither."""
    invoice = await world.draft(statement(("a", total), total=total))

    await world.sync().sync_due()

    assert (state, reason) == await world.state(invoice)
    assert 0 == await world.simulator.created()


async def test_only_tenants_with_billing_on_are_sent(world: Any, statement: Any) -> None:
    """On hold the invoice stays a draft that says why; with billing on it goes on."""
    await world.add_tenant(billing="hold")
    invoice = await world.draft(statement(("a", "5"), total="5"))
    await world.sync().sync_due()
    assert ("draft", "billing_hold") == await world.state(invoice)

    await world.add_tenant(billing="on")
    await world.sync().sync(world.account, invoice.invoice_id)

    assert ("sent", None) == await world.state(invoice)


@pytest.mark.parametrize("state", ["approved", "issued"])
async def test_a_hold_stops_an_invoice_on_its_way(world: Any, statement: Any, state: Any) -> None:
    """An invoice that has its number but was not sent stays where it is while billing is held."""
    invoice = await world.draft(statement(("a", "5"), total="5"))
    async with world.database.transaction() as connection:
        (approved,) = await handlers.approve_invoices(connection, [invoice], world.clock)
        await handlers.change_state(connection, approved, handlers.Change(state), world.clock)
    await world.add_tenant(billing="hold")

    await world.sync().sync(world.account, invoice.invoice_id)

    assert (state, "billing_hold") == await world.state(invoice)
    assert 0 == await world.simulator.created("invoice.finalized")


@pytest.mark.parametrize(
    "change",
    [
        "update invoicing.invoice set total_minor = 1 where vendor_id = :v",
        "update invoicing.invoice set number = 'X' where vendor_id = :v",
        "delete from invoicing.invoice where vendor_id = :v",
        "update invoicing.invoice_line set amount_minor = 1 where vendor_id = :v",
        "delete from invoicing.invoice_line where vendor_id = :v",
        MORE_SENT,
    ],
)
async def test_issued_invoices_never_change(world: Any, statement: Any, change: str) -> None:
    """The database itself refuses to change an invoice's amounts, number or lines."""
    await world.draft(statement(("a", "5"), total="5"))
    await world.sync().sync_due()

    with pytest.raises(DBAPIError, match=r"never|keeps its number|no more lines"):
        await world.rows(change + " returning 1", v=world.vendor_id)
