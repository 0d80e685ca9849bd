"""Webhooks out: signed, at least once, in the background, from a queue in the state.

An event and its deliveries are stored with the change that made them. After the last attempt a
delivery is `failed` and stays visible in the control API. Deliveries left over by an earlier
process go out at the start. What a test wants to go wrong with them is in `delivery_faults.py`.
"""

import asyncio
import hashlib
import hmac
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import structlog

from deploy.local.stripe_simulator.clock import MovableClock
from deploy.local.stripe_simulator.delivery_client import DeliveryClient
from deploy.local.stripe_simulator.delivery_faults import DeliveryFaults
from deploy.local.stripe_simulator.settings import Settings
from deploy.local.stripe_simulator.state import State

BATCH = 16
POLL_SECONDS = 0.5
# Real seconds: a receiver that is away for less than about half a minute misses nothing.
QUICK_SECONDS = tuple(min(0.1 * 2.0**attempt, 5.0) for attempt in range(13))
# Seconds of the simulator's clock: with back-off over three days, as Stripe does in live mode.
_HOURS = (1, 3, 6, 12, 24, 24)
STRIPE_SECONDS = (60.0, 600.0, *(hours * 3600.0 for hours in _HOURS))
log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class WebhookEndpoint:
    """A receiver: every active secret signs, so that a receiver may rotate them."""

    id: str
    url: str
    secrets: tuple[str, ...]


def signature(secrets: Iterable[str], payload: bytes, timestamp: int) -> str:
    """Return the `Stripe-Signature` header of a payload, one `v1` for each secret."""
    signed = f"{timestamp}.".encode() + payload
    digests = [hmac.new(one.encode(), signed, hashlib.sha256).hexdigest() for one in secrets]
    return ",".join([f"t={timestamp}", *(f"v1={digest}" for digest in digests)])


@dataclass
class _Delivery:
    sequence: int
    endpoint: str
    payload: bytes
    attempts: int


class WebhookSender:
    """One background task that empties the queue in order, `BATCH` events at a time."""

    def __init__(
        self,
        state: State,
        clock: MovableClock,
        fixed: tuple[WebhookEndpoint, ...],
        settings: Callable[[], Settings],
    ) -> None:
        self.state = state
        self.clock = clock
        self.fixed = fixed
        self.settings = settings
        self.faults = DeliveryFaults()
        self.client = DeliveryClient()
        self._new = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def wake(self) -> None:
        self._new.set()

    async def start(self) -> None:
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
        self.client.close()

    async def _run(self) -> None:
        while True:
            self._new.clear()
            batch = self.faults.shuffled(self._pending())
            if batch:
                known = self._endpoints()
                await asyncio.gather(
                    *(self._deliver(known.get(one.endpoint), one) for one in batch)
                )
            else:
                await self._rest()

    async def _rest(self) -> None:
        """Wait for new deliveries, or until one that failed is due again."""
        row = self.state.connection.execute(
            "SELECT min(due) FROM deliveries WHERE state = 'pending'"
        ).fetchone()
        seconds = None if row[0] is None else min(max(row[0] - self._now(), 0.01), POLL_SECONDS)
        try:
            async with asyncio.timeout(seconds):
                await self._new.wait()
        except TimeoutError:
            return

    def _now(self) -> float:
        """Return the time that `due` is in: real for quick retries, else the simulator's."""
        return time.time() if self.settings().retries == "quick" else self._clock_seconds()

    def _clock_seconds(self) -> float:
        return self.clock.now().timestamp()

    def _pending(self) -> list[_Delivery]:
        rows = self.state.connection.execute(
            "SELECT sequence, endpoint, payload, attempts FROM deliveries "
            "WHERE state = 'pending' AND due <= ? ORDER BY due, sequence LIMIT ?",
            (self._now(), max(BATCH, self.faults.plan.shuffle)),
        ).fetchall()
        return [_Delivery(*row) for row in rows]

    def _endpoints(self) -> dict[str, WebhookEndpoint]:
        made = [
            WebhookEndpoint(one["id"], one["url"], tuple(one["_secrets"]))
            for _, one in self.state.everything("webhook_endpoint")
        ]
        replaced = self.faults.plan.secrets
        return {
            one.id: WebhookEndpoint(one.id, one.url, tuple(replaced.get(one.id, one.secrets)))
            for one in [*self.fixed, *made]
        }

    async def _deliver(self, endpoint: WebhookEndpoint | None, one: _Delivery) -> None:
        delivered = False
        if endpoint is not None and not self.faults.drops(one.attempts):
            for _ in range(self.faults.copies()):
                # A copy of the same second has the same signature: a receiver may refuse it.
                delivered = await self._post(endpoint, one.payload) or delivered
        one.attempts += 1
        schedule = QUICK_SECONDS if self.settings().retries == "quick" else STRIPE_SECONDS
        given_up = endpoint is None or one.attempts > len(schedule)
        state = "delivered" if delivered else "failed" if given_up else "pending"
        if state == "failed":
            log.warning("webhook_given_up", delivery=one.sequence, attempts=one.attempts)
        due = self._now() + (schedule[one.attempts - 1] if state == "pending" else 0)
        self.state.connection.execute(
            "UPDATE deliveries SET attempts = ?, state = ?, due = ? WHERE sequence = ?",
            (one.attempts, state, due, one.sequence),
        )

    async def _post(self, endpoint: WebhookEndpoint, payload: bytes) -> bool:
        await self.faults.delay()
        # Receivers share the base clock, not the one that a test moves.
        now = int(self.clock.base.now().timestamp()) + self.faults.plan.timestamp_offset_s
        headers = {"Content-Type": "application/json; charset=utf-8"}
        secrets = self.faults.signing(endpoint.secrets)
        if secrets:
            headers["Stripe-Signature"] = signature(secrets, payload, now)
        return await self.client.post(endpoint.url, payload, headers)
