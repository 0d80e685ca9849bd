"""A server that can misbehave, and meters on it whose waits take no time."""

from collections.abc import Callable, Iterator

import pytest

from tallyroll import Meter, Transport
from tallyroll.testing import RecordingServer


@pytest.fixture(autouse=True)
def _in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests say themselves when they want a spool, and where."""
    monkeypatch.setenv("TALLYROLL_SPOOL", "off")


@pytest.fixture(name="server")
def _server() -> Iterator[RecordingServer]:
    with RecordingServer() as server:
        yield server


@pytest.fixture(name="pauses")
def _pauses() -> list[float]:
    """The seconds that the sender would have waited."""
    return []


@pytest.fixture(name="meter")
def _meter(server: RecordingServer, pauses: list[float]) -> Iterator[Meter]:
    with Meter(server.endpoint, "tr_test_key", pause=pauses.append) as meter:
        yield meter


@pytest.fixture(name="meter_on")
def _meter_on(pauses: list[float]) -> Iterator[Callable[[Transport], Meter]]:
    """Make meters on transports of the test's own."""
    meters: list[Meter] = []

    def make(transport: Transport) -> Meter:
        meters.append(Meter(transport=transport, pause=pauses.append))
        return meters[-1]

    yield make
    for meter in meters:
        meter.close(1.0)
