"""A real uvicorn on a free port, spoken to by the real SDK."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
import stripe
import uvicorn
from starlette.types import ASGIApp

from deploy.local.stripe_simulator import create_simulator
from shared.clock import FrozenClock

API_VERSION = "2026-10-28.endive"
START = datetime(2026, 3, 1, 12, tzinfo=UTC)


class _QuietServer(uvicorn.Server):
    """Leaves the signal handlers of the test process alone."""

    def capture_signals(self) -> Any:
        return nullcontext()


@dataclass
class Running:
    """A running simulator: `api` is the SDK's v1, `http` speaks to it without the SDK."""

    url: str
    clock: FrozenClock
    stripe: stripe.StripeClient
    http: httpx.AsyncClient

    @property
    def api(self) -> Any:
        return self.stripe.v1

    async def draft(self, **extra: Any) -> Any:
        """Create a customer and a draft for it, as invoicing does."""
        if "customer" not in extra:
            customer = await self.api.customers.create_async({"name": "Acme"})
            extra["customer"] = customer.id
        if extra.get("collection_method") == "charge_automatically":
            extra.setdefault("days_until_due", None)
        return await self.api.invoices.create_async(
            {
                "currency": "usd",
                "collection_method": "send_invoice",
                "days_until_due": 30,
                "auto_advance": False,
                "pending_invoice_items_behavior": "exclude",
            }
            | extra
        )

    async def open_invoice(self, amount: int = 1000, **extra: Any) -> Any:
        invoice = await self.draft(**extra)
        await self.api.invoices.add_lines_async(invoice.id, {"lines": [{"amount": amount}]})
        return await self.api.invoices.finalize_invoice_async(invoice.id)

    async def settings(self, **change: Any) -> None:
        (await self.http.post("/_sim/settings", json=change)).raise_for_status()

    async def advance(self, seconds: int) -> None:
        answer = await self.http.post("/_sim/clock", json={"advance_s": seconds})
        answer.raise_for_status()

    async def events(self, *types: str) -> list[str]:
        """Return the types of all events, or those among the given, oldest first."""
        page = await self.api.events.list_async({"limit": 100})
        found = [event.type async for event in page.auto_paging_iter()]
        return [name for name in reversed(found) if not types or name in types]

    async def fault(self, fault: str, path: str, **rule: Any) -> None:
        rule = {"times": 1, **rule, "fault": fault, "match": {"method": "POST", "path": path}}
        answer = await self.http.post("/_sim/faults", json={"seed": 7, "rules": [rule]})
        answer.raise_for_status()

    async def requests(self) -> list[dict[str, Any]]:
        answer = await self.http.get("/_sim/requests")
        requests: list[dict[str, Any]] = answer.json()["requests"]
        return requests


@asynccontextmanager
async def _served(app: ASGIApp) -> AsyncIterator[str]:
    # Named TCP, else asyncio leaves Nagle's delay of 40 ms on each answer.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    server = _QuietServer(uvicorn.Config(app, log_level="error", ws="none"))
    task = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started:  # uvicorn has no event for it
        assert not task.done()
        await asyncio.sleep(0.005)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await task
        listener.close()


@asynccontextmanager
async def _running(**options: Any) -> AsyncIterator[Running]:
    clock = options.pop("clock", None) or FrozenClock(START)
    async with _served(create_simulator(clock=clock, control=True, **options)) as url:
        sdk_http = stripe.HTTPXClient()
        client = stripe.StripeClient(
            "sk_test_x", base_addresses={"api": url}, max_network_retries=2, http_client=sdk_http
        )
        headers = {"Authorization": "Bearer sk_test_x", "Stripe-Version": API_VERSION}
        async with httpx.AsyncClient(base_url=url, headers=headers, trust_env=False) as http:
            yield Running(url, clock, client, http)
        await sdk_http.close_async()  # type: ignore[no-untyped-call]


@pytest.fixture(name="serve")
def _serve() -> Callable[[ASGIApp], Any]:
    return _served


@pytest.fixture(name="run")
def _run() -> Callable[..., Any]:
    """Start a simulator with options, as a context manager."""
    return _running


@pytest.fixture(name="shared_simulator", scope="session")
async def _shared_simulator() -> AsyncIterator[Running]:
    async with _running() as running:
        yield running


@pytest.fixture(name="simulator")
async def _simulator(shared_simulator: Running) -> Running:
    """One server for all tests, empty and back at the start of time for each."""
    shared_simulator.clock.instant = START
    (await shared_simulator.http.post("/_sim/reset")).raise_for_status()
    return shared_simulator


@pytest.fixture(name="until")
def _until() -> Callable[[Callable[[], Awaitable[bool]]], Awaitable[None]]:
    """Wait for a condition, five seconds at most."""

    async def until(condition: Callable[[], Awaitable[bool]]) -> None:
        async with asyncio.timeout(5):
            while not await condition():  # noqa: ASYNC110  # a remote condition
                await asyncio.sleep(0.01)

    return until
