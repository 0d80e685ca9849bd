"""A scope goes along into threads and executors that are started through it."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tallyroll import Meter

Told = Callable[..., list[Any]]
WORKERS, CALLS = 8, 400


def test_a_thread_starts_with_nothing(capturing: Meter) -> None:
    """Without the wrapper a thread is in no scope."""
    seen: list[object] = []
    with capturing.context(agent="a"):
        thread = threading.Thread(target=lambda: seen.append(capturing.attribution()))
        thread.start()
        thread.join()
    assert [{}] == seen


def test_a_wrapped_function_keeps_the_scope(capturing: Meter) -> None:
    """It runs in the scope in which it was wrapped, wherever and however late."""
    seen: list[object] = []

    def work(number: int) -> None:
        seen.append((number, capturing.attribution()))

    with capturing.context(agent="a", run="r"):
        thread = threading.Thread(target=capturing.wrap_thread(work), args=(7,))
    thread.start()
    thread.join()
    assert [(7, {"agent": "a", "run_id": "r"})] == seen


def test_an_executor_runs_it_many_times_at_once(capturing: Meter, told: Told) -> None:
    """Calls of one wrapped function at the same time are apart, and leave the workers clean."""
    together = threading.Barrier(WORKERS)

    @capturing.agent("worker")
    def work(number: int) -> int:
        if number < WORKERS:
            together.wait(10)
        capturing.record(model="m")
        return number

    with ThreadPoolExecutor(WORKERS) as pool:
        with capturing.context(tenant="t", run="r-0"):
            assert list(range(CALLS)) == list(pool.map(capturing.wrap_thread(work), range(CALLS)))
        assert [{}] * WORKERS == list(pool.map(lambda _: capturing.attribution(), range(WORKERS)))

    runs = told("tenant", "agent", "parent_run_id", "run_id")
    assert {("t", "worker", "r-0")} == {run[:3] for run in runs}
    assert CALLS == len({run[3] for run in runs})


async def test_asyncio_threads(capturing: Meter) -> None:
    """`asyncio.to_thread` takes the scope along by itself, `run_in_executor` by the wrapper."""
    loop = asyncio.get_running_loop()
    with capturing.context(agent="a"):
        assert {"agent": "a"} == await asyncio.to_thread(capturing.attribution)
        wrapped = capturing.wrap_thread(capturing.attribution)
        assert {"agent": "a"} == await loop.run_in_executor(None, wrapped)
