"""Group commit: who hears of a failure, and who does not."""

import asyncio
from datetime import UTC, datetime

import pytest

from services.metering.domain.event import TokenEvent
from services.metering.ingest.envelope import PlacedEvents, Sender, as_columns, place
from services.metering.ingest.gather import Gatherer
from shared.errors import TallyrollError


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
    return as_columns([place(event, Sender("vendor", "test"), partitions=4)])


class _Log:
    """Takes what it is given once it is let go; the first `failing` appends fail."""

    def __init__(self, failing: int = 0) -> None:
        self.failing = failing
        self.appended: list[list[tuple[int, bytes]]] = []
        self.reached = asyncio.Event()
        self.released = asyncio.Event()

    async def append(self, records: list[tuple[int, bytes]]) -> None:
        fails, self.failing = self.failing > 0, self.failing - 1
        self.reached.set()
        await self.released.wait()
        if fails:
            raise ConnectionError
        self.appended.append(records)


async def test_a_failure_is_heard_by_exactly_its_requests() -> None:
    """Requests of a gather that failed are 503; those of the next one, under way, are not."""
    log = _Log(failing=1)
    gatherer = Gatherer(log)
    failed = [asyncio.create_task(gatherer.write(_placed(f"e-{i}"))) for i in range(3)]
    await log.reached.wait()
    written = asyncio.create_task(gatherer.write(_placed("e-9")))
    log.released.set()
    answers = await asyncio.gather(*failed, written, return_exceptions=True)

    assert [True, True, True, False] == [isinstance(a, TallyrollError) for a in answers]
    assert [1] == [len(records) for records in log.appended]


class _Unshielded(Gatherer):
    """Waits for the shared outcome itself, so that one cancelled request cancels it for all."""

    async def write(self, placed: PlacedEvents) -> None:
        gather = self._open or self._begin()
        gather.events.add(placed)
        await gather.written


@pytest.mark.parametrize(("kind", "cancelled"), [(Gatherer, False), (_Unshielded, True)])
async def test_a_client_that_goes_away_harms_no_other(
    kind: type[Gatherer], *, cancelled: bool
) -> None:
    """A cancelled request leaves its gather to those who share it; unshielded it would not."""
    log = _Log()
    gatherer = kind(log)
    gone = asyncio.create_task(gatherer.write(_placed("e-1")))
    waiting = asyncio.create_task(gatherer.write(_placed("e-2")))
    await log.reached.wait()
    gone.cancel()
    await asyncio.wait([gone])
    log.released.set()
    await asyncio.wait([waiting])

    assert cancelled == waiting.cancelled()


async def test_nobody_is_answered_before_the_broker() -> None:
    """A request waits until its records are acknowledged."""
    log = _Log()
    gatherer = Gatherer(log)
    waiting = asyncio.create_task(gatherer.write(_placed("e-1")))
    await log.reached.wait()

    assert not waiting.done()
    log.released.set()
    await waiting
    await gatherer.close()
