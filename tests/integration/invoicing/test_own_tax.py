"""Tax of our own: worked out with the draft, the same at Stripe to the unit, never changed."""

import json
from dataclasses import dataclass
from datetime import date
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from shared.accounts.keys import Scope
from tests.support.taxed import put_rate, put_setting, taxed_by


async def _sent(world: Any, made: Any) -> Any:
    await world.sync().sync_due()
    return await world.read(made)


async def _at_stripe(world: Any, invoice: Any) -> Any:
    return await world.simulator.get(f"/v1/invoices/{invoice.stripe_invoice_id}")


async def _shown(api: Any, invoice: Any) -> Any:
    path = f"/v1/invoices/{invoice.invoice_id}"
    return (await api.http.get(path, headers=await api.key())).json()


async def test_stripes_total_is_ours_with_the_tax(api: Any, statement: Any) -> None:
    """Net, tax and total are equal on both sides; the rate stands on every line it taxes."""
    await taxed_by(api)
    world = api.world
    made = await world.draft(statement(("a", "10.005"), ("b", "0.333"), total="10.338"))
    invoice = await _sent(world, made)

    theirs = await _at_stripe(world, invoice)
    rate = await world.simulator.get(
        f"/v1/tax_rates/{theirs['total_taxes'][0]['tax_rate_details']['tax_rate']}"
    )
    shown = await _shown(api, invoice)
    assert ("sent", None) == await world.state(invoice)
    assert (1034, 196, 1230) == (theirs["total_excluding_tax"], 196, theirs["total"])
    assert (1034, 196, 1230) == tuple(
        shown[name] for name in ("total_minor", "tax_minor", "gross_minor")
    )
    assert ("VAT", "Germany", "DE", 19) == tuple(
        rate[name] for name in ("display_name", "jurisdiction", "country", "percentage")
    )
    (tax,) = shown["taxes"]
    assert ("de-vat", "19", "10.338", "1.96422", 196) == tuple(
        tax[name] for name in ("rate_id", "percent", "taxable_exact", "tax_exact", "tax_minor")
    )


async def test_a_coupon_lowers_what_is_taxed(api: Any, statement: Any) -> None:
    """The line below zero has no tax at Stripe; those above it have that of what is left."""
    await taxed_by(api, "20")
    coupon = {
        "tenant": "acme",
        "coupon_id": "half",
        "name": "Launch",
        "percent": "50",
        "first_period": "2026-01-01",
    }
    await api.http.post("/v1/coupons", json=coupon, headers=await api.key())
    invoice = await _sent(
        api.world, await api.world.draft(statement(("a", "10"), ("b", "20"), total="30"))
    )

    theirs = await _at_stripe(api.world, invoice)
    lines = {line["amount"]: line["taxes"] for line in theirs["lines"]["data"]}
    assert (1500, 1800) == (theirs["total_excluding_tax"], theirs["total"])
    assert [] == lines[-1500]
    assert (100, 500) == (lines[1000][0]["amount"], lines[1000][0]["taxable_amount"])
    assert (200, 1000) == (lines[2000][0]["amount"], lines[2000][0]["taxable_amount"])


async def test_two_rates_are_two_taxes(api: Any, statement: Any) -> None:
    """Both are on the net, rounded together, and shown apart."""
    for rate_id, label, percent in (("gst", "GST", "5"), ("qst", "QST", "9.975")):
        await put_rate(api, rate_id, label=label, percent=percent, country="CA")
    await put_setting(api, "acme", treatment="rates", rate_ids=["gst", "qst"])
    made = await api.world.draft(statement(("a", "100.10"), total="100.10"))
    invoice = await _sent(api.world, made)

    theirs = await _at_stripe(api.world, invoice)
    shown = await _shown(api, invoice)
    assert (10010, 11509) == (theirs["total_excluding_tax"], theirs["total"])
    assert [("GST", 501), ("QST", 998)] == [
        (tax["label"], tax["tax_minor"]) for tax in shown["taxes"]
    ]


