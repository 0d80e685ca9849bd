"""What an answer makes of a delivery and of its endpoint, in one transaction."""

import secrets
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from services.invoicing.domain.webhook_retry import pause_ms, retry_after_ms
from services.invoicing.repository import webhook_claims, webhook_endpoints
from services.invoicing.webhooks_out.endpoints import disable_gone
from services.invoicing.webhooks_out.models import (
    EXHAUSTED,
    GONE,
    Answer,
    Attempted,
    Claimed,
    Endpoint,
)

_JITTER = 1_001
_NOT_GOOD = HTTPStatus.MULTIPLE_CHOICES
_PAUSING = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)
"""Answers that speak of the endpoint and not of the one delivery."""


async def settle_delivery(
    connection: AsyncConnection,
    attempted: Attempted,
    *,
    now: datetime,
    attempts_max: int,
) -> None:
    """Store an attempt's answer; the delivery is done, due again, or dead.

    A failure at a URL that is not the endpoint's any more says nothing of it: due again at once.
    """
    claimed, answer = attempted.claimed, attempted.answer
    endpoint = await webhook_endpoints.find(connection, claimed.key, lock=True)
    if endpoint is None:
        return  # deleted meanwhile, with its deliveries
    await webhook_claims.record_attempt(
        connection,
        claimed,
        {
            "status": answer.status,
            "failure": answer.failure,
            "latency_ms": answer.latency_ms,
            "answer": answer.text,
        },
    )
    if _is_good(answer):
        values = {"state": "delivered", "reason": None, "finished_at": now}
        await webhook_claims.settle(connection, claimed, values, pending=False)
        if endpoint.failing_since is not None:
            await webhook_endpoints.change(connection, claimed.key, {"failing_since": None})
        return
    if endpoint.url != attempted.url:
        await webhook_claims.settle(connection, claimed, {"next_attempt_at": now}, pending=True)
        return
    await _settle_failure(connection, endpoint, attempted, now=now, attempts_max=attempts_max)


async def _settle_failure(
    connection: AsyncConnection,
    endpoint: Endpoint,
    attempted: Attempted,
    *,
    now: datetime,
    attempts_max: int,
) -> None:
    claimed, answer = attempted.claimed, attempted.answer
    wait = retry_after_ms(answer.retry_after, now)
    values = _after_failure(claimed, answer, wait, now=now, attempts_max=attempts_max)
    await webhook_claims.settle(connection, claimed, values, pending=True)
    if answer.status == HTTPStatus.GONE:
        await disable_gone(connection, claimed.key, now)
        return
    failing: dict[str, Any] = {"failing_since": endpoint.failing_since or now}
    if wait and answer.status in _PAUSING:
        failing["paused_until"] = now + timedelta(milliseconds=wait)
    await webhook_endpoints.change(connection, claimed.key, failing)


def _is_good(answer: Answer) -> bool:
    return answer.status is not None and HTTPStatus.OK <= answer.status < _NOT_GOOD


def _after_failure(
    claimed: Claimed, answer: Answer, wait: int | None, *, now: datetime, attempts_max: int
) -> dict[str, Any]:
    if answer.status == HTTPStatus.GONE:
        return {"state": "dead", "reason": GONE, "finished_at": now}
    if claimed.round_attempt >= attempts_max:
        return {"state": "dead", "reason": EXHAUSTED, "finished_at": now}
    pause = pause_ms(claimed.round_attempt, jitter=secrets.randbelow(_JITTER))
    return {"next_attempt_at": now + timedelta(milliseconds=max(pause, wait or 0))}
