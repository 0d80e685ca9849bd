"""Corrections: void and replace, by the id of the first event."""

from decimal import Decimal
from typing import Any

import pytest

from tallyroll import Meter
from tallyroll.testing import CapturingTransport


def _sent(meter: Meter, transport: CapturingTransport) -> list[dict[str, Any]]:
    assert meter.flush(5)
    return transport.events


def test_a_void_names_its_target_and_nothing_else() -> None:
    """On the wire a void has its own id, the target, the revision and the reason."""
    transport = CapturingTransport()
    with Meter(transport=transport) as meter:
        identity = meter.void("e-1", revision=1, reason="a test run", tenant="acme")
        sent = _sent(meter, transport)

    assert [
        {
            "event_id": identity,
            "corrects": "e-1",
            "revision": 1,
            "action": "void",
            "tenant": "acme",
            "reason": "a test run",
        }
    ] == sent


def test_a_replacement_is_an_event_that_names_its_target() -> None:
    """The new content travels whole, with what it corrects."""
    transport = CapturingTransport()
    with Meter(transport=transport) as meter:
        meter.replace("e-1", revision=2, agent="a", model="m", tokens={"output_text": 3})
        (sent,) = _sent(meter, transport)

    assert ("e-1", "replace", 2) == (sent["corrects"], sent["action"], sent["revision"])
    assert {"output_text": 3} == sent["tokens"]


def test_an_outcome_and_a_revision_travel() -> None:
    """A growing stream says its revision; an outcome's value stays exact."""
    transport = CapturingTransport()
    with Meter(transport=transport) as meter:
        meter.record(
            agent="a",
            model="m",
            revision=3,
            outcome={"name": "resolved", "value": Decimal("0.10")},
            reservation_id="r-1",
        )
        (sent,) = _sent(meter, transport)

    assert (3, "r-1") == (sent["revision"], sent["reservation_id"])
    assert {"name": "resolved", "value": "0.10"} == sent["outcome"]


@pytest.mark.parametrize("revision", [0, -1, True, "1"])
def test_a_correction_without_a_revision_is_refused(revision: Any) -> None:
    """Without a revision from 1 nobody could say which correction wins."""
    with Meter(transport=CapturingTransport(), strict=True) as meter, pytest.raises(ValueError):  # noqa: PT011
        meter.void("e-1", revision=revision)
