"""Webhooks out: signed, at least once, in the background, from a queue in the state.

An event and its delivery are stored with the change that made them. A receiver that is away for
less than about half a minute misses nothing; after the last attempt a delivery is `failed` and
stays visible in the control API. Deliveries left over by an earlier process go out at the start.
"""

import asyncio
import hashlib
import hmac
from dataclasses import dataclass

import httpx
import structlog

from deploy.local.stripe_simulator.clock import MovableClock
from deploy.local.stripe_simulator.state import State

ATTEMPTS_MAX = 14
BACK_OFF_SECONDS = 0.1
BACK_OFF_SECONDS_MAX = 5.0
TIMEOUT_SECONDS = 5.0
BATCH = 16
log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class WebhookEndpoint:
    url: str
    secret: str


def signature(secret: str, payload: bytes, timestamp: int) -> str:
    """Return the `Stripe-Signature` header of a payload."""
    signed = f"{timestamp}.".encode() + payload
    digest = hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
    return f"t={timestamp},v1={digest}"


@dataclass
class _Delivery:
    sequence: int
    payload: bytes
    attempts: int


class WebhookSender:
    """One background task that empties the queue in order, `BATCH` events at a time."""

    def __init__(self, state: State, clock: MovableClock, endpoint: WebhookEndpoint | None) -> None:
        self.state = state
        self.clock = clock
        self.endpoint = endpoint
        self._new = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def wake(self) -> None:
        self._new.set()

    async def start(self) -> None:
        if self.endpoint is not None:
            self._task = asyncio.create_task(self._run(self.endpoint))

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def _run(self, endpoint: WebhookEndpoint) -> None:
        async with httpx.AsyncClient(timeout=TIMEOUT_SECONDS, trust_env=False) as client:
            while True:
                self._new.clear()
                batch = self._pending()
                if not batch:
                    await self._new.wait()
                    continue
                results = await asyncio.gather(
                    *(self._deliver(client, endpoint, one) for one in batch)
                )
                if not all(results):
                    await asyncio.sleep(_back_off(min(one.attempts for one in batch)))

    def _pending(self) -> list[_Delivery]:
        rows = self.state.connection.execute(
            "SELECT sequence, payload, attempts FROM deliveries WHERE state = 'pending' "
            "ORDER BY attempts, sequence LIMIT ?",
            (BATCH,),
        ).fetchall()
        return [_Delivery(row[0], row[1].encode(), row[2]) for row in rows]

    async def _deliver(
        self, client: httpx.AsyncClient, endpoint: WebhookEndpoint, one: _Delivery
    ) -> bool:
        now = int(self.clock.base.now().timestamp())
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "Stripe-Signature": signature(endpoint.secret, one.payload, now),
        }
        try:
            response = await client.post(endpoint.url, content=one.payload, headers=headers)
            delivered = response.is_success
        except httpx.HTTPError:
            delivered = False
        one.attempts += 1
        state = "pending" if one.attempts < ATTEMPTS_MAX else "failed"
        if state == "failed" and not delivered:
            log.warning("webhook_given_up", delivery=one.sequence, attempts=one.attempts)
        self.state.connection.execute(
            "UPDATE deliveries SET attempts = ?, state = ? WHERE sequence = ?",
            (one.attempts, "delivered" if delivered else state, one.sequence),
        )
        return delivered


def _back_off(attempts: int) -> float:
    return min(BACK_OFF_SECONDS * 2.0 ** (attempts - 1), BACK_OFF_SECONDS_MAX)
