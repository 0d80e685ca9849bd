"""One response, seen by the wrapped client, LiteLLM and OpenTelemetry: billed once."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import litellm
import openai
import pytest
from opentelemetry.sdk.trace import TracerProvider

import tallyroll
from deploy.local.deployment import Deployment, discard_deployment, running_deployment
from sdk.python.tests.bridges.litellm_calls import IGNORED, Logger, use
from sdk.python.tests.wrapping.wire import WireServer, whole
from tallyroll import HTTPTransport, Meter, Response, Transport
from tallyroll.bridges.opentelemetry import TallyrollSpanProcessor
from tests.support.pricing_service import eventually

pytestmark = IGNORED
ROOT = Path(__file__).parents[2]
VENDOR = "shop"
TODAY = datetime.now(UTC).date()
TENANTS = ("acme", "globex")
USED = {"input_uncached": 1_000_000, "input_cache_read": 500_000, "output_text": 250_000}
AMOUNT = "4.5"
"""1,000,000 at 1.00, 500,000 at 0.50 and 250,000 at 13.00 a million."""
PRICES = {"input_uncached": "1.00", "input_cache_read": "0.50", "output_text": "13.00"}
ANSWER: dict[str, Any] = {
    "id": "chatcmpl-seen",
    "object": "chat.completion",
    "created": 1,
    "model": "gpt-5",
    "choices": [
        {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "ok"}}
    ],
    "usage": {
        "prompt_tokens": 1_500_000,
        "completion_tokens": 250_000,
        "total_tokens": 1_750_000,
        "prompt_tokens_details": {"cached_tokens": 500_000},
    },
}


class Nameless:
    """The deliberately broken way: events forget which response they are about."""

    def __init__(self, inner: Transport) -> None:
        self._inner = inner

    def send(self, body: bytes) -> Response:
        events = json.loads(body)["events"]
        for event in events:
            del event["response_id"]
        return self._inner.send(json.dumps({"events": events}).encode())


@dataclass
class Shop:
    """A vendor's calls to a deployment."""

    deployment: Deployment
    key: str
    client: httpx.AsyncClient

    async def call(self, method: str, service: str, path: str, body: Any = None) -> Any:
        answer = await self.client.request(method, self.deployment.url(service) + path, json=body)
        answer.raise_for_status()
        return answer.json()

    async def open(self) -> None:
        """Sell tokens to both tenants, each type at a price of its own."""
        book = "/v1/price-books/shop"
        await self.call("PUT", "pricing", book, {"name": "Shop"})
        charges = [
            {
                "key": kind.replace("_", "-"),
                "name": kind,
                "model": "per_unit",
                "unit_amount": price,
                "per": "1000000",
                "usage": {"kinds": [kind]},
            }
            for kind, price in PRICES.items()
        ]
        plan = {"key": "all", "name": "All", "charges": [charge["key"] for charge in charges]}
        content = {"currency": "USD", "charges": charges, "plans": [plan]}
        await self.call("PUT", "pricing", f"{book}/versions/1", content)
        await self.call(
            "POST", "pricing", f"{book}/versions/1/publish", {"effective_on": "2026-01-01"}
        )
        for tenant in TENANTS:
            await self.call("PUT", "pricing", f"/v1/tenants/{tenant}", {"name": tenant.title()})
            terms = {"tenant_id": tenant, "price_book": "shop", "plan": "all"}
            terms["starts_on"] = str(TODAY.replace(day=1))
            await self.call("PUT", "pricing", f"/v1/subscriptions/{tenant}", terms)

    async def counted(self, tenant: str) -> dict[str, int]:
        """Return what was counted of each token type."""
        first, end = TODAY - timedelta(days=1), TODAY + timedelta(days=2)
        path = f"/v1/usage?tenant={tenant}&from={first}&to={end}&group_by=kind"
        rows = (await self.call("GET", "metering", path))["rows"]
        return {row["kind"]: int(row["quantity"]) for row in rows}

    async def billed(self, tenant: str) -> str:
        """Return what the running bill comes to."""
        bill = await self.call("GET", "pricing", f"/v1/tenants/{tenant}/bill")
        return str(bill["subscriptions"][0]["total_exact"])


@pytest.fixture(name="shop")
async def _shop() -> AsyncIterator[Shop]:
    root = ROOT / "var" / "e2e-seen"
    discard_deployment(root)
    async with running_deployment(root, vendor=VENDOR) as deployment:
        key = await deployment.control("bootstrap", "--vendor", VENDOR, "--name", "Shop")
        headers = {"Authorization": f"Bearer {key}"}
        async with httpx.AsyncClient(headers=headers) as client:
            yield Shop(deployment, key, client)


def _see(tenant: str, transport: Transport, provider_url: str) -> None:
    """Make one request that the wrapped client, LiteLLM and OpenTelemetry all see, and send it."""
    with Meter(transport=transport, strict=True) as meter, meter.context(tenant=tenant, agent="a"):
        with openai.OpenAI(base_url=provider_url, api_key="k") as plain:
            client = tallyroll.wrap(plain, meter, provider="openai")
            told = use(Logger(meter))
            logger = next(told)
            litellm.completion(model="openai/gpt-5", messages=[], client=client, api_key="k")
            assert logger.told.acquire(timeout=30)
            next(told, None)
        _trace(meter)
        assert meter.flush(30)
        assert 3 == meter.stats().accepted


def _trace(meter: Meter) -> None:
    """Write the span of the same response, as an instrumentation of OpenAI's client does."""
    traces = TracerProvider(shutdown_on_exit=False)
    traces.add_span_processor(TallyrollSpanProcessor(meter))
    scope = ("opentelemetry.instrumentation.genai.openai", "1.2b0")
    with traces.get_tracer(*scope).start_as_current_span("chat gpt-5") as span:
        span.set_attributes(
            {
                "gen_ai.operation.name": "chat",
                "gen_ai.provider.name": "openai",
                "gen_ai.request.model": "gpt-5",
                "gen_ai.response.model": "gpt-5",
                "gen_ai.response.id": ANSWER["id"],
                "gen_ai.usage.input_tokens": 1_500_000,
                "gen_ai.usage.cache_read.input_tokens": 500_000,
                "gen_ai.usage.output_tokens": 250_000,
            }
        )


async def test_it_is_billed_once(shop: Shop) -> None:
    """Three events, one response, one price; without the response's id it would be three."""
    await shop.open()
    send = HTTPTransport(shop.deployment.url("metering"), shop.key)
    with WireServer() as provider:
        provider.tell("/chat/completions", whole(ANSWER))
        ways: dict[str, Callable[[], Transport]] = {
            "acme": lambda: send,
            "globex": lambda: Nameless(send),
        }
        for tenant, way in ways.items():
            await asyncio.to_thread(_see, tenant, way(), provider.url)

    once = await eventually(lambda: shop.counted("acme"), lambda counted: counted == USED)
    thrice = {kind: 3 * count for kind, count in USED.items()}
    await eventually(lambda: shop.counted("globex"), lambda counted: counted == thrice)
    billed = await eventually(lambda: shop.billed("acme"), lambda total: total != "0")

    assert USED == once
    assert AMOUNT == billed
    assert "13.5" == await eventually(lambda: shop.billed("globex"), lambda total: total == "13.5")
