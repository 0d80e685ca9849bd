"""A vendor with an envelope of 1,000 dollars, and a model whose every token costs one."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx

from services.pricing.envelope_watching import EnvelopeWatcher
from services.pricing.handlers.usage import store_usage
from shared.clock import FrozenClock
from shared.database import Database
from shared.events.usage_aggregated import UsageAggregated, UserUsageRow
from tests.support.pricing_service import NOW
from tests.support.pricing_usage import usage_row

from .billing_api import Headers

TODAY = NOW.date()
PLATFORM: dict[str, Any] = {
    "scope": {"tenant": "globex", "team": "platform"},
    "amount": "1000",
    "explore_share": "0.2",
    "overdraft": "0.25",
    "suggestions": {"dear": "cheap"},
    "loop": {"spend_max": "100000"},
}
"""800 dollars to run: advise from 720, route from 800, slow 840, ask 880, block 1,000."""
WORK = {"tenant": "globex", "team": "platform", "agent": "coder", "user": "ann", "run": "r-1"}


@dataclass
class Budgets:
    """Calls of one vendor, and what metering would send it."""

    client: httpx.AsyncClient
    headers: Headers
    store: Database
    vendor: str
    version: int = 0

    async def call(self, method: str, path: str, body: Any = None, key: str = "") -> httpx.Response:
        headers = self.headers | ({"Idempotency-Key": key} if key else {})
        return await self.client.request(method, path, json=body, headers=headers)

    async def put(self, name: str = "platform", **changes: Any) -> Any:
        answer = await self.call("PUT", f"/v1/envelopes/{name}", PLATFORM | changes)
        assert answer.is_success, answer.text
        return answer.json()

    async def reserve(self, name: str, estimate: str, **more: Any) -> Any:
        work = WORK | more.pop("work", {})
        body = {"work": work, "estimate": estimate, "model": "dear"} | more
        answer = await self.call("PUT", f"/v1/reservations/{name}", body)
        assert answer.is_success, answer.text
        return answer.json()

    async def commit(self, name: str, amount: str) -> httpx.Response:
        return await self.call("POST", f"/v1/reservations/{name}/commit", {"amount": amount})

    async def price(self, amount: str = "1") -> None:
        """Let a token of the dear model cost so many dollars."""
        price = {
            "source": "contract",
            "provider": "lab",
            "model": "dear",
            "kind": "output_text",
            "unit_amount": amount,
            "per": "1",
            "effective_from": "2023-01-01",
        }
        answer = await self.call(
            "POST", "/v1/provider-prices", {"prices": [price]}, key=f"dear-{amount}"
        )
        assert answer.is_success, answer.text

    async def use(
        self,
        tokens: dict[str, int],
        *,
        day: date = TODAY,
        purpose: str = "production",
        kind: str = "output_text",
        watermark: datetime = NOW,
    ) -> None:
        """Let users of the team platform have used so many tokens of a day, in all."""
        self.version += 1
        whole = usage_row(
            day,
            kind,
            sum(tokens.values()),
            provider="lab",
            model="dear",
            agent="coder",
            purpose=purpose,
        )
        users = [
            UserUsageRow(
                team="platform",
                user=user,
                agent="coder",
                model="dear",
                purpose=purpose,
                kind=kind,
                usage_day=day,
                booked_day=day,
                entry="usage",
                quantity=Decimal(count),
                events=1,
            )
            for user, count in tokens.items()
        ]
        message = UsageAggregated(
            vendor_id=self.vendor,
            mode="test",
            tenant_id="globex",
            version=self.version,
            watermark=watermark,
            rows=[whole],
            user_rows=users,
        )
        async with self.store.transaction() as connection:
            await store_usage(connection, message)

    async def look(self, at: datetime = NOW) -> int:
        return await EnvelopeWatcher(self.store, FrozenClock(at), 1).look()

    async def state(self, ledger: str = "run") -> Any:
        answer = await self.call("GET", "/v1/envelopes/platform/state")
        assert answer.is_success, answer.text
        (found,) = [one for one in answer.json()["ledgers"] if one["ledger"] == ledger]
        return found

    async def used(self, ledger: str = "run") -> str:
        return str((await self.state(ledger))["used"])


def later(**elapsed: float) -> datetime:
    """Return a moment after now."""
    return NOW + timedelta(**elapsed)