async def test_reverse_charge_says_why_and_the_tax_id_goes_along(api: Any, statement: Any) -> None:
    """Its text is on Stripe's invoice, the VAT number on the customer; another replaces it."""
    world, words = api.world, "Reverse charge: VAT is owed by the recipient"
    ids = [{"type": "eu_vat", "value": "DE123456789"}]
    await put_setting(api, "acme", treatment="reverse_charge", text=words, tax_ids=ids)
    first = await _sent(world, await world.draft(statement(("a", "10"), total="10")))
    ids = [{"type": "eu_vat", "value": "ATU12345678"}]
    await put_setting(api, "acme", treatment="reverse_charge", text=words, tax_ids=ids)
    values = {"sequence": 2, "statement_id": "st-2"}
    second = await _sent(world, await world.draft(statement(("a", "20"), total="20", **values)))

    one, two = await _at_stripe(world, first), await _at_stripe(world, second)
    assert (1000, words) == (one["total"], one["footer"])
    assert [("eu_vat", "DE123456789")] == [
        (tax["type"], tax["value"]) for tax in one["customer_tax_ids"]
    ]
    assert [("eu_vat", "ATU12345678")] == [
        (tax["type"], tax["value"]) for tax in two["customer_tax_ids"]
    ]
    assert "reverse_charge" == one["total_taxes"][0]["taxability_reason"]


async def test_a_tax_id_comes_back_after_it_was_taken_away(api: Any, statement: Any) -> None:
    """Given, taken away, given again: Stripe has it, once."""
    world = api.world
    number = {"type": "eu_vat", "value": "DE123456789"}
    held = []
    for sequence, ids in enumerate(([number], [], [number]), start=1):
        await put_setting(api, "acme", tax_ids=ids)
        values = {"sequence": sequence, "statement_id": f"st-{sequence}"}
        made = await world.draft(statement(("a", "10"), total="10", **values))
        theirs = await _at_stripe(world, await _sent(world, made))
        held.append([tax["value"] for tax in theirs["customer_tax_ids"]])

    assert [["DE123456789"], [], ["DE123456789"]] == held


async def test_a_tax_id_that_stripe_refuses_parks_with_one_action(api: Any, statement: Any) -> None:
    """It is corrected where it was written, and the invoice is retried."""
    world = api.world
    await put_setting(api, "acme", tax_ids=[{"type": "eu_vat", "value": "nonsense"}])
    made = await world.draft(statement(("a", "10"), total="10"))
    await world.sync().sync_due()

    headers = await api.key()
    items = (await api.http.get("/v1/attention", headers=headers)).json()["items"]
    assert ("parked", "stripe_tax_id_invalid") == await world.state(made)
    assert ["/v1/tax-settings/acme"] == [item["action"]["path"] for item in items]

    await put_setting(api, "acme", tax_ids=[{"type": "eu_vat", "value": "DE123456789"}])
    await api.http.post(f"/v1/invoices/{made.invoice_id}/retry", headers=headers)
    await world.sync().sync_due()
    assert ("sent", None) == await world.state(made)


@dataclass
class OtherTax:
    """Somebody changes a tax at Stripe, right before the gate looks."""

    world: Any
    armed: bool = True

    def __getattr__(self, name: str) -> Any:
        return getattr(self.world.gateway, name)

    async def post(self, step: str, target: str, params: Any, *, key: str) -> str:
        answer: str = await self.world.gateway.post(step, target, params, key=key)
        if self.armed and step == "add_lines":
            self.armed = False
            (line,) = await self.world.gateway.list_lines(target)
            name = "tax_amounts[0]"
            form = {
                f"{name}[amount]": "191",
                f"{name}[taxable_amount]": "1000",
                f"{name}[tax_rate_data][display_name]": "VAT",
                f"{name}[tax_rate_data][inclusive]": "false",
                f"{name}[tax_rate_data][percentage]": "19",
            }
            await self.world.simulator.post(f"/v1/invoices/{target}/lines/{line.id}", **form)
        return answer


async def test_a_cent_of_tax_that_differs_is_parked(api: Any, statement: Any) -> None:
    """The net total and every line are right; the tax is not, so nothing is finalized."""
    await taxed_by(api)
    world = api.world
    made = await world.draft(statement(("a", "10"), total="10"))
    await world.sync(OtherTax(world)).sync_due()

    (theirs,) = await world.simulator.invoices()
    assert ("parked", "tax_differs") == await world.state(made)
    assert ("draft", 1191) == (theirs["status"], theirs["total"])


