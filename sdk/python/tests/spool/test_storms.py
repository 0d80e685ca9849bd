"""Many threads, cancelled tasks, and code that runs in the middle of `record()`."""

import asyncio
import threading
from collections.abc import Callable

import msgspec
import pytest

from tallyroll import Meter, Response
from tallyroll.testing import RecordingServer

from .conftest import Run

THREADS = 32
INTERRUPT = """
class Interrupt(BaseException):
    pass
meter = meter_with(segment_bytes=3_000)
recorded, inside = [], False
def handler(*_):
    recorded.append(meter.record(agent="handler", model="m"))
    RAISE
signal.signal(signal.SIGALRM, handler)
signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
for number in range(6_000):
    try:
        inside = True
        recorded.append(meter.record(agent="main", model="m"))
        inside = False
    except Interrupt:
        inside = False
signal.setitimer(signal.ITIMER_REAL, 0)
assert meter.flush()
stats = meter.stats()
assert stats.damaged == stats.queued == stats.in_flight == 0, stats
assert stats.recorded == stats.accepted + stats.lost and stats.lost <= LOST, stats
assert len(set(recorded)) == len(recorded) <= stats.accepted, (stats, len(recorded))
print(*recorded)
"""
FINALIZE = """
import gc
meter = meter_with()
recorded = []
class Stream:
    def __init__(self):
        self.myself = self
    def __del__(self):
        recorded.append(meter.record(agent="finalizer", model="m"))
gc.set_threshold(1, 1, 1)
for number in range(3_000):
    Stream()
    recorded.append(meter.record(agent="main", model="m", tags={"number": str(number)}))
gc.set_threshold(700, 10, 10)
assert meter.flush() and meter.stats().accepted == len(recorded), meter.stats()
print(*recorded)
"""


@pytest.mark.parametrize("events", [1_000, pytest.param(10_000, marks=pytest.mark.slow)])
def test_a_storm_of_threads(
    server: RecordingServer, spooling: Callable[..., Meter], events: int
) -> None:
    """32 threads record at once into many segments: every id arrives, exactly once."""
    meter = spooling(segment_bytes=50 * events)
    recorded: list[list[str]] = [[] for _ in range(THREADS)]

    def storm(mine: list[str]) -> None:
        for number in range(events):
            mine += [meter.record(agent="a", model="m", tokens={"output_text": number})]

    threads = [threading.Thread(target=storm, args=(mine,)) for mine in recorded]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert meter.flush(120)
    assert dict.fromkeys((i for mine in recorded for i in mine), 1) == server.commits
    stats = meter.stats()
    assert (THREADS * events, 0, 0) == (stats.accepted, stats.lost, stats.spooled)


async def test_cancelled_tasks(server: RecordingServer, spooling: Callable[..., Meter]) -> None:
    """What a task recorded before it was cancelled arrives; a cancelled flush leaves no trace."""
    answering = threading.Event()

    def judge(body: bytes) -> Response:
        answering.wait(30)
        return server.commit(body)

    server.judge = judge
    meter = spooling()
    recorded: list[str] = []

    enough = asyncio.Event()

    async def agent() -> None:
        while True:
            recorded.append(meter.record(agent="a", model="m"))
            if len(recorded) == 2_000:
                enough.set()
            await asyncio.sleep(0)

    tasks = [asyncio.create_task(agent()) for _ in range(100)]
    flushing = asyncio.create_task(meter.aflush())
    await enough.wait()
    for task in (*tasks, flushing):
        task.cancel()
    results = await asyncio.gather(*tasks, flushing, return_exceptions=True)

    assert all(isinstance(result, asyncio.CancelledError) for result in results)
    answering.set()
    assert await meter.aflush()
    assert set(recorded) == set(server.commits)
    assert [] == meter._delivery.buffer._callbacks  # type: ignore[attr-defined]


async def test_a_flush_that_is_cut_off(
    server: RecordingServer, spooling: Callable[..., Meter]
) -> None:
    """By a time-out around it, which is told as that; others that flush meanwhile go on."""
    gate = threading.Event()

    def judge(body: bytes) -> Response:
        gate.wait(30)
        return server.commit(body)

    server.judge = judge
    meter = spooling()
    recorded = [meter.record(agent="a", model="m") for _ in range(10)]
    others = [asyncio.create_task(meter.aflush()) for _ in range(5)]
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.02):
            await meter.aflush()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(meter.aflush(), 0.02)
    assert not await meter.aflush(timeout=0.02), "its own time-out is no error"
    others[0].cancel()
    recorded.append(meter.record(agent="a", model="m"))
    gate.set()

    assert [True] * 4 == await asyncio.gather(*others[1:])
    assert others[0].cancelled()
    assert await meter.aflush()
    assert dict.fromkeys(recorded, 1) == server.commits
    assert [] == meter._delivery.buffer._callbacks  # type: ignore[attr-defined]


async def test_a_task_is_cancelled_around_record_and_not_in_it(
    server: RecordingServer, spooling: Callable[..., Meter]
) -> None:
    """What a cancelled task records on its way out is an event like any other, in its scope."""
    meter = spooling()
    recorded: list[str] = []
    begun = asyncio.Event()

    async def agent(number: int) -> None:
        async with meter.context(tenant=f"t-{number}", run=f"r-{number}"):
            try:
                recorded.append(meter.record(agent="a", model="m"))
                begun.set()
                await asyncio.Event().wait()
            finally:  # as a stream that is cut off tells what it has seen so far
                recorded.append(meter.record(agent="a", model="m", status="aborted"))

    tasks = [asyncio.create_task(agent(number)) for number in range(100)]
    await begun.wait()
    for task in tasks:
        task.cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)

    assert {asyncio.CancelledError} == {type(result) for result in results}
    assert await meter.aflush()
    assert 200 == len(recorded)
    assert dict.fromkeys(recorded, 1) == server.commits
    events = [e for body in server.bodies for e in msgspec.json.decode(body)["events"]]
    assert all(event["tenant"][2:] == event["run_id"][2:] for event in events)
    assert 100 == len({event["tenant"] for event in events if "status" in event})


@pytest.mark.slow
@pytest.mark.parametrize(
    "program",
    [
        INTERRUPT.replace("RAISE", "").replace("LOST", "0"),
        INTERRUPT.replace("RAISE", "if inside: raise Interrupt").replace("LOST", "6_000"),
        FINALIZE,
    ],
    ids=["signal handler", "signal handler that raises", "finalizer"],
)
def test_recording_amid_record(server: RecordingServer, run: Run, program: str) -> None:
    """A handler or finalizer that records inside `record()` neither deadlocks nor loses.

    Where an exception cuts `record()` off, an event may travel twice, under its one id.
    """
    result = run(program)

    assert 0 == result.returncode, result.stderr
    assert set(result.stdout.split()) <= set(server.commits)
    assert max(server.commits.values()) <= (2 if "raise Interrupt" in program else 1)
