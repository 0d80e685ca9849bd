"""Meters that do not add up on a whole deployment, whose publisher dies while a period waits."""

import os
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from deploy.local.deployment import Deployment, discard_deployment, running_deployment
from tests.support.pricing_service import eventually

ROOT = Path(__file__).parents[2]
VENDOR = "shop"
METERS: dict[str, dict[str, Any]] = {
    "people": {"aggregation": "unique", "unique_by": "user"},
    "seats": {"aggregation": "max", "source": {"units": {"seats": "1"}}},
    "storage": {"aggregation": "weighted_by_time", "source": {"units": {"gigabytes": "1"}}},
}
PRICES = {"people": "5.00", "seats": "10.00", "storage": "0.30"}
EVENTS = [
    # Three people; 4 seats at most; 10 GB for ten days, then 40: (100 + 800) / 30 = 30 on average.
    ("1", "2023-11-01T00:00:00Z", "a", {"gigabytes": "10"}),
    ("2", "2023-11-11T00:00:00Z", "b", {"gigabytes": "40"}),
    ("3", "2023-11-12T09:00:00Z", "c", {"seats": "4"}),
    ("4", "2023-11-13T09:00:00Z", "a", {"seats": "2"}),
]
AMOUNTS = {"people": "15", "seats": "40", "storage": "9"}


@dataclass
class Shop:
    """A vendor's calls to a deployment."""

    deployment: Deployment
    client: httpx.AsyncClient

    async def call(self, method: str, service: str, path: str, body: Any = None) -> Any:
        url = self.deployment.url(service) + path
        answer = await self.client.request(method, url, json=body)
        answer.raise_for_status()
        return answer.json()

    async def open(self) -> None:
        """Define the meters, sell them to acme."""
        await self.call("PUT", "pricing", "/v1/tenants/acme", {"name": "Acme"})
        for name, definition in METERS.items():
            written = {"name": name, "definition": definition}
            await self.call("POST", "metering", "/v1/meters", written)
        book = "/v1/price-books/shop"
        await self.call("PUT", "pricing", book, {"name": "Shop"})
        charges = [
            {
                "key": name,
                "name": name,
                "model": "per_unit",
                "unit_amount": amount,
                "usage": {"kinds": [f"meter:{name}@1"]},
            }
            for name, amount in PRICES.items()
        ]
        plan = {"key": "all", "name": "All", "charges": list(PRICES)}
        content = {"currency": "USD", "charges": charges, "plans": [plan]}
        await self.call("PUT", "pricing", f"{book}/versions/1", content)
        publish = f"{self.deployment.url('pricing')}{book}/versions/1/publish"
        effective = {"effective_on": "2023-11-01"}
        # Pricing hears of the meters over Kafka: until then they are unknown.
        await eventually(
            lambda: self.client.post(publish, json=effective), lambda answer: answer.is_success
        )
        terms = {"tenant_id": "acme", "price_book": "shop", "plan": "all"}
        await self.call(
            "PUT", "pricing", "/v1/subscriptions/acme", terms | {"starts_on": "2023-11-01"}
        )

    async def use(self) -> None:
        events = [
            {
                "event_id": event_id,
                "tenant": "acme",
                "agent": "clerk",
                "model": "gpt-5",
                "provider": "openai",
                "occurred_at": at,
                "user": user,
                "units": units,
            }
            for event_id, at, user, units in EVENTS
        ]
        answer = await self.call("POST", "metering", "/v1/events", {"events": events})
        assert {"accepted"} == {result["status"] for result in answer["results"]}, answer

    async def bill(self) -> dict[str, tuple[str, str]]:
        """Return (amount, state of the value) by charge, of the running bill."""
        read = await self.call("GET", "pricing", "/v1/tenants/acme/bill")
        return {
            line["charge"]: (line["amount_exact"], line["meters"][0]["state"])
            for line in read["subscriptions"][0]["lines"]
        }

    async def statements(self) -> list[Any]:
        listed = await self.call("GET", "pricing", "/v1/statements")
        return [
            await self.call("GET", "pricing", f"/v1/statements/{row['statement_id']}")
            for row in listed["statements"]
        ]


@pytest.fixture(name="shop")
async def _shop() -> AsyncIterator[Shop]:
    root = ROOT / "var" / "e2e-meters"
    discard_deployment(root)
    async with running_deployment(root, vendor=VENDOR) as deployment:
        key = await deployment.control("bootstrap", "--vendor", VENDOR, "--name", "Shop")
        headers = {"Authorization": f"Bearer {key}"}
        async with httpx.AsyncClient(headers=headers) as client:
            yield Shop(deployment, client)


async def test_values_reach_the_invoice(shop: Shop) -> None:
    """First provisional on the bill, then final on one invoice, though the publisher is killed.

    Values of before the usage are there for a minute: the bill is read when all is counted.
    """
    await shop.open()
    await shop.use()
    counted = "/v1/usage?tenant=acme&from=2023-11-01&to=2023-12-01&group_by=kind"
    await eventually(
        lambda: shop.call("GET", "metering", counted),
        lambda usage: sum(row["events"] for row in usage["rows"]) == len(EVENTS),
    )
    bill = await eventually(
        shop.bill, lambda lines: {state for _, state in lines.values()} == {"provisional"}
    )

    closing = shop.deployment.control("close", "--vendor", VENDOR, "--through", "2023-11-30")
    pid = shop.deployment.supervisor.pid("metering-publisher")
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    await closing
    (made,) = await eventually(shop.statements, bool)

    invoiced = await eventually(
        lambda: shop.call("GET", "invoicing", "/v1/invoices?tenant=acme"),
        lambda listed: bool(listed["invoices"]),
    )

    assert {name: (amount, "provisional") for name, amount in AMOUNTS.items()} == bill
    assert AMOUNTS == {line["charge"]: line["amount_exact"] for line in made["lines"]}
    assert {"final"} == {line["meters"][0]["state"] for line in made["lines"]}
    assert [6_400] == [invoice["total_minor"] for invoice in invoiced["invoices"]]
