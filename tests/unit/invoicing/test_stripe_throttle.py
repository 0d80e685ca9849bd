"""No schedule of the throttle is refused by buckets that hold one second's worth."""

import asyncio
from dataclasses import dataclass

import pytest

from deploy.local.stripe_simulator.limiter import RateLimiter
from deploy.local.stripe_simulator.settings import Settings
from services.invoicing.stripe_throttle import Throttle, endpoint_of

LIMITS = Settings(rate_limits=True)


@dataclass
class Schedule:
    """Stands for time: sleeping books a departure instead of waiting."""

    at: float = 0.0
    slept: float = 0.0

    def now(self) -> float:
        return self.at + self.slept

    async def sleep(self, seconds: float) -> None:
        self.slept += seconds


async def refused(per_endpoint: float, overall: float, paths: list[str]) -> int:
    """Return how many requests, all of which are ready at once, the simulator's limiter refuses."""
    schedule = Schedule()
    throttle = Throttle(per_endpoint, overall, now=schedule.now, sleep=schedule.sleep)
    departures = []
    for path in paths:
        schedule.slept = 0.0
        await throttle.admit("POST", path)
        departures.append((schedule.now(), endpoint_of("POST", path)))
    limiter = RateLimiter()
    return sum(
        not limiter.admits("acct", endpoint, settings=LIMITS, now=at)
        for at, endpoint in sorted(departures)
    )


@pytest.mark.parametrize("endpoints", [1, 4, 8])
async def test_no_request_is_refused(endpoints: int) -> None:
    """Whether one endpoint or the account is the limit; without buckets most are refused."""
    paths = [f"/v1/invoices/in_1A/step{'abcdefgh'[n % endpoints]}" for n in range(500)]

    assert 0 == await refused(25, 100, paths)
    assert await refused(0, 0, paths) > 0


async def test_the_rate_is_used_up() -> None:
    """A hundred requests to one endpoint take four seconds less the bucket's burst."""
    schedule = Schedule()
    throttle = Throttle(25, 100, now=schedule.now, sleep=schedule.sleep)
    last = 0.0
    for _ in range(100):
        schedule.slept = 0.0
        await throttle.admit("POST", "/v1/invoices")
        last = max(last, schedule.now())

    assert 3.4 <= last <= 4.0


async def test_waiting_keeps_the_order() -> None:
    """Real time: who asks first leaves first."""
    throttle = Throttle(100, 0)
    left: list[int] = []

    async def one(number: int) -> None:
        await throttle.admit("POST", "/v1/invoices")
        left.append(number)

    await asyncio.gather(*(one(number) for number in range(60)))

    assert list(range(60)) == left


@pytest.mark.parametrize(
    ("path", "endpoint"),
    [
        ("/v1/invoices", "POST /v1/invoices"),
        ("/v1/invoices/in_1AbC/add_lines", "POST /v1/invoices/*/add_lines"),
        ("/v1/invoices/create_preview", "POST /v1/invoices/create_preview"),
        ("/v1/customers/cus_Q1/tax_ids/txi_9", "POST /v1/customers/*/tax_ids/*"),
    ],
)
def test_endpoints_are_paths_without_ids(path: str, endpoint: str) -> None:
    """All invoices share the endpoint's bucket."""
    assert endpoint == endpoint_of("post", path)
