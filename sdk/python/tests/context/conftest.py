"""A strict meter whose events stay here, and what they say of agent, run and the rest."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tallyroll import Meter
from tallyroll.testing import CapturingTransport

Told = Callable[..., list[Any]]


@pytest.fixture(name="transport")
def _transport() -> CapturingTransport:
    return CapturingTransport()


@pytest.fixture(name="capturing")
def _capturing(transport: CapturingTransport) -> Iterator[Meter]:
    with Meter(transport=transport, strict=True) as meter:
        yield meter


@pytest.fixture(name="told")
def _told(capturing: Meter, transport: CapturingTransport) -> Told:
    """Return a field of each event in the order of recording; several fields as tuples."""

    def told(*names: str) -> list[Any]:
        assert capturing.flush(10)
        values = [tuple(event.get(name) for name in names) for event in transport.events]
        return [value[0] for value in values] if len(names) == 1 else values

    return told
