"""Measure what metering costs: `python bench/throughput.py [EVENTS]`.

Prints the time of one `record()` (microseconds, p50 and p99) and how long EVENTS events take from
the first `record()` to the last answer, over real HTTP to a server in another process.
"""

import multiprocessing
import platform
import sys
from multiprocessing.connection import Connection
from time import perf_counter, perf_counter_ns

from tallyroll import Meter
from tallyroll.testing import RecordingServer


def _serve(pipe: Connection) -> None:
    with RecordingServer() as server:
        pipe.send(server.endpoint)
        pipe.recv()
        pipe.send(len(server.commits))


def _record(meter: Meter, events: int) -> list[int]:
    """Return the nanoseconds of each call."""
    times = []
    for index in range(events):
        begun = perf_counter_ns()
        meter.record(
            agent=f"coder-{index % 5}",
            model="gpt-5",
            provider="openai",
            tokens={"input_uncached": 1_200 + index, "output_text": 12},
            tenant="acme",
            user=f"dev-{index % 40}",
            purpose="production",
        )
        times.append(perf_counter_ns() - begun)
    return sorted(times)


def main() -> None:
    """Run once and print."""
    events = int(sys.argv[1]) if len(sys.argv) > 1 else 40_000
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs,), daemon=True)
    process.start()

    with Meter(ours.recv(), "tr_test_bench") as meter:
        begun = perf_counter()
        times = _record(meter, events)
        recorded = perf_counter() - begun
        flushed = meter.flush()
        seconds = perf_counter() - begun
        stats = meter.stats()

    ours.send("done")
    p50, p99 = (times[events * part // 100] / 1e3 for part in (50, 99))
    print(f"{platform.node()}, {platform.machine()}, Python {platform.python_version()}")
    print(f"record(): p50 {p50:.1f} us, p99 {p99:.1f} us; all {events} in {recorded:.2f} s")
    print(f"all answered ({flushed}) after {seconds:.2f} s: {events / seconds:,.0f} events/s")
    print(f"{stats.requests} requests; the server has {ours.recv()} events")
    process.join()


if __name__ == "__main__":
    main()