async def test_tax_is_told_with_the_invoice(api: Any, statement: Any) -> None:
    """`invoice.changed` has net, tax and gross from the draft on."""
    await taxed_by(api)
    made = await api.world.draft(statement(("a", "10"), total="10"))

    rows = await api.world.rows("select payload from invoicing.outbox order by position")
    payloads = [json.loads(row.payload) for row in rows]
    told = next(one for one in payloads if one["invoice_id"] == made.invoice_id)
    assert (1000, 190, 1190) == tuple(
        told[name] for name in ("total_minor", "tax_minor", "gross_minor")
    )


async def test_what_was_drafted_keeps_its_tax(api: Any, statement: Any) -> None:
    """A later rate or setting is for later drafts; the database refuses any other way."""
    await taxed_by(api)
    world = api.world
    made = await world.draft(statement(("a", "10"), total="10"))
    await put_rate(api, percent="7", valid_from="2026-01-15")
    await put_setting(api, treatment="none")
    invoice = await _sent(world, made)

    assert 190 == (await _shown(api, invoice))["tax_minor"]
    for statement_ in (
        "update invoicing.invoice set tax_minor = 1 where invoice_id = :id",
        "update invoicing.invoice_tax set tax_minor = 1 where invoice_id = :id",
        "delete from invoicing.invoice_tax where invoice_id = :id",
    ):
        with pytest.raises(DBAPIError, match="never change"):
            async with world.database.transaction() as connection:
                await connection.execute(text(statement_), {"id": made.invoice_id})


async def test_the_day_picks_the_rate(api: Any, statement: Any) -> None:
    """A service is taxed by its last day, a fee in advance by its first."""
    await taxed_by(api, "19")
    await put_rate(api, percent="16", valid_from="2026-01-31")
    world = api.world
    period = await world.draft(statement(("a", "10"), total="10"))
    opening = await world.draft(
        statement(("a", "10"), total="10", kind="opening", statement_id="st-2")
    )
    before = await world.draft(
        statement(
            ("a", "10"),
            total="10",
            sequence=3,
            statement_id="st-3",
            period_start=date(2025, 1, 1),
            period_end=date(2026, 1, 1),
        )
    )

    assert [160, 190, 0] == [one.tax_minor for one in (period, opening, before)]


async def test_a_one_off_invoice_is_taxed_as_well(api: Any) -> None:
    """Lines by hand have the tenant's tax."""
    await taxed_by(api)
    headers = await api.key() | {"Idempotency-Key": "one"}
    body = {
        "tenant_id": "acme",
        "currency": "USD",
        "lines": [{"description": "Workshop", "amount": "100"}],
    }
    made = (await api.http.post("/v1/invoices", json=body, headers=headers)).json()
    await api.world.sync().sync_due()

    (theirs,) = await api.world.simulator.invoices()
    assert (1900, 11900) == (made["tax_minor"], made["gross_minor"])
    assert 11900 == theirs["total"]


async def test_credit_that_pays_all_but_the_tax_leaves_the_tax_to_pay(
    api: Any, statement: Any
) -> None:
    """Nothing is left before tax, and the tax is charged."""
    await taxed_by(api)
    draws = [{"grant_id": "g", "line_key": "a", "amount_exact": "10", "tax": "at_purchase"}]
    made = await api.world.draft(statement(("a", "10"), total="10", credits=draws))
    theirs = await _at_stripe(api.world, await _sent(api.world, made))

    assert (0, 190) == (theirs["total_excluding_tax"], theirs["total"])
    assert ("sent", None) == await api.world.state(made)


async def test_what_is_carried_over_brings_its_taxable_amount(api: Any, statement: Any) -> None:
    """Small invoices are taxed by the one that takes them, also what credit had paid of them."""
    await taxed_by(api, "20")
    draws = [{"grant_id": "g", "line_key": "a", "amount_exact": "0.9", "tax": "at_purchase"}]
    small = await api.world.draft(statement(("a", "1"), total="1", credits=draws))
    values = {"sequence": 2, "statement_id": "st-2"}
    taking = await api.world.draft(statement(("a", "10"), total="10", **values))

    assert ("paid", "carried_over") == (small.state, small.reason)
    assert (0, 0) == (small.total_minor, small.tax_minor)
    assert (1010, 220) == (taking.total_minor, taking.tax_minor)


