"""Fixtures for tests of programs that meter: `tallyroll_meter` and `captured_events`.

pytest loads this with every run on a machine that has tallyroll; so it stands outside of the
package, and loads that only for a test that asks.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tallyroll import Meter
    from tallyroll.testing import CapturedEvents, CapturingTransport


@pytest.fixture(name="_tallyroll_transport")
def _transport() -> "CapturingTransport":
    from tallyroll.testing import CapturingTransport  # noqa: PLC0415

    return CapturingTransport()


@pytest.fixture(name="tallyroll_meter")
def _meter(_tallyroll_transport: "CapturingTransport") -> "Iterator[Meter]":
    """A strict meter whose events stay in the process: see `captured_events`."""
    from tallyroll import Meter  # noqa: PLC0415

    with Meter(transport=_tallyroll_transport, spool=False, strict=True) as meter:
        yield meter


@pytest.fixture(name="captured_events")
def _captured_events(
    tallyroll_meter: "Meter", _tallyroll_transport: "CapturingTransport"
) -> "CapturedEvents":
    """What `tallyroll_meter` has recorded: a sequence of decoded events, with `assert_one`."""
    from tallyroll.testing import CapturedEvents  # noqa: PLC0415

    return CapturedEvents(tallyroll_meter, _tallyroll_transport)
