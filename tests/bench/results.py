"""What a run found: figures with their limit and the plain way, the machine, a file."""

import os
import platform
import statistics
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import msgspec
import psutil

from tests.support.stack import StackAddress

FOLDER = Path("var/bench")
PACKAGES = (
    "polars",
    "pyarrow",
    "duckdb",
    "msgspec",
    "uvicorn",
    "aiokafka",
    "asyncpg",
    "faststream",
)
CPU_NAMES = ("model name", "Model", "CPU part")


class Figure(msgspec.Struct):
    """One measured thing. `values` has one entry per repetition.

    `limit` is what the same machine reaches when nothing but the unavoidable is done, `plain` what
    the usual way of writing it reaches; both in the figure's own unit.
    """

    part: str
    name: str
    unit: str
    values: list[float]
    better: Literal["more", "less"] = "more"
    limit: float | None = None
    plain: float | None = None
    extra: dict[str, Any] = {}

    @property
    def median(self) -> float:
        """The figure that is published."""
        return statistics.median(self.values)

    def times(self, other: float | None) -> float | None:
        """Return how many times as good as `other` this is; None without an `other`."""
        if not other or not self.median:
            return None
        return self.median / other if self.better == "more" else other / self.median


class Missing(msgspec.Struct):
    """A part that could not be measured, and why."""

    part: str
    reason: str


class Run(msgspec.Struct):
    """Everything of one run."""

    began: datetime
    command: str
    machine: dict[str, str]
    repeats: int
    scale: float
    figures: list[Figure] = []
    missing: list[Missing] = []


@dataclass
class Bench:
    """What each part gets: the stack, how often and how much, and where its figures go."""

    address: StackAddress
    folder: Path
    repeats: int
    scale: float
    figures: list[Figure] = field(default_factory=list)
    missing: list[Missing] = field(default_factory=list)
    report: Callable[[str], None] = lambda _step: None

    def scaled(self, count: int) -> int:
        """Return a number of events at this run's scale, at least 1,000, in whole thousands."""
        return max(int(count * self.scale) // 1_000, 1) * 1_000

    def add(self, figure: Figure) -> None:
        self.figures.append(figure)


def check(expected: object, found: object, what: str) -> None:
    """Raise unless the totals are right: a run that lost something is none."""
    if expected != found:
        raise RuntimeError(f"void: {what} should be {expected}, is {found}")


SETTINGS = ("TALLYROLL_METERING_API_PROCESSES", "TALLYROLL_EVENTS_PER_FLUSH")
"""Settings that change the figures; without them a run has the defaults."""


def describe_machine() -> dict[str, str]:
    """Return what the figures depend on."""
    return {
        "processor": _processor(),
        "cores": str(os.cpu_count()),
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
        **{name: value for name in SETTINGS if (value := os.environ.get(name))},
        **{name: version(name) for name in PACKAGES},
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    parts = (line.partition(":") for line in lines)
    named = {name.strip(): value.strip() for name, _, value in parts}
    return next((named[name] for name in CPU_NAMES if name in named), platform.machine())


def store(run: Run, folder: Path = FOLDER) -> Path:
    """Write the run under its time and as the latest."""
    folder.mkdir(parents=True, exist_ok=True)
    encoded = msgspec.json.format(msgspec.json.encode(run), indent=1)
    path = folder / f"{run.began.astimezone(UTC):%Y-%m-%dT%H%M%S}.json"
    for target in (path, folder / "latest.json"):
        target.write_bytes(encoded + b"\n")
    return path


def load_run(path: Path) -> Run:
    """Read a stored run."""
    return msgspec.json.decode(path.read_bytes(), type=Run)
