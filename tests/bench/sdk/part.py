"""(j) The SDK: what a captured event costs the program, beside other SDKs of the field."""

import asyncio
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Literal

import httpx
import msgspec

from tests.bench.results import Bench, Figure, Missing, check
from tests.bench.sdk.clients import SDKS, Sdk, settle_in
from tests.bench.sdk.server import DISTINCT, running_server
from tests.bench.sdk.table import OTHERS, OWN_NAME, PART

LOAD_SECONDS = 3.0
WRAPPED_CALLS = 4_000
INTERPRETERS = 3
"""Fresh ones for each repetition of a figure about the import; the median counts."""
NEXT_SECONDS_MAX = 2.0
"""How long the process that comes after a killed one is given."""
_FRESH = """
import sys, time
begun = time.perf_counter()
{statements}
seconds = time.perf_counter() - begun
pages = int(open("/proc/self/statm").read().split()[1])
print(seconds * 1e3, pages * 4096 / 2**20)
"""


class Measured(msgspec.Struct):
    """What is said about an SDK: the name of the figure, its unit, and how to read it."""

    name: str
    unit: str
    better: Literal["more", "less"] = "less"


CAPTURE = {
    "p50": Measured("capture p50, 1,000/s", "us"),
    "p99": Measured("capture p99, 1,000/s", "us"),
}
LOADED = {
    "p50": Measured("capture p50, 20,000/s", "us"),
    "p99": Measured("capture p99, 20,000/s", "us"),
    "p999": Measured("capture p99.9, 20,000/s", "us"),
    "rate": Measured("calls made, of 20,000/s", "calls/s", "more"),
    "core": Measured("of a core meanwhile", "%"),
    "cost": Measured("processor for each call delivered", "us"),
    "lost": Measured("calls lost, queue full", "%"),
    "peak": Measured("memory under that load", "MiB"),
}
WRAPPER = {
    "p50": Measured("wrap() adds to a chat call, p50", "us"),
    "chunk": Measured("wrap() adds to a chunk of a stream", "us"),
}
"""Of Tallyroll alone: the others wrap nothing, or less."""
IMPORT = Measured("import", "ms")
READY = Measured("import and construction", "ms")
MEMORY = Measured("memory after construction", "MiB")
KILLED = Measured("calls lost by kill -9, of 3,000", "calls")
MEASURES = (*CAPTURE.values(), *LOADED.values(), IMPORT, READY, MEMORY, KILLED)


def part_of(sdk: Sdk) -> str:
    """Return the part under which the figures of an SDK stand."""
    return PART if sdk.name == OWN_NAME else OTHERS + sdk.name


def measures_of(sdk: Sdk) -> tuple[Measured, ...]:
    """Return what is said about an SDK."""
    return (*MEASURES, *WRAPPER.values()) if sdk.name == OWN_NAME else MEASURES


async def measure(bench: Bench) -> None:
    """Measure each SDK that is installed, each time in a fresh interpreter."""
    await asyncio.to_thread(_measure, bench)


def _measure(bench: Bench) -> None:
    sdks = _installed(bench)
    values: dict[str, list[dict[str, float]]] = {sdk.name: [] for sdk in sdks}
    with running_server() as endpoint, httpx.Client(base_url=endpoint) as server:
        bare = _fresh("pass")[1]
        # In turn: whatever else the machine does meanwhile hits all of them.
        for repetition in range(bench.repeats):
            for sdk in sdks:
                bench.report(f"sdk: {sdk.name}, {repetition + 1} of {bench.repeats}")
                values[sdk.name].append(_once(sdk, server, bench, bare))
    for sdk in sdks:
        extra = {"version": version(sdk.distribution), "remark": sdk.remark}
        for measure in measures_of(sdk):
            found = [one[measure.name] for one in values[sdk.name]]
            named = (part_of(sdk), measure.name, measure.unit)
            bench.add(Figure(*named, found, measure.better, extra=extra))


def _installed(bench: Bench) -> list[Sdk]:
    """Return the SDKs that are here, and note those that are not."""
    found = []
    for sdk in SDKS:
        try:
            version(sdk.distribution)
        except PackageNotFoundError:
            bench.missing.append(Missing(part_of(sdk), f"{sdk.distribution} is not installed"))
        else:
            found.append(sdk)
    return found


