"""Back-pressure: what waits is bounded, and who comes beyond it is told to send again."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from http import HTTPStatus

import httpx
import pytest
from fastapi import FastAPI, Request

from services.metering.domain.event import TokenEvent
from services.metering.ingest.admission import Admission
from services.metering.ingest.envelope import PlacedEvents, Sender, as_columns, place
from services.metering.ingest.gather import Gatherer
from shared.errors import TallyrollError
from shared.problems import install_error_handlers

EVENT_BYTES = 100


class _SilentLog:
    """A broker that acknowledges nothing until it is told to."""

    def __init__(self) -> None:
        self.acknowledging = asyncio.Event()

    async def append(self, records: list[tuple[int, bytes]]) -> None:
        await self.acknowledging.wait()


def _placed(event_id: str) -> PlacedEvents:
    event = TokenEvent(
        tenant_id="acme",
        event_id=event_id,
        occurred_at=datetime(2026, 1, 31, tzinfo=UTC),
        agent="coder",
        model="gpt-5",
        provider="openai",
        tokens={"output_text": 1},
        units={},
    )
    return as_columns([place(event, Sender("vendor", "test"), partitions=4, size=EVENT_BYTES)])


async def _pour(gatherer: Gatherer, requests: int) -> list[asyncio.Task[None]]:
    tasks = [asyncio.create_task(gatherer.write(_placed(f"e-{i}"))) for i in range(requests)]
    for _ in range(3):
        await asyncio.sleep(0)
    return tasks


def _refused(tasks: list[asyncio.Task[None]]) -> list[str]:
    errors = [task.exception() for task in tasks if task.done()]
    return [error.code for error in errors if isinstance(error, TallyrollError)]


async def test_what_waits_for_the_broker_is_bounded() -> None:
    """While nothing is acknowledged, 10 events fit and the others are refused; then all is well."""
    log = _SilentLog()
    gatherer = Gatherer(log, waiting_bytes_max=10 * EVENT_BYTES)
    tasks = await _pour(gatherer, 50)
    refused = _refused(tasks)
    log.acknowledging.set()
    await asyncio.gather(*(task for task in tasks if not task.done()))
    await gatherer.write(_placed("e-after"))

    assert ["overloaded"] * 40 == refused


async def test_a_client_that_went_away_frees_nothing() -> None:
    """The events of a cancelled request still wait, so they still count."""
    log = _SilentLog()
    gatherer = Gatherer(log, waiting_bytes_max=10 * EVENT_BYTES)
    for task in await _pour(gatherer, 10):
        task.cancel()
    refused = _refused(await _pour(gatherer, 5))
    log.acknowledging.set()
    await gatherer.close()

    assert ["overloaded"] * 5 == refused


async def test_without_a_bound_everything_would_wait() -> None:
    """The check above fails for a gatherer without a bound."""
    log = _SilentLog()
    gatherer = Gatherer(log, waiting_bytes_max=10**12)
    refused = _refused(await _pour(gatherer, 50))
    log.acknowledging.set()
    await gatherer.close()

    assert [] == refused


def _app(
    *, requests_max: int = 100, body_seconds_max: float = 5.0
) -> tuple[FastAPI, asyncio.Event]:
    app, released = FastAPI(), asyncio.Event()
    install_error_handlers(app)

    @app.post("/v1/events")
    async def post(request: Request) -> int:
        body = await request.body()
        await released.wait()
        return len(body)

    app.add_middleware(Admission, requests_max=requests_max, body_seconds_max=body_seconds_max)
    return app, released


def _client(app: FastAPI) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://metering")


async def test_requests_beyond_the_limit_are_refused() -> None:
    """The third of two is 503 `overloaded` with Retry-After; when one ended, the next is taken."""
    app, released = _app(requests_max=2)
    async with _client(app) as client:
        held = [asyncio.create_task(client.post("/v1/events", content=b"x")) for _ in range(2)]
        await asyncio.sleep(0.05)
        beyond = await client.post("/v1/events", content=b"x")
        released.set()
        taken = [await task for task in held] + [await client.post("/v1/events", content=b"x")]

    assert (503, "overloaded", "1") == (
        beyond.status_code,
        beyond.json()["code"],
        beyond.headers["retry-after"],
    )
    assert [HTTPStatus.OK] * 3 == [answer.status_code for answer in taken]


async def _drip() -> AsyncIterator[bytes]:
    while True:
        yield b"x"
        await asyncio.sleep(0.01)


@pytest.mark.parametrize(("body", "status"), [(_drip(), 408), (b"x", 200)])
async def test_a_slow_body_times_out(body: AsyncIterator[bytes] | bytes, status: int) -> None:
    """A body that drips in for ever is 408; one that is there is answered, however late."""
    app, released = _app(body_seconds_max=0.1)
    asyncio.get_running_loop().call_later(0.3, released.set)
    async with _client(app) as client, asyncio.timeout(5):
        answer = await client.post("/v1/events", content=body)

    assert status == answer.status_code
