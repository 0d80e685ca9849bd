"""Sends what is due: each endpoint by a task of its own, so that none waits for another.

An endpoint gets up to four deliveries at once from one process, in the order of the events; one in
every look for due ones while it fails, so that a long queue does not hammer it. At least once: who
dies between sending and storing the answer sends again when the lease is over, with the same
`webhook-id`.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Protocol

import structlog
from cryptography.fernet import InvalidToken

from services.invoicing.domain.webhook_address import RefusedUrl, Target, read_target
from services.invoicing.repository import webhook_claims, webhook_endpoints
from services.invoicing.webhooks_out.endpoints import Endpoints
from services.invoicing.webhooks_out.models import Answer, Attempted, Claimed, Endpoint
from services.invoicing.webhooks_out.secrets import EndpointKey, sign
from services.invoicing.webhooks_out.settling import settle_delivery
from shared.clock import Clock
from shared.database import Database
from shared.ids import new_id

logger = structlog.get_logger()

ENDPOINT_CONCURRENCY = 4
ENDPOINTS_AT_ONCE = 100
"""A bound of sockets. A task that sends holds its place for one batch, then queues again."""

STORING_SECONDS_MAX = 15.0
"""A lease is as long as an attempt may take, and this for storing its answer."""

USER_AGENT = "Tallyroll-Webhooks/1"


class Sender(Protocol):
    """Sends one payload; never raises."""

    async def post(self, target: Target, headers: dict[str, str], payload: str) -> Answer: ...


@dataclass
class WebhookDeliveries:
    """The loop from deliveries to endpoints."""

    database: Database
    endpoints: Endpoints
    sender: Sender
    clock: Clock
    attempts_max: int
    attempt_seconds_max: float = 10.0
    interval_seconds: float = 0.5
    _tasks: dict[EndpointKey, asyncio.Task[None]] = field(default_factory=dict)
    _places: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(ENDPOINTS_AT_ONCE))

    @property
    def _lease(self) -> timedelta:
        return timedelta(seconds=self.attempt_seconds_max + STORING_SECONDS_MAX)

    async def run(self) -> None:
        """Send until cancelled; what is under way then is sent again after its lease."""
        try:
            while True:
                try:
                    await self.start_due()
                except Exception:
                    logger.exception("webhook_claims_failed")
                await asyncio.sleep(self.interval_seconds)
        finally:
            tasks = list(self._tasks.values())
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def start_due(self) -> list[asyncio.Task[None]]:
        """Start a task for every endpoint that is owed something and has none; return all tasks."""
        async with self.database.transaction() as connection:
            due = await webhook_endpoints.list_due(connection, self.clock.now())
        for key in {endpoint.key for endpoint in due} - self._tasks.keys():
            task = asyncio.create_task(self._serve(key))
            self._tasks[key] = task
            task.add_done_callback(partial(self._forget, key))
        return list(self._tasks.values())

    def _forget(self, key: EndpointKey, _task: asyncio.Task[None]) -> None:
        del self._tasks[key]

    async def send_due(self) -> None:
        """Send everything that is due now, and wait for it."""
        await asyncio.gather(*await self.start_due())

    async def _serve(self, key: EndpointKey) -> None:
        """Send an endpoint's due deliveries, a batch at a time, until nothing is due."""
        try:
            while True:
                async with self._places:
                    if not await self._send_batch(key):
                        break
        except Exception:
            # Of this endpoint alone; its leases run out.
            logger.exception("webhook_endpoint_failed", endpoint_id=key.endpoint_id)

    async def _send_batch(self, key: EndpointKey) -> bool:
        """Send some; return whether to go on at once."""
        endpoint, claimed = await self._claim(key)
        if endpoint is not None:
            sent = (self._deliver(endpoint, one) for one in claimed)
            for outcome in await asyncio.gather(*sent, return_exceptions=True):
                if isinstance(outcome, BaseException):
                    raise outcome
        return bool(claimed) and endpoint is not None and endpoint.failing_since is None

    async def _claim(self, key: EndpointKey) -> tuple[Endpoint | None, Sequence[Claimed]]:
        now = self.clock.now()
        async with self.database.transaction() as connection:
            endpoint = await webhook_endpoints.find(connection, key)
            if endpoint is None or endpoint.state != "enabled":
                return None, []
            if endpoint.paused_until is not None and endpoint.paused_until > now:
                return None, []
            claimed = await webhook_claims.claim_due(
                connection,
                key,
                now=now,
                until=now + self._lease,
                lease=new_id(),
                limit=1 if endpoint.failing_since else ENDPOINT_CONCURRENCY,
            )
        return endpoint, claimed

    async def _deliver(self, endpoint: Endpoint, claimed: Claimed) -> None:
        answer = await self._send(endpoint, claimed)
        logger.info(
            "webhook_attempted",
            endpoint_id=endpoint.endpoint_id,
            event_id=claimed.event_id,
            attempt=claimed.attempt,
            status=answer.status,
            failure=answer.failure,
            latency_ms=answer.latency_ms,
        )
        async with self.database.transaction() as connection:
            await settle_delivery(
                connection,
                Attempted(claimed, endpoint.url, answer),
                now=self.clock.now(),
                attempts_max=self.attempts_max,
            )

    async def _send(self, endpoint: Endpoint, claimed: Claimed) -> Answer:
        loopback = self.endpoints.policy.loopback(endpoint.mode)
        try:
            # Once more: the setting may have changed since the endpoint was written.
            target = read_target(endpoint.url, allow_loopback=loopback)
        except RefusedUrl:
            return Answer(None, "address_refused", 0)
        try:
            secrets = self.endpoints.secrets(endpoint)
        except InvalidToken:  # the deployment's secret key is another
            return Answer(None, "secrets_unreadable", 0)
        now = self.clock.now()
        headers = {
            "Content-Type": "application/json",
            "User-Agent": USER_AGENT,
            "webhook-id": claimed.event_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": sign(secrets, claimed.event_id, claimed.payload, now),
        }
        return await self.sender.post(target, headers, claimed.payload)
