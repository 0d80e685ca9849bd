"""Whatever is done to a customer's invoices, no minor unit appears or disappears."""

import random
from typing import Any

import httpx
import pytest

from deploy.local.stripe_simulator import create_simulator

HEADERS = {"Authorization": "Bearer sk_test_x", "Stripe-Version": "2026-10-28.endive"}
STEPS = 120
WAYS = ("credit_amount", "refund_amount", "out_of_band_amount")


class Person:
    """Does something at random to one customer's invoices, right or wrong; refusals are fine."""

    def __init__(self, seed: int, http: httpx.AsyncClient, customer: str) -> None:
        self.dice = random.Random(seed)  # noqa: S311  # reproducible
        self.http = http
        self.customer = customer
        self.done: dict[str, int] = {}

    async def act(self) -> None:
        acts = [self.bill, self.bill, self.pay, self.pay_part, self.credit, self.credit, self.void,
                self.revise, self.refund, self.adjust]  # fmt: skip
        act = self.dice.choice(acts)
        if await act():
            self.done[act.__name__] = self.done.get(act.__name__, 0) + 1

    async def post(self, path: str, **form: Any) -> Any:
        answer = await self.http.post(path, data=form)
        assert answer.status_code < 500, answer.text
        return answer.json() if answer.is_success else None

    async def invoice(self) -> str:
        listed = (await self.http.get("/v1/invoices?limit=20")).json()["data"]
        return str(self.dice.choice(listed)["id"]) if listed else "in_none"

    async def bill(self) -> Any:
        given = {"customer": self.customer, "currency": "usd", "auto_advance": "false"}
        if self.dice.random() < 0.4:
            given["discounts[0][coupon]"] = "c"
        if self.dice.random() < 0.6:
            given["default_tax_rates[0]"] = self.dice.choice(await self.rates())
        draft = await self.post("/v1/invoices", **given)
        amounts = [self.dice.randint(-300, 3000) for _ in range(self.dice.randint(1, 4))]
        lines = {f"lines[{at}][amount]": amount for at, amount in enumerate(amounts)}
        await self.post(f"/v1/invoices/{draft['id']}/add_lines", **lines)
        return await self.post(f"/v1/invoices/{draft['id']}/finalize")

    async def rates(self) -> list[str]:
        found = (await self.http.get("/v1/tax_rates")).json()["data"]
        return [rate["id"] for rate in found]

    async def pay(self) -> Any:
        how = self.dice.choice([{"paid_out_of_band": "true"}, {"payment_method": "pm_card_visa"}])
        return await self.post(f"/v1/invoices/{await self.invoice()}/pay", **how)

    async def pay_part(self) -> Any:
        given = {"invoice": await self.invoice(), "amount": self.dice.randint(1, 2500)}
        return (await self.http.post("/_sim/payments", json=given)).is_success

    async def credit(self) -> Any:
        invoice = (await self.http.get(f"/v1/invoices/{await self.invoice()}")).json()
        total = self.dice.randint(1, max(invoice.get("total", 1), 1))
        given = {"invoice": invoice.get("id", "in_none"), "amount": total}
        if self.dice.random() < 0.4 and invoice.get("lines", {}).get("data"):
            line = self.dice.choice(invoice["lines"]["data"])
            del given["amount"]
            total = max(line["amount"], 1)
            given |= {"lines[0][type]": "invoice_line_item", "lines[0][amount]": total,
                      "lines[0][invoice_line_item]": line["id"]}  # fmt: skip
        post = total - invoice.get("amount_remaining", 0)
        if post > 0:
            given[self.dice.choice(WAYS)] = post
        return await self.post("/v1/credit_notes", **given)

    async def void(self) -> Any:
        return await self.post(f"/v1/invoices/{await self.invoice()}/void")

    async def revise(self) -> Any:
        given = {"from_invoice[action]": "revision", "from_invoice[invoice]": await self.invoice()}
        draft = await self.post("/v1/invoices", **given)
        return draft and await self.post(f"/v1/invoices/{draft['id']}/finalize")

    async def refund(self) -> Any:
        charges = (await self.http.get("/v1/charges?limit=20")).json()["data"]
        charge = self.dice.choice(charges)["id"] if charges else "ch_none"
        return await self.post("/v1/refunds", charge=charge, amount=self.dice.randint(1, 900))

    async def adjust(self) -> Any:
        given = {"amount": self.dice.randint(-800, 300), "currency": "usd"}
        return await self.post(f"/v1/customers/{self.customer}/balance_transactions", **given)


