"""Whatever comes over the wire, the simulator answers, and never with a crash of its own."""

import random
from typing import Any
from urllib.parse import urlencode

import pytest

from deploy.local.stripe_simulator.operations import Operation
from deploy.local.stripe_simulator.resources import OPERATIONS
from deploy.local.stripe_simulator.resources.cards import CARDS, CardReader
from deploy.local.stripe_simulator.shapes import (
    Boolean,
    Choice,
    DecimalText,
    Integer,
    Metadata,
    Repeated,
    Shape,
    Uncovered,
)

ODD = ["", "0", "-1", "true", "x", "9" * 17, "1.5", "é", "[", "null"]
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
ROUNDS = 12
# A parameter or a part of a path, to how the ids that it takes begin.
PREFIXES = {
    "charge": "ch_", "charges": "ch_", "coupon": "", "coupons": "", "credit_notes": "cn_",
    "customer": "cus_", "customers": "cus_", "disputes": "du_", "id": "il_", "invoice": "in_",
    "invoice_item": "ii_", "invoice_line_item": "il_", "invoiceitems": "ii_", "invoices": "in_",
    "line": "il_", "lines": "il_", "payment_intent": "pi_", "price": "price_", "prices": "price_",
    "product": "prod_", "products": "prod_", "refund": "re_", "refunds": "re_",
    "tax_ids": "txi_", "tax_rates": "txr_", "default_tax_rates": "txr_",
}  # fmt: skip
TEXTS = {"currency": ["usd", "usd", "eur", "isk"], "query": ["name:'A'", "created>1"],
         "type": ["us_ein", "eu_vat"], "value": ["12-3456789", "DE123456789"],
         "url": ["http://127.0.0.1:1/"]}  # fmt: skip


async def _known(simulator: Any) -> list[str]:
    """Make one object of each type, in several states, and return their ids."""
    api = simulator.api
    card = "pm_card_visa"
    customer = await api.customers.create_async(
        {"name": "A", "payment_method": card, "address": {"country": "DE"}}
    )
    product = await api.products.create_async({"name": "P"})
    price = await api.prices.create_async(
        {"product": product.id, "currency": "usd", "unit_amount": 100}
    )
    coupon = await api.coupons.create_async({"percent_off": 10})
    rate = await api.tax_rates.create_async(
        {"display_name": "VAT", "inclusive": False, "percentage": 20}
    )
    item = await api.invoice_items.create_async(
        {"customer": customer.id, "amount": 5, "currency": "usd"}
    )
    draft = await simulator.draft(customer=customer.id)
    added = await api.invoices.add_lines_async(draft.id, {"lines": [{"amount": 500}]})
    opened = await simulator.open_invoice(customer=customer.id)
    paid = await simulator.open_invoice(customer=customer.id)
    await api.invoices.pay_async(paid.id, {"payment_method": card})
    charge = (await api.charges.list_async()).data[0]
    note = await api.credit_notes.create_async({"invoice": opened.id, "amount": 5})
    made = [customer, product, price, coupon, rate, item, draft, added.lines.data[0], opened, paid]
    return [one.id for one in [*made, charge, note]]


class Guess:
    """Random parameters, most of them of the right kind and about what is there, some of none."""

    def __init__(self, seed: int, known: list[str]) -> None:
        self.dice = random.Random(seed)  # noqa: S311  # reproducible
        self.known = known

    def request(self, operation: Operation) -> tuple[str, str]:
        parts = operation.path.split("/")
        for at, _ in operation.names:
            parts[at] = self.id(parts[at - 1]) or "x"
        pairs = [
            pair
            for name, reader in self.chosen(operation.shape)
            for pair in self.fields(reader, name, name)
        ]
        if self.dice.random() < 0.1:
            paths = ["customer", "data.customer", "invoice", "payments", "lines", "a.b"]
            pairs.append(("expand[0]", self.dice.choice(paths)))
        return "/".join(parts), urlencode(pairs)

    def chosen(self, shape: Shape) -> list[tuple[str, Any]]:
        likely = {"amount": 0.6, "lines": 0.6, "customer": 0.7, "percent_off": 0.5}
        return [
            (name, reader)
            for name, reader in shape.fields.items()
            if name in shape.required
            or self.dice.random()
            < (0.01 if isinstance(reader, Uncovered) else likely.get(name, 0.12))
        ]

    def fields(self, reader: Any, name: str, key: str) -> list[tuple[str, str]]:
        if self.dice.random() < 0.02:
            return [(name, self.dice.choice(ODD))]
        if isinstance(reader, Shape):
            chosen = self.chosen(reader)
            return [p for k, r in chosen for p in self.fields(r, f"{name}[{k}]", k)]
        if isinstance(reader, Repeated):
            count = self.dice.choice([1, 1, 2])
            return [
                p for at in range(count) for p in self.fields(reader.item, f"{name}[{at}]", key)
            ]
        if isinstance(reader, Metadata):
            return [(f"{name}[k]", self.dice.choice(ODD))]
        return [(name, self.value(reader, key))]

    def value(self, reader: Any, key: str) -> str:
        if isinstance(reader, Choice):
            return self.dice.choice(reader.options)
        if isinstance(reader, Boolean):
            return self.dice.choice(["true", "false"])
        if isinstance(reader, Integer):
            return str(self.dice.choice([1, 2, 5, 10, 100, 1000, 1_772_400_000, -5, 0]))
        if isinstance(reader, DecimalText):
            return self.dice.choice(["1", "2.5", "10", "0.0001", "100"])
        if isinstance(reader, CardReader):
            return self.dice.choice(list(CARDS))
        return self.dice.choice(TEXTS[key]) if key in TEXTS else self.id(key)

    def id(self, key: str) -> str:
        prefix = PREFIXES.get(key, "")
        fitting = [one for one in self.known if one.startswith(prefix)]
        return self.dice.choice(fitting if fitting and self.dice.random() < 0.95 else ODD)


@pytest.mark.parametrize("seed", range(3))
async def test_no_input_crashes(simulator: Any, seed: int) -> None:
    """Random parameters for every endpoint are answered by an object or in Stripe's error shape."""
    guess = Guess(seed, await _known(simulator))
    taken = set()
    for operation in [*OPERATIONS, *reversed(OPERATIONS)] * (ROUNDS // 2):
        path, text = guess.request(operation)
        if operation.method == "GET":
            answer = await simulator.http.get(f"{path}?{text}")
        else:
            answer = await simulator.http.request(
                operation.method, path, content=text, headers=FORM
            )
        body = answer.json()
        assert answer.status_code < 500, (operation.endpoint, path, text)
        assert answer.is_success or body["error"]["message"]
        taken |= {operation.endpoint} if answer.is_success else set()
        guess.known += [body["id"]] if "id" in body and len(guess.known) < 200 else []

    assert len(taken) > len(OPERATIONS) / 2, sorted(taken)
