"""The traces through the SDK, and what a bad day adds: batches sent twice, malformed events."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from examples.demo.malformed import GOOD_NEIGHBOURS, malformed_bodies
from examples.demo.public_api import PublicAPI
from examples.demo.traces import Request
from tallyroll import HTTPTransport, Meter, Response

RESEND_EVERY = 50
BATCH_EVENTS = 200
QUEUE_EVENTS = 2_000
FLUSH_SECONDS_MAX = 120.0
CHUNK_REQUESTS = 200
"""Requests recorded in one go, outside of the event loop: a full queue makes `record` wait."""


@dataclass
class WireCount:
    """Events as they went over the wire and came back: re-sends and malformed ones included."""

    sent: int = 0
    acknowledged: int = 0
    rejected: int = 0

    def add(self, sent: int, results: list[dict[str, Any]]) -> None:
        self.sent += sent
        self.acknowledged += sum(result["status"] == "accepted" for result in results)
        self.rejected += sum(result["status"] == "rejected" for result in results)


@dataclass
class ResendingTransport:
    """Delivers every 50th batch twice, byte for byte, as a client does that missed an answer."""

    inner: HTTPTransport
    count: WireCount
    batches: int = 0
    sample: list[dict[str, Any]] = field(default_factory=list)

    def send(self, body: bytes) -> Response:
        """Deliver a batch; raise what the inner transport raises."""
        self.batches += 1
        response = self._deliver(body)
        if self.batches % RESEND_EVERY == 0:
            response = self._deliver(body)
        return response

    def _deliver(self, body: bytes) -> Response:
        response = self.inner.send(body)
        if response.status == 202:  # noqa: PLR2004 - the one status that acknowledges
            events = json.loads(body)["events"]
            self.sample = self.sample or events[:GOOD_NEIGHBOURS]
            self.count.add(len(events), json.loads(response.body)["results"])
        return response


async def send_requests(
    endpoint: str, api_key: str, requests: list[Request], on_progress: Callable[[int], None]
) -> ResendingTransport:
    """Record every request with the SDK and wait until each has its final answer.

    `on_progress` is called with how many have been recorded so far.
    """
    transport = ResendingTransport(HTTPTransport(endpoint, api_key), WireCount())
    # The small queue with "block" paces this loop to the server, as `record()` would else run far
    # ahead of the wire and the progress bar would show nothing.
    meter = Meter(
        transport=transport,
        batch_events=BATCH_EVENTS,
        queue_events=QUEUE_EVENTS,
        when_full="block",
        strict=True,
    )
    try:
        for start in range(0, len(requests), CHUNK_REQUESTS):
            chunk = requests[start : start + CHUNK_REQUESTS]
            await asyncio.to_thread(_record, meter, chunk)
            on_progress(start + len(chunk))
        if not await meter.aflush(FLUSH_SECONDS_MAX):
            raise TimeoutError(f"unanswered after {FLUSH_SECONDS_MAX} s: {meter.stats()}")
    finally:
        await asyncio.to_thread(meter.close)
        transport.inner.close()
    return transport


def _record(meter: Meter, requests: list[Request]) -> None:
    for request in requests:
        meter.record(
            tenant=request.tenant,
            agent=request.agent,
            model=request.model,
            provider=request.provider,
            user=request.user,
            occurred_at=request.occurred_at,
            tokens=request.tokens,
        )


async def send_malformed(public: PublicAPI, transport: ResendingTransport) -> None:
    """Send the 25 malformed events as raw JSON, half of them beside good events sent before."""
    for body, events in malformed_bodies(transport.sample):
        answer = await public.post_raw(public.addresses.metering, "/v1/events", body)
        transport.count.add(events, answer["results"])