async def _everything(http: httpx.AsyncClient, path: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    more = True
    while more:
        after = {"starting_after": found[-1]["id"]} if found else {}
        page = (await http.get(path, params={"limit": 100, **after})).json()
        found += page["data"]
        more = page["has_more"]
    return found


async def _check(http: httpx.AsyncClient, customer: str) -> None:
    ledger = await _everything(http, f"/v1/customers/{customer}/balance_transactions")
    balance = (await http.get(f"/v1/customers/{customer}")).json()["balance"]
    assert balance == sum(row["amount"] for row in ledger)
    notes = await _everything(http, "/v1/credit_notes")
    for invoice in await _everything(http, "/v1/invoices"):
        own = [n for n in notes if n["invoice"] == invoice["id"] and n["status"] == "issued"]
        _check_totals(invoice)
        _check_settlement(invoice, own)
    for charge in await _everything(http, "/v1/charges"):
        assert 0 <= charge["amount_refunded"] <= charge["amount"]


def _check_totals(invoice: dict[str, Any]) -> None:
    discount = sum(one["amount"] for one in invoice["total_discount_amounts"])
    on_top = sum(t["amount"] for t in invoice["total_taxes"] if t["tax_behavior"] == "exclusive")
    inside = sum(t["amount"] for t in invoice["total_taxes"] if t["tax_behavior"] == "inclusive")
    assert invoice["total"] == invoice["subtotal"] - discount + on_top
    assert invoice["total_excluding_tax"] == invoice["total"] - on_top - inside


def _check_settlement(invoice: dict[str, Any], notes: list[dict[str, Any]]) -> None:
    """What was billed is due, credited or on the balance; what is due is paid or remains."""
    pre = sum(note["pre_payment_amount"] for note in notes)
    post = sum(note["post_payment_amount"] for note in notes)
    assert (pre, post) == (
        invoice["pre_payment_credit_notes_amount"], invoice["post_payment_credit_notes_amount"],
    )  # fmt: skip
    assert sum(note["total"] for note in notes) <= max(invoice["total"], 0)
    moved = invoice["starting_balance"] - invoice["ending_balance"]
    assert invoice["total"] + moved == invoice["amount_due"] + pre
    assert invoice["amount_due"] == invoice["amount_paid"] + invoice["amount_remaining"]
    if invoice["status"] in {"open", "paid"}:
        assert (invoice["status"] == "paid") == (invoice["amount_remaining"] == 0)


@pytest.mark.parametrize("seed", range(6))
async def test_no_unit_is_lost(seed: int) -> None:
    """After any sequence of bills, payments, credits, refunds and revisions the books agree."""
    transport = httpx.ASGITransport(app=create_simulator(control=True))
    async with httpx.AsyncClient(
        transport=transport, base_url="http://127.0.0.1", headers=HEADERS
    ) as http:
        await http.post("/v1/coupons", data={"id": "c", "percent_off": "7.5"})
        for percent, inclusive in (("8.875", "false"), ("19", "true")):
            rate = {"display_name": "T", "percentage": percent, "inclusive": inclusive}
            await http.post("/v1/tax_rates", data=rate)
        made = await http.post("/v1/customers", data={"name": "Acme"})
        person = Person(seed, http, made.json()["id"])
        for _ in range(STEPS):
            await person.act()
        await _check(http, person.customer)

    assert {"bill", "pay", "pay_part", "credit", "void", "adjust"} <= set(person.done)
