"""A provider's server on this machine, and a meter whose events stay here."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sdk.python.tests.wrapping.wire import WireServer

from tallyroll import Meter
from tallyroll.testing import CapturingTransport

Events = Callable[[], list[dict[str, Any]]]


@pytest.fixture(name="provider")
def _provider() -> Iterator[WireServer]:
    with WireServer() as server:
        yield server


@pytest.fixture(name="transport")
def _transport() -> CapturingTransport:
    return CapturingTransport()


@pytest.fixture(name="capturing")
def _capturing(transport: CapturingTransport) -> Iterator[Meter]:
    with Meter(transport=transport, strict=True) as meter:
        yield meter


@pytest.fixture(name="events")
def _events(capturing: Meter, transport: CapturingTransport) -> Events:
    """Return every event recorded so far, each id once, as it was first."""

    def events() -> list[dict[str, Any]]:
        assert capturing.flush(10)
        return transport.events

    return events


@pytest.fixture(name="sent")
def _sent(capturing: Meter, transport: CapturingTransport) -> Events:
    """Return every event recorded so far, again for each time that it was."""

    def sent() -> list[dict[str, Any]]:
        assert capturing.flush(10)
        return [event for body in transport.bodies for event in json.loads(body)["events"]]

    return sent
