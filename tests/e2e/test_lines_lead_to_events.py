"""From a line of an invoice to the events behind it, on a whole deployment."""

from collections import defaultdict
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from deploy.local.deployment import Deployment, discard_deployment, running_deployment
from tests.support.pricing_service import eventually

ROOT = Path(__file__).parents[2]
VENDOR = "shop"
IN_TIME = [
    ("1", "2023-11-10T00:00:00Z", "clerk", {"input_uncached": 1_000_000, "output_text": 50}),
    ("2", "2023-11-10T09:00:00Z", "clerk", {"input_uncached": 23}),
    ("3", "2023-11-11T09:00:00Z", "writer", {"input_uncached": 5, "output_text": 700}),
]
LATE = [("4", "2023-11-11T10:00:00Z", "writer", {"output_text": 300})]
NEXT = [("5", "2023-12-03T10:00:00Z", "writer", {"output_text": 11})]
BOOK: dict[str, Any] = {
    "currency": "USD",
    "charges": [
        {
            "key": key,
            "name": key.capitalize(),
            "model": "per_unit",
            "unit_amount": "3.00",
            "per": "1000",
            "usage": {"kinds": [kind]},
        }
        for key, kind in (("input", "input_uncached"), ("output", "output_text"))
    ],
    "plans": [{"key": "all", "name": "All", "charges": ["input", "output"]}],
}


@dataclass
class Shop:
    """A vendor's calls to a deployment."""

    deployment: Deployment
    client: httpx.AsyncClient
    invoices: list[Any] = field(default_factory=list)

    async def call(self, method: str, service: str, path: str, body: Any = None) -> Any:
        url = self.deployment.url(service) + path
        answer = await self.client.request(method, url, json=body)
        assert answer.is_success, answer.text
        return answer.json()

    async def sell(self) -> None:
        book = "/v1/price-books/shop"
        await self.call("PUT", "pricing", "/v1/tenants/acme", {"name": "Acme"})
        await self.call("PUT", "pricing", book, {"name": "Shop"})
        await self.call("PUT", "pricing", f"{book}/versions/1", BOOK)
        published = {"effective_on": "2023-11-01"}
        await self.call("POST", "pricing", f"{book}/versions/1/publish", published)
        terms = {"tenant_id": "acme", "price_book": "shop", "plan": "all"}
        path = "/v1/subscriptions/acme"
        await self.call("PUT", "pricing", path, terms | {"starts_on": "2023-11-01"})

    async def use(self, events: list[Any], through: str) -> None:
        """Send events, then close the days up to one."""
        sent = [
            {
                "event_id": event_id,
                "tenant": "acme",
                "agent": agent,
                "model": "gpt-5",
                "provider": "openai",
                "occurred_at": at,
                "tokens": tokens,
            }
            for event_id, at, agent, tokens in events
        ]
        await self.call("POST", "metering", "/v1/events", {"events": sent})
        await self.deployment.control("close", "--vendor", VENDOR, "--through", through)

    async def invoice(self, number: int) -> Any:
        """Return the invoice of the subscription's period of that number, counted from one."""
        url = f"{self.deployment.url('invoicing')}/v1/invoices"
        answer = await eventually(
            lambda: self.client.get(url), lambda one: len(one.json()["invoices"]) == number
        )
        return answer.json()["invoices"][0]

    async def traced(self, invoice: Any, line_key: str) -> tuple[dict[Any, Decimal], Any]:
        """Follow a line to metering; return the sums by detail, and what the line answered."""
        path = f"/v1/invoices/{invoice['invoice_id']}/lines/{line_key}/usage"
        trace = await self.call("GET", "invoicing", path)
        usage = await self.call("GET", "metering", trace["usage_path"])
        first, end = trace["booked_from"] or "0001-01-01", trace["booked_to"]
        sums: dict[Any, Decimal] = defaultdict(Decimal)
        for row in usage["rows"]:
            if first <= row["booked_day"] < end:
                key = (row["agent"], row["model"], row["kind"], row["usage_day"])
                sums[key] += Decimal(row["quantity"])
        return sums, trace


@pytest.fixture(scope="module", name="shop")
async def _shop() -> AsyncIterator[Shop]:
    """Return a shop whose November is billed, and December with an adjustment of it."""
    root = ROOT / "var" / "e2e-lines"
    discard_deployment(root)
    async with running_deployment(root, vendor=VENDOR) as deployment:
        key = await deployment.control("bootstrap", "--vendor", VENDOR, "--name", "Shop")
        headers = {"Authorization": f"Bearer {key}"}
        async with httpx.AsyncClient(headers=headers) as client:
            shop = Shop(deployment, client)
            await shop.sell()
            await shop.use(IN_TIME, "2023-11-30")
            shop.invoices.append(await shop.invoice(1))
            await shop.use([*LATE, *NEXT], "2023-12-31")
            shop.invoices.append(await shop.invoice(2))
            yield shop


async def test_the_sums_behind_a_line_are_its_quantity(shop: Shop) -> None:
    """Detail by detail, in a period with usage in time and in the next one's adjustment of it."""
    lines = [(one, line) for one in shop.invoices for line in one["lines"]]

    for invoice, line in lines:
        sums, trace = await shop.traced(invoice, line["line_key"])
        details = {
            (one["agent"], one["model"], one["kind"], one["usage_day"]): Decimal(one["quantity"])
            for one in trace["details"]
        }

        assert details == sums, line["line_key"]
        assert Decimal(line["quantity"]) == sum(sums.values())
    quantities = {line["line_key"].rpartition("/")[2]: line["quantity"] for _, line in lines[:2]}
    assert {"000-input": "1000028", "001-output": "750"} == quantities
    assert ["~adjustment/2023-11-01/acme/001-output", "300"] in [
        [line["line_key"], line["quantity"]] for line in shop.invoices[1]["lines"]
    ]


async def test_each_detail_leads_to_its_events(shop: Shop) -> None:
    """The events that metering lists are those that were counted, no other."""
    _, trace = await shop.traced(shop.invoices[0], "000-input")

    found = {
        (one["agent"], one["usage_day"]): [
            event["event_id"]
            for event in (await shop.call("GET", "metering", one["events_path"]))["events"]
        ]
        for one in trace["details"]
    }

    assert {
        ("clerk", "2023-11-10"): ["1", "2"],
        ("writer", "2023-11-11"): ["3"],
    } == {key: sorted(events) for key, events in found.items()}
