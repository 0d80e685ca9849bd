"""Measure what metering costs a program: `python bench/capture.py [SECONDS] [--memory]`.

One process records 20,000 events a second, in bursts of 100, over real HTTP to a server in another
process, and notes the time of each `record()` on its own thread. Beside it: the import, and the
memory over a bare interpreter. `--memory` measures without the spool, for comparison.
"""

import multiprocessing
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from time import perf_counter, perf_counter_ns, process_time, thread_time_ns

from tallyroll import Meter, Spool
from tallyroll.testing import RecordingServer

EVENTS_PER_SECOND, BURST = 20_000, 100
INTERPRETERS = 9
LIMITS = {"p50": 15, "p99": 60, "core": 60, "import": 60, "memory": 30}
FRESH = """
import sys, time
begun = time.perf_counter()
{statement}
seconds = time.perf_counter() - begun
pages = int(open("/proc/self/statm").read().split()[1])
print(seconds * 1e3, pages * 4096 / 2**20)
"""


def _serve(pipe: Connection) -> None:
    with RecordingServer() as server:
        pipe.send(server.endpoint)
        pipe.recv()
        pipe.send(len(server.commits))


def _fresh(statement: str) -> tuple[float, float]:
    """Run in fresh interpreters; return the median milliseconds and the MiB then resident."""
    command = [sys.executable, "-c", FRESH.format(statement=statement)]
    runs = [
        tuple(map(float, subprocess.run(command, check=True, capture_output=True).stdout.split()))
        for _ in range(INTERPRETERS)
    ]
    milliseconds, resident = zip(*runs, strict=True)
    return statistics.median(milliseconds), statistics.median(resident)


def _record(meter: Meter, seconds: float, clock: Callable[[], int] = perf_counter_ns) -> list[int]:
    """Record at the given pace; return the nanoseconds of each call by the clock, sorted."""
    times = []
    begun = perf_counter()
    for index in range(int(seconds * EVENTS_PER_SECOND)):
        if index % BURST == 0:
            time.sleep(max(0.0, begun + index / EVENTS_PER_SECOND - perf_counter()))
        before = clock()
        meter.record(
            agent=f"coder-{index % 5}",
            model="gpt-5",
            provider="openai",
            tokens={"input_uncached": 1_200 + index, "output_text": 12},
            tenant="acme",
            user=f"dev-{index % 40}",
            purpose="production",
        )
        times.append(clock() - before)
    return sorted(times)


def _say(name: str, value: float, unit: str, limit: float) -> None:
    verdict = "ok" if value < limit else "MISSED"
    print(f"{name:44} {value:8.1f} {unit:8} limit {limit:g}: {verdict}")


def _sustained(meter: Meter, seconds: float) -> None:
    resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    _record(meter, 0.5)  # warm
    meter.flush()
    begun, busy = perf_counter(), process_time()
    times = _record(meter, seconds)
    wall, busy = perf_counter() - begun, process_time() - busy
    behind = meter.stats().queued
    flushed = meter.flush()
    p50, p99, p999 = (times[int(len(times) * part)] / 1e3 for part in (0.5, 0.99, 0.999))
    _say("record() on the caller's thread, p50", p50, "us", LIMITS["p50"])
    _say("record() on the caller's thread, p99", p99, "us", LIMITS["p99"])
    print(f"{'  p99.9 and slowest':44} {p999:8.1f} and {times[-1] / 1e3:.0f} us")
    # What the machine does meanwhile is in the figures above, but not in these.
    own = _record(meter, seconds / 2, thread_time_ns)
    p50, p99 = (own[int(len(own) * part)] / 1e3 for part in (0.5, 0.99))
    print(f"{'  on the processor: p50 and p99':44} {p50:8.1f} and {p99:.1f} us")
    _say("of a core, at 20,000 events/s", busy / wall * 100, "%", LIMITS["core"])
    rate = len(times) / wall
    print(f"{'  reached, and waiting at the end':44} {rate:8.0f} events/s, {behind} events")
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 - resident
    print(f"{'  memory grown meanwhile, notes included':44} {grown:8.1f} MiB")
    assert flushed


def main() -> None:
    """Run once and print."""
    seconds = float(next(iter(a for a in sys.argv[1:] if a[0] != "-"), 10))
    load = os.getloadavg()[0] / (os.cpu_count() or 1)
    print(f"{platform.node()}, {platform.machine()}, Python {platform.python_version()}")
    print(f"load {load:.1f} for each processor: above 0.5 the figures say little")
    bare = _fresh("pass")[1]
    _say("import tallyroll", _fresh("import tallyroll")[0], "ms", LIMITS["import"])
    construct = "import tallyroll; tallyroll.HTTPTransport('http://127.0.0.1:1', 'tr_test_bench')"
    milliseconds, resident = _fresh(construct)
    print(f"{'  with the first transport (httpx)':44} {milliseconds:8.1f} ms")
    _say("memory over the interpreter", resident - bare, "MiB", LIMITS["memory"])

    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs,), daemon=True)
    process.start()
    with tempfile.TemporaryDirectory() as folder:
        spool = "--memory" not in sys.argv and Spool(directory=folder)
        with Meter(ours.recv(), "tr_test_bench", spool=spool) as meter:
            _sustained(meter, seconds)
            stats = meter.stats()
    ours.send("done")
    print(f"{stats.requests} requests; recorded {stats.recorded}, the server has {ours.recv()}")
    process.join()


if __name__ == "__main__":
    main()
