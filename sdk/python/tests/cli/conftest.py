"""The commands on a server and a spool of the test's own."""

import json
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from tallyroll import Meter, Response, Spool
from tallyroll.cli.application import app
from tallyroll.testing import RecordingServer

KEY = "tr_test_key"
Run = Callable[..., Result]
Leave = Callable[..., Path]


@pytest.fixture(name="spool")
def _spool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the spools; the environment names it, the server and the key."""
    folder = tmp_path / "spool"
    monkeypatch.delenv("TALLYROLL_SPOOL")
    monkeypatch.delenv("TALLYROLL_SPOOL_ACCOUNT", raising=False)
    monkeypatch.setenv("TALLYROLL_SPOOL_DIR", str(folder))
    monkeypatch.setenv("COLUMNS", "220")
    return folder


@pytest.fixture(autouse=True)
def _heeds_interrupts() -> Iterator[None]:
    """A test run that was started in the background ignores SIGINT, and what it starts as well."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(name="run")
def _run(spool: Path, server: RecordingServer, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("TALLYROLL_ENDPOINT", server.endpoint)
    monkeypatch.setenv("TALLYROLL_API_KEY", KEY)
    assert spool

    def run(*arguments: str, text: str = "") -> Result:
        result = CliRunner().invoke(app, list(arguments), input=text)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return run


@pytest.fixture(name="leave")
def _leave(spool: Path, server: RecordingServer) -> Leave:
    """Leave events behind, as a process that ended with the server away; return their folder."""

    def leave(events: int = 3, *, key: str = KEY, account: str | None = None) -> Path:
        before = set(spool.glob("v1/*/*/lock"))
        server.judge = lambda _body: Response(503, {}, b"")
        settings = Spool(directory=spool, account=account)
        with Meter(server.endpoint, key, spool=settings) as meter:
            for number in range(events):
                meter.record(
                    agent="coder",
                    model="gpt-5",
                    tenant="acme",
                    tokens={"output_text": number},
                )
            meter.flush(0.05)
            meter.close(0)
        server.judge = server.commit
        (lock,) = set(spool.glob("v1/*/*/lock")) - before
        return lock.parent

    return leave


@pytest.fixture(name="documents")
def _documents() -> Callable[[Result], list[dict[str, Any]]]:
    """Return the JSON objects that a command printed, one a line."""
    return documents_of


def documents_of(result: Result) -> list[dict[str, Any]]:
    """Return the JSON objects that a command printed, one a line."""
    return [json.loads(line) for line in result.stdout.splitlines()]
