"""A program that is metered: `python -m tests.bench.sdk.program SDK ENDPOINT load|calm|next`.

Prints what it saw as JSON, one object a line.
"""

import json
import os
import signal
import sys
import time
from array import array
from collections.abc import Callable
from pathlib import Path

from tests.bench.sdk.clients import Client, named

LOAD_PER_SECOND, LOAD_BURST = 20_000, 100
CALM_PER_SECOND, CALM_BURST = 1_000, 5
CALM_CALLS, LAST_CALLS = 2_000, 500
WARM_CALLS = 500


def record(
    capture: Callable[[int], object], calls: int, *, per_second: int, burst: int
) -> tuple["array[int]", float]:
    """Capture at this pace, or as fast as it goes; return nanoseconds of each call, and seconds."""
    times = array("q", bytes(8 * calls))
    begun = time.perf_counter()
    for number in range(calls):
        if number % burst == 0:
            time.sleep(max(0.0, begun + number / per_second - time.perf_counter()))
        before = time.perf_counter_ns()
        capture(number)
        times[number] = time.perf_counter_ns() - before
    return times, time.perf_counter() - begun


def latencies(times: "array[int]") -> dict[str, float]:
    """Return the microseconds of a call."""
    ordered = sorted(times)
    return {
        name: ordered[int(len(ordered) * share)] / 1e3
        for name, share in (("p50", 0.5), ("p99", 0.99), ("p999", 0.999))
    }


def peak_mib() -> float:
    """Return the most memory that was resident; unlike getrusage's, not the parent's."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    (line,) = (line for line in lines if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def load(client: Client, seconds: float) -> None:
    """Capture 20,000 events a second, or the most it does."""
    warm, _ = record(client.capture, WARM_CALLS, per_second=CALM_PER_SECOND, burst=CALM_BURST)
    client.flush()
    calls, busy = _possible(seconds, sum(warm) / len(warm)), time.process_time()
    times, wall = record(client.capture, calls, per_second=LOAD_PER_SECOND, burst=LOAD_BURST)
    busy_meanwhile = time.process_time() - busy
    client.flush()
    busy = time.process_time() - busy
    found = {"calls": calls, "warm": WARM_CALLS, "seconds": wall, "peak": peak_mib()}
    _print(found | {"busy": busy_meanwhile, "busy_in_all": busy} | latencies(times))


def _possible(seconds: float, nanoseconds: float) -> int:
    """Return how many calls to make: what one thread can do in the time, when that is less."""
    return int(seconds * min(LOAD_PER_SECOND, 1e9 / nanoseconds))


def calm(client: Client, _seconds: float) -> None:
    """Capture 1,000 events a second, and be killed in the middle of it."""
    record(client.capture, WARM_CALLS, per_second=CALM_PER_SECOND, burst=CALM_BURST)
    pace = {"per_second": CALM_PER_SECOND, "burst": CALM_BURST}
    times, _ = record(client.capture, CALM_CALLS, **pace)
    _print({"calls": WARM_CALLS + CALM_CALLS + LAST_CALLS} | latencies(times))
    record(client.capture, LAST_CALLS, **pace)
    os.kill(os.getpid(), signal.SIGKILL)


def come_next(_client: Client, _seconds: float) -> None:
    """Be the process that comes after one that was killed; until standard input ends."""
    sys.stdin.read()


def _print(found: dict[str, float]) -> None:
    sys.stdout.write(json.dumps(found) + "\n")
    sys.stdout.flush()


MODES = {"load": load, "calm": calm, "next": come_next}

if __name__ == "__main__":
    MODES[sys.argv[3]](named(sys.argv[1]).make(sys.argv[2]), float(sys.argv[4]))
    sys.stdout.flush()
    os._exit(0)  # what is measured is over; what an SDK does at the end is not
