"""Progressive and top-up invoices on a whole deployment, from usage and orders to Stripe."""

import os
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from deploy.local.deployment import Deployment, discard_deployment, running_deployment
from deploy.local.stripe_simulator.operations import API_VERSION
from tests.support.pricing_service import eventually

ROOT = Path(__file__).parents[2]
VENDOR = "shop"
WALLET = "/v1/tenants/acme/wallets/USD"
BOOK: dict[str, Any] = {
    "currency": "USD",
    "charges": [
        {
            "key": "input",
            "name": "Input",
            "model": "per_unit",
            "unit_amount": "3.00",
            "per": "1000",
            "usage": {"kinds": ["input_uncached"]},
        },
        {"key": "fee", "name": "Fee", "model": "flat", "amount": "7.00"},
    ],
    "plans": [
        {
            "key": "all",
            "name": "All",
            "charges": ["input", "fee"],
            "progressive_thresholds": ["20"],
        }
    ],
}


@dataclass
class Shop:
    """A vendor's calls to a deployment, and its customer's to Stripe."""

    deployment: Deployment
    client: httpx.AsyncClient

    async def call(self, method: str, service: str, path: str, body: Any = None) -> Any:
        url = self.deployment.url(service) + path
        headers = {"Idempotency-Key": uuid4().hex} if method == "POST" else {}
        answer = await self.client.request(method, url, json=body, headers=headers)
        assert answer.is_success, answer.text
        return answer.json()

    async def open(self) -> None:
        """Connect Stripe, sell the plan to acme from November 2023 on."""
        deployment, book = self.deployment, "/v1/price-books/shop"
        secret = deployment.secrets["webhook_secret"]
        account = {"api_key": deployment.stripe_key, "webhook_secret": secret}
        await self.call("PUT", "invoicing", "/v1/stripe-account", account)
        tenant = {"name": "Acme", "billing_email": "accounts@acme.example"}
        await self.call("PUT", "pricing", "/v1/tenants/acme", tenant)
        await self.call("PUT", "pricing", book, {"name": "Shop"})
        await self.call("PUT", "pricing", f"{book}/versions/1", BOOK)
        published = {"effective_on": "2023-11-01"}
        await self.call("POST", "pricing", f"{book}/versions/1/publish", published)
        terms = {"tenant_id": "acme", "price_book": "shop", "plan": "all"}
        path = "/v1/subscriptions/acme"
        await self.call("PUT", "pricing", path, terms | {"starts_on": "2023-11-01"})

    async def use(self, event_id: str, tokens: int) -> None:
        event = {
            "event_id": event_id,
            "tenant": "acme",
            "agent": "clerk",
            "model": "gpt-5",
            "provider": "openai",
            "occurred_at": "2023-11-10T00:00:00Z",
            "tokens": {"input_uncached": tokens},
        }
        answer = await self.call("POST", "metering", "/v1/events", {"events": [event]})
        assert ["accepted"] == [result["status"] for result in answer["results"]], answer

    async def sent(self, number: int) -> list[Any]:
        """Return so many invoices that are sent or paid, in the order of their making."""

        async def read() -> list[Any]:
            listed = await self.call("GET", "invoicing", "/v1/invoices?tenant=acme")
            out = [one for one in listed["invoices"] if one["state"] in {"sent", "paid"}]
            return sorted(out, key=lambda one: str(one["created_at"]))

        return await eventually(read, lambda found: len(found) >= number)

    async def pay(self, stripe_invoice_id: str) -> None:
        """Pay an invoice at Stripe, as its customer."""
        url = f"{self.deployment.url('stripe')}/v1/invoices/{stripe_invoice_id}/pay"
        key = {"Authorization": f"Bearer {self.deployment.stripe_key}"}
        headers = key | {"Stripe-Version": API_VERSION}
        answer = await self.client.post(url, data={"paid_out_of_band": "true"}, headers=headers)
        assert answer.is_success, answer.text

    def kill_pricing(self) -> None:
        pid = self.deployment.supervisor.pid("pricing")
        assert pid is not None
        os.kill(pid, signal.SIGKILL)

    async def reconcile(self, month: str) -> str:
        told = await self.deployment.control("reconcile", "--vendor", VENDOR, "--month", month)
        return told.splitlines()[-1]


@pytest.fixture(name="shop")
async def _shop(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Shop]:
    monkeypatch.setenv("TALLYROLL_PRICING_PROGRESSIVE_INTERVAL_SECONDS", "0.5")
    root = ROOT / "var" / "e2e-spend"
    discard_deployment(root)
    async with running_deployment(root, vendor=VENDOR) as deployment:
        key = await deployment.control("bootstrap", "--vendor", VENDOR, "--name", "Shop")
        headers = {"Authorization": f"Bearer {key}"}
        async with httpx.AsyncClient(headers=headers, timeout=30) as client:
            yield Shop(deployment, client)


async def test_spend_and_credit_are_invoiced(shop: Shop) -> None:
    """Usage of 30 at a threshold of 20, then 15 more and a fee of 7: invoices of 30 and of 22.

    Pricing is killed while the payment of ordered credit is on its way: it is granted once.
    """
    await shop.open()
    await shop.use("1", 10_000)
    (progressive,) = await shop.sent(1)
    await shop.use("2", 5_000)
    ordered = await shop.call("POST", "pricing", f"{WALLET}/top-up-orders", {"amount": "100"})
    top_up = (await shop.sent(2))[1]
    await shop.pay(top_up["stripe_invoice_id"])
    shop.kill_pricing()
    await shop.deployment.control("close", "--vendor", VENDOR, "--through", "2023-11-30")
    period = (await shop.sent(3))[2]

    async def wallet() -> Any:
        url = shop.deployment.url("pricing") + WALLET
        try:
            return (await shop.client.get(url)).json()
        except httpx.TransportError:
            return {"grants": []}

    held = await eventually(wallet, lambda found: bool(found["grants"]))

    keys = [
        one["invoice_key"].removeprefix(f"{VENDOR}/test/acme/") for one in (progressive, period)
    ]
    assert ["acme/progressive/1/2023-11-01/1", "acme/period/1/2023-11-01/1"] == keys
    assert "-/topup/1/" in top_up["invoice_key"]
    assert [3_000, 10_000, 2_200] == [
        one["stripe_total_minor"] for one in (progressive, top_up, period)
    ]
    assert ("100", ["100"], [ordered["order_id"]]) == (
        held["balance_exact"],
        [grant["balance_exact"] for grant in held["grants"]],
        [grant["grant_id"].removeprefix("top-up-") for grant in held["grants"]],
    )
    for month in ("2023-11", f"{datetime.now(UTC):%Y-%m}"):
        assert (await shop.reconcile(month)).endswith("… 0 differences")