async def test_rates_and_settings_over_the_api(api: Any) -> None:
    """Written twice they are one; what is in force is told; a tenant's key reads its own."""
    same = [await put_rate(api) for _ in range(2)]
    default = await put_setting(api, treatment="rates", rate_ids=["de-vat"])
    own = await put_setting(api, "acme", tax_ids=[{"type": "eu_vat", "value": "DE123456789"}])
    headers = await api.key()
    rates = (await api.http.get("/v1/tax-rates", headers=headers)).json()["tax_rates"]
    tenant = await api.key(Scope.BILLING_READ, tenant_id="acme")
    read = await api.http.get("/v1/tax-settings/acme", headers=tenant)
    other = await api.http.get("/v1/tax-settings/globex", headers=tenant)

    assert same[0].json() == same[1].json()
    assert [same[0].json()] == rates
    assert {"treatment": "rates", "rate_ids": ["de-vat"], "text": None} == default.json()
    assert own.json() == read.json()
    assert (None, "rates") == (own.json()["treatment"], own.json()["in_force"]["treatment"])
    assert 403 == other.status_code


async def test_a_version_that_stands_on_an_invoice_never_changes(api: Any, statement: Any) -> None:
    """Before that it can be corrected; the next version is another day's."""
    await taxed_by(api, "91")
    corrected = await put_rate(api, percent="19")
    await api.world.draft(statement(("a", "10"), total="10"))
    refused = await put_rate(api, percent="20")
    again = await put_rate(api, percent="19.0")
    later = await put_rate(api, percent="20", valid_from="2026-06-01")

    assert [200, 409, 200, 200] == [one.status_code for one in (corrected, refused, again, later)]
    assert "tax_rate_in_use" == refused.json()["code"]


@pytest.mark.parametrize(
    ("values", "paths"),
    [
        ({"percent": "101"}, ["percent"]),
        ({"percent": "-1"}, ["percent"]),
        ({"percent": "19.12345"}, ["percent"]),
        ({"percent": 19}, ["percent"]),
        ({"inclusive": True}, ["inclusive"]),
        ({"label": "a\nb"}, ["label"]),
        ({"label": "x" * 51}, ["label"]),
        ({"country": "de"}, ["country"]),
        ({"surprise": 1}, ["surprise"]),
        ({"label": "", "percent": "x", "valid_from": "soon"}, ["label", "percent", "valid_from"]),
    ],
)
async def test_bad_rates_are_refused_with_all_faults(api: Any, values: Any, paths: Any) -> None:
    """Each fault has its place."""
    answer = await put_rate(api, **values)

    assert 400 == answer.status_code
    assert paths == sorted(fault["path"].removeprefix("body.") for fault in answer.json()["faults"])


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"treatment": "rates"}, "invalid_request"),
        ({"treatment": "automatic", "rate_ids": ["de-vat"]}, "invalid_request"),
        ({"treatment": "exempt"}, "invalid_request"),
        ({"treatment": "reverse_charge", "text": " "}, "invalid_request"),
        ({"treatment": "vat"}, "invalid_request"),
        ({"treatment": "rates", "rate_ids": ["a", "a"]}, "invalid_request"),
        ({"treatment": "rates", "rate_ids": ["nope"]}, "invalid_tax_setting"),
        ({"tax_ids": [{"type": "EU", "value": "1"}]}, "invalid_request"),
        ({"tax_ids": [{"type": "eu_vat", "value": "1"}] * 2}, "invalid_request"),
        ({"surprise": 1}, "invalid_request"),
    ],
)
async def test_bad_settings_are_refused(api: Any, values: Any, code: str) -> None:
    """Nothing half said is in force."""
    answer = await put_setting(api, "acme", **values)

    assert (400, code) == (answer.status_code, answer.json()["code"])


async def test_who_may_write_tax(api: Any) -> None:
    """The vendor, with `billing:write`; an unknown tenant is told."""
    reader = await api.key(Scope.BILLING_READ)
    tenant = await api.key(tenant_id="acme")
    body = {"treatment": "none"}

    answers = [
        await api.http.put("/v1/tax-settings", json=body, headers=reader),
        await api.http.put("/v1/tax-settings/acme", json=body, headers=tenant),
        await put_setting(api, "nobody", treatment="none"),
    ]

    assert [403, 403, 404] == [one.status_code for one in answers]
