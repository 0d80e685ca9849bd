"""Credit notes of taxed invoices: the same arithmetic as the invoice's, Stripe's preview equal."""

from typing import Any

import pytest

from shared.ids import new_id
from tests.support.taxed import BERLIN, put_rate, put_setting, taxed_by


async def _credited(api: Any, invoice: Any, **body: Any) -> Any:
    headers = await api.key() | {"Idempotency-Key": new_id()}
    path = f"/v1/invoices/{invoice.invoice_id}/credit-notes"
    body = {"settlement": "out_of_band"} | body
    ordered = await api.http.post(path, headers=headers, json=body)
    await api.world.corrections().sync_due()
    if ordered.status_code >= 400:
        return ordered.json()
    path = f"/v1/credit-notes/{ordered.json()['credit_note_id']}"
    return (await api.http.get(path, headers=headers)).json()


async def _sent(world: Any, made: Any) -> Any:
    await world.sync().sync_due()
    return await world.read(made)


def _money(note: Any) -> tuple[Any, ...]:
    return tuple(note[name] for name in ("state", "net_minor", "tax_minor", "total_minor"))


@pytest.mark.parametrize(
    ("body", "money"),
    [
        ({"full": True}, ("issued", 5001, 950, 5951)),
        ({"amount": "11.90"}, ("issued", 1000, 190, 1190)),
        ({"lines": [{"line_key": "a", "amount": "0.13"}]}, ("issued", 13, 2, 15)),
    ],
)
async def test_a_note_has_the_invoices_tax(
    api: Any, statement: Any, *, body: Any, money: Any
) -> None:
    """All, an amount with its tax, single lines with theirs: rounded once, as on the invoice."""
    await taxed_by(api)
    world = api.world
    made = await world.draft(
        statement(("a", "30"), ("b", "20"), ("c", "0.01"), ("d", "0.002"), total="50.012")
    )
    invoice = await _sent(world, made)

    note = await _credited(api, invoice, **body)
    found = await world.simulator.get("/v1/credit_notes", invoice=invoice.stripe_invoice_id)
    (theirs,) = found["data"]
    assert money == _money(note)
    assert (money[1], money[3]) == (theirs["total_excluding_tax"], theirs["total"])


async def test_lines_are_taxed_together_and_named_one_by_one(api: Any, statement: Any) -> None:
    """Three lines of three cents at 19 % are 1.71 cents of tax: two, not three times one."""
    await taxed_by(api)
    world = api.world
    invoice = await _sent(
        world, await world.draft(statement(("a", "10"), ("b", "10"), ("c", "10"), total="30"))
    )
    lines = [{"line_key": key, "amount": "0.03"} for key in ("a", "b", "c")]

    note = await _credited(api, invoice, lines=lines)
    found = await world.simulator.get("/v1/credit_notes", invoice=invoice.stripe_invoice_id)
    (theirs,) = found["data"]
    taxes = [tax["amount"] for line in theirs["lines"]["data"] for tax in line["taxes"]]
    assert ("issued", 9, 2, 11) == _money(note)
    assert (11, [0, 1, 1]) == (theirs["total"], sorted(taxes))


async def test_two_rates_are_credited_apart(api: Any, statement: Any) -> None:
    """Each tax of a credited line names the rate that the invoice has at Stripe."""
    for rate_id, label, percent in (("gst", "GST", "5"), ("qst", "QST", "9.975")):
        await put_rate(api, rate_id, label=label, percent=percent)
    await put_setting(api, treatment="rates", rate_ids=["gst", "qst"])
    world = api.world
    invoice = await _sent(world, await world.draft(statement(("a", "10"), total="10")))
    note = await _credited(api, invoice, lines=[{"line_key": "a", "amount": "10"}])

    theirs = await world.simulator.get(f"/v1/invoices/{invoice.stripe_invoice_id}")
    found = await world.simulator.get("/v1/credit_notes", invoice=invoice.stripe_invoice_id)
    (credit,) = found["data"]
    rates = [
        [(tax["tax_rate_details"], tax["amount"]) for tax in one["total_taxes"]]
        for one in (theirs, credit)
    ]
    assert ("issued", 1000, 150, 1150) == _money(note)
    assert rates[0] == rates[1]
    assert ("paid", None) == await world.state(invoice)


async def test_notes_of_parts_never_exceed_the_taxed_invoice(api: Any, statement: Any) -> None:
    """What is left is with tax; the rest after parts is what the invoice has left, to the unit."""
    await taxed_by(api, "7.7")
    world = api.world
    invoice = await _sent(world, await world.draft(statement(("a", "9.99"), total="9.99")))
    one = await _credited(api, invoice, lines=[{"line_key": "a", "amount": "3.33"}])
    too_much = await _credited(api, invoice, amount="8.00")
    rest = await _credited(api, invoice, full=True)

    assert ("issued", 333, 26, 359) == _money(one)
    assert "invalid_credit_note" == too_much["code"]
    assert 1076 == one["total_minor"] + rest["total_minor"]
    assert ("paid", None) == await world.state(invoice)


async def test_a_reverse_charge_is_credited_without_tax(api: Any, statement: Any) -> None:
    """Nothing was taxed, nothing goes back as tax."""
    await put_setting(api, treatment="reverse_charge", text="Reverse charge")
    world = api.world
    invoice = await _sent(world, await world.draft(statement(("a", "10"), total="10")))

    note = await _credited(api, invoice, lines=[{"line_key": "a", "amount": "4"}])

    assert ("issued", 400, 0, 400) == _money(note)


async def test_of_automatic_tax_stripes_part_goes_back(api: Any, statement: Any) -> None:
    """Stripe works out the tax of the note, and it is what is stored."""
    world = api.world
    await put_setting(api, treatment="automatic")
    await world.add_tenant(address=BERLIN)
    invoice = await _sent(world, await world.draft(statement(("a", "10"), total="10")))

    note = await _credited(api, invoice, lines=[{"line_key": "a", "amount": "5"}])

    assert ("issued", 500, 95, 595) == _money(note)


async def test_a_line_that_a_coupon_lowered_at_stripe_is_credited_as_far(
    api: Any, statement: Any
) -> None:
    """Beside automatic tax Stripe has less of a line than our statement says."""
    world = api.world
    await put_setting(api, treatment="automatic")
    await world.add_tenant(address=BERLIN)
    adjustment = ("~adjustment/2025-12-01/a", "-4")
    made = await world.draft(statement(("a", "10"), ("b", "10"), adjustment, total="16"))
    invoice = await _sent(world, made)

    too_much = await _credited(api, invoice, lines=[{"line_key": "a", "amount": "9"}])
    note = await _credited(api, invoice, lines=[{"line_key": "a", "amount": "8"}])

    assert ("invalid_credit_note", "credit_exceeds_line") == (
        too_much["code"],
        too_much["faults"][0]["code"],
    )
    assert ("issued", 800, 152, 952) == _money(note)
