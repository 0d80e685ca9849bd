"""Keeps requests to one Stripe account below its limits: a token bucket per endpoint, one for all.

Stripe documents 25 requests a second per endpoint, and in all 100 in live and 25 in test mode. A
request waits here for its token rather than being refused there. All invoices of an account share
the buckets of a process; several processes divide the limits among them by settings.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

BURST_SECONDS = 0.4
"""A bucket holds what comes in so many seconds. Stripe's seem to hold a second's worth; the
difference is what requests may bunch up on their way."""


@dataclass
class Bucket:
    """Tokens at a rate (per second), handed out in the order in which they are asked for."""

    rate: float
    empty_until: float = 0.0
    """When the bucket would be full again, in the seconds of the throttle's time."""

    def wait(self, now: float) -> float:
        """Take a token, perhaps one of the future; return the seconds until it is there."""
        interval = 1 / self.rate
        full = max(self.empty_until, now)
        self.empty_until = full + interval
        return max(0.0, full - now - max(BURST_SECONDS - interval, 0.0))


@dataclass
class Throttle:
    """The buckets of one account; a rate of 0 is no limit."""

    per_endpoint: float
    overall: float
    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    _endpoints: dict[str, Bucket] = field(default_factory=dict)
    _leaving: dict[str, Bucket] = field(default_factory=dict)
    _all: Bucket | None = None

    async def admit(self, method: str, path: str) -> None:
        """Wait for a token of the endpoint, then for one of the account's.

        In this order: what waits for its endpoint keeps no other endpoint's request back. An
        endpoint's requests come out of the second queue closer together than they went into it
        when that gets shorter, so they are spaced again as they leave.
        """
        endpoint = endpoint_of(method, path)
        if self.per_endpoint:
            await self._wait(self._endpoints.setdefault(endpoint, Bucket(self.per_endpoint)))
        if self.overall:
            self._all = self._all or Bucket(self.overall)
            await self._wait(self._all)
        if self.per_endpoint and self.overall:
            await self._wait(self._leaving.setdefault(endpoint, Bucket(self.per_endpoint)))

    async def _wait(self, bucket: Bucket) -> None:
        seconds = bucket.wait(self.now())
        if seconds > 0:
            await self.sleep(seconds)


def endpoint_of(method: str, path: str) -> str:
    """Return the method and the path without ids, which are what has a digit or a capital."""
    version, *parts = path.strip("/").split("/")
    plain = [part if part.islower() and not _has_digit(part) else "*" for part in parts]
    return f"{method.upper()} /{'/'.join([version, *plain])}"


def _has_digit(part: str) -> bool:
    return any(character.isdigit() for character in part)
