"""A spool in a folder of the test's own, and programs in fresh interpreters that use it."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tallyroll import Meter, Spool
from tallyroll.testing import RecordingServer

SOURCE = str(Path(__file__).parents[2] / "src")
KEY = "tr_test_key"
PROGRAM_SECONDS_MAX = 300
BEGIN = f"""
import glob, os, signal, sys, threading, time
sys.path.insert(0, {SOURCE!r})
import tallyroll
endpoint, folder = sys.argv[1:3]
def segments():
    return glob.glob(folder + "/v1/*/*/*.seg")
def meter_with(pause=lambda seconds: time.sleep(min(seconds, 0.01)), exit_timeout=20.0, **settings):
    spool = tallyroll.Spool(directory=folder, **settings)
    return tallyroll.Meter(
        endpoint, {KEY!r}, spool=spool, batch_age=0.01, exit_timeout=exit_timeout, pause=pause
    )
"""

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(name="spooling")
def _spooling(
    server: RecordingServer, pauses: list[float], tmp_path: Path
) -> Iterator[Callable[..., Meter]]:
    """Make meters that spool into `tmp_path`; settings of `Spool` or of the meter."""
    meters: list[Meter] = []

    def make(**settings: Any) -> Meter:
        names = Spool.__struct_fields__
        spool = {name: settings.pop(name) for name in names if name in settings}
        settings = {"pause": pauses.append, **settings}
        spool.setdefault("directory", tmp_path)
        meters.append(Meter(server.endpoint, KEY, spool=Spool(**spool), **settings))
        return meters[-1]

    yield make
    for meter in meters:
        meter.close(1.0)


@pytest.fixture(name="run")
def _run(server: RecordingServer, tmp_path: Path) -> Run:
    """Run a program with `endpoint`, `folder` and `meter_with()`; further arguments in argv[3:]."""

    def run(
        program: str, *arguments: str, folder: Path = tmp_path, within: tuple[str, ...] = ()
    ) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-c", BEGIN + program, server.endpoint, str(folder)]
        return subprocess.run(
            [*within, *command, *arguments],
            check=False,
            timeout=PROGRAM_SECONDS_MAX,
            capture_output=True,
            text=True,
        )

    return run


@pytest.fixture(name="run_file")
def _run_file(server: RecordingServer, tmp_path: Path) -> Run:
    """Run a program as `run` does, from a file of its own: for children that import it again."""

    def run(program: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
        file = tmp_path / "program.py"
        file.write_text(BEGIN + program, encoding="utf-8")
        command = [sys.executable, str(file), server.endpoint, str(tmp_path), *arguments]
        return subprocess.run(
            command, check=False, timeout=PROGRAM_SECONDS_MAX, capture_output=True, text=True
        )

    return run


@pytest.fixture(name="folders")
def _folders(tmp_path: Path) -> Callable[[], list[Path]]:
    """List the folders of writers that exist now."""
    return lambda: sorted(path.parent for path in tmp_path.glob("v1/*/*/lock"))