def _once(sdk: Sdk, server: httpx.Client, bench: Bench, bare: float) -> dict[str, float]:
    """Return every figure of an SDK by its name, measured once."""
    with tempfile.TemporaryDirectory(dir=bench.folder) as folder:
        loaded = load_once(sdk, server, folder, LOAD_SECONDS * min(bench.scale, 1.0), bare)
    with tempfile.TemporaryDirectory(dir=bench.folder) as folder:
        calm, lost = _calm(sdk, server, folder)
    with tempfile.TemporaryDirectory(dir=bench.folder) as folder:
        milliseconds, _ = _fresh(sdk.imports, folder)
        ready, resident = _fresh(f"{sdk.imports}\nclient = {sdk.construct}", folder)
    own = _wrapping(bench) if sdk.name == OWN_NAME else {}
    return {
        **own,
        **{measure.name: calm[key] for key, measure in CAPTURE.items()},
        **{measure.name: loaded[key] for key, measure in LOADED.items()},
        IMPORT.name: milliseconds,
        READY.name: ready,
        MEMORY.name: resident - bare,
        KILLED.name: lost,
    }


def _wrapping(bench: Bench) -> dict[str, float]:
    calls = str(max(int(WRAPPED_CALLS * bench.scale), 100))
    command = [sys.executable, "-m", "tests.bench.sdk.wrapping", calls]
    result = subprocess.run(command, check=True, capture_output=True, env=settle_in(""))
    found: dict[str, float] = msgspec.json.decode(result.stdout)
    return {measure.name: found[key] for key, measure in WRAPPER.items()}


def load_once(
    sdk: Sdk, server: httpx.Client, folder: str, seconds: float, bare: float
) -> dict[str, float]:
    """Return the figures of one run under load, `bare` MiB being the interpreter's own."""
    server.delete(DISTINCT)
    with _program(sdk, server, folder, "load", seconds) as program:
        found = _read(program)
    delivered = _settled(server) / sdk.events_per_call - found["warm"]
    if sdk.name == OWN_NAME:
        check(found["calls"], delivered, "events at the server")
    return found | {
        "rate": found["calls"] / found["seconds"],
        "core": found["busy"] / found["seconds"] * 100,
        "cost": found["busy_in_all"] / delivered * 1e6,
        "lost": (1 - delivered / found["calls"]) * 100,
        "peak": found["peak"] - bare,
    }


def _calm(sdk: Sdk, server: httpx.Client, folder: str) -> tuple[dict[str, float], float]:
    """Return the latencies, and how many calls of a killed program never arrive."""
    server.delete(DISTINCT)
    with _program(sdk, server, folder, "calm") as program:
        found = _read(program)
        program.wait()
    expected = int(found["calls"]) * sdk.events_per_call
    with _program(sdk, server, folder, "next"):
        until = time.monotonic() + NEXT_SECONDS_MAX
        while _distinct(server) < expected and time.monotonic() < until:
            time.sleep(0.05)
    lost = (expected - _distinct(server)) / sdk.events_per_call
    if sdk.name == OWN_NAME:
        check(0, lost, "events lost by a kill")
    return found, lost


@contextmanager
def _program(
    sdk: Sdk, server: httpx.Client, folder: str, mode: str, seconds: float = 0.0
) -> Iterator["subprocess.Popen[bytes]"]:
    endpoint = str(server.base_url).rstrip("/")
    command = [sys.executable, "-m", "tests.bench.sdk.program", sdk.name, endpoint, mode]
    program = subprocess.Popen(
        [*command, str(seconds)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # where the others say that their queue is full
        env=settle_in(folder),
    )
    with program:
        yield program


def _read(program: "subprocess.Popen[bytes]") -> dict[str, float]:
    assert program.stdout is not None
    line = program.stdout.readline()
    if not line:
        raise RuntimeError(f"the program ended with {program.wait()} and said nothing")
    found: dict[str, Any] = msgspec.json.decode(line)
    return found


def _distinct(server: httpx.Client) -> int:
    return int(server.get(DISTINCT).text)


def _settled(server: httpx.Client) -> int:
    """Return the events at the server once no more come in."""
    before, now = -1, _distinct(server)
    while before != now:
        time.sleep(0.1)
        before, now = now, _distinct(server)
    return now


def _fresh(statements: str, folder: str = "") -> tuple[float, float]:
    """Run in fresh interpreters; return the median milliseconds and the MiB then resident."""
    command = [sys.executable, "-c", _FRESH.format(statements=statements)]
    runs = [
        tuple(
            map(
                float,
                subprocess.run(
                    command, check=True, capture_output=True, env=settle_in(folder)
                ).stdout.split(),
            )
        )
        for _ in range(INTERPRETERS)
    ]
    milliseconds, resident = zip(*runs, strict=True)
    return statistics.median(milliseconds), statistics.median(resident)
