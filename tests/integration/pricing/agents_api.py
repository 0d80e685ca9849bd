"""What the tests of agents and their runs share: a price, and runs that are told."""

from collections.abc import Sequence
from typing import Any

import httpx

from services.pricing.handlers.runs import store_runs
from shared.database import Database
from shared.events.runs_aggregated import RunPart
from tests.support.pricing_runs import runs_message

from .billing_api import Headers
from .growth_api import ask

MILLION = 1_000_000


async def price_input(client: httpx.AsyncClient, headers: Headers) -> None:
    """A million tokens of input cost 2 dollars at anthropic."""
    price = {"provider": "anthropic", "model": "claude-sonnet-4-6", "kind": "input_uncached"}
    amount = {"per": "1000000", "unit_amount": "2.00", "effective_from": "2023-01-01"}
    body = {"prices": [{**price, **amount, "source": "contract"}]}
    named = {**headers, "Idempotency-Key": "price"}
    assert (await client.post("/v1/provider-prices", json=body, headers=named)).is_success


async def tell(
    store: Database,
    vendor: str,
    parts: Sequence[RunPart],
    *,
    tenant: str = "globex",
    version: int = 1,
) -> None:
    """Put parts of runs into the copy, 500 a message."""
    for start in range(0, len(parts), 500):
        message = runs_message(vendor, parts[start : start + 500], tenant=tenant, version=version)
        async with store.transaction() as connection:
            await store_runs(connection, message)


async def roster(
    client: httpx.AsyncClient, headers: Headers, **asked: str
) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Return the roster of December, and its agents by name."""
    found = await ask(client, headers, "agents", **asked)
    return found, {one["agent"]: one for one in found["agents"]}
