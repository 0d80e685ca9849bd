"""Outcomes of a run, and corrections beside the scope."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from tallyroll import InvalidEventError, Meter
from tallyroll.testing import CapturingTransport

Told = Callable[..., list[Any]]


def test_an_outcome_is_told_of_the_run(capturing: Meter, transport: CapturingTransport) -> None:
    """It names agent and run of the scope, and counts no usage that could cost something."""
    with capturing.context(tenant="t", agent="a", run="r-1", tags={"k": "v"}):
        identity = capturing.outcome("ticket_resolved", value=Decimal("2.50"), source="crm")

    assert capturing.flush(10)
    (event,) = transport.events
    del event["occurred_at"]
    assert {
        "event_id": identity,
        "tenant": "t",
        "agent": "a",
        "run_id": "r-1",
        "tags": {"k": "v"},
        "model": "-",
        "provider": "-",
        "units": {"outcomes": "0"},
        "outcome": {"name": "ticket_resolved", "value": "2.50", "source": "crm"},
    } == event


def test_an_outcome_may_be_billable(capturing: Meter, told: Told) -> None:
    """With units or a request of its own it is an event like any other; explicit fields win."""
    with capturing.context(agent="a", run="r-1"):
        capturing.outcome("resolved", units={"tickets_resolved": 1}, run_id="r-9", status="failed")
        capturing.outcome("answered", model="m", provider="p", tokens={"output_text": 3})

    assert [
        ({"name": "resolved"}, {"tickets_resolved": "1"}, None, "-", "r-9", "failed"),
        ({"name": "answered"}, None, {"output_text": 3}, "m", "r-1", None),
    ] == told("outcome", "units", "tokens", "model", "run_id", "status")


def test_an_outcome_needs_an_agent_and_a_name(capturing: Meter) -> None:
    """Outside every scope somebody must say whose outcome it is."""
    with pytest.raises(InvalidEventError) as caught:
        capturing.outcome("")
    assert {"agent", "outcome.name"} == {fault.field for fault in caught.value.faults}


def test_an_outcomes_id_is_kept(capturing: Meter, told: Told) -> None:
    """An outcome that is told twice under an id of the caller's is one event."""
    assert "crm-7" == capturing.outcome("won", agent="a", event_id="crm-7")
    assert ["crm-7"] == told("event_id")


def test_a_correction_takes_nothing_from_the_scope(capturing: Meter, told: Told) -> None:
    """It says all itself: the scope around is that of the correction, not of the first event."""
    with capturing.context(tenant="t", agent="a", run="r-1", tags={"k": "v"}):
        capturing.correct("e-1", revision=1, reason="wrong model", agent="b", model="m")
        capturing.replace("e-2", revision=1, agent="b", model="m")
        capturing.correct("e-3", action="void", revision=1, reason="a test")
        capturing.void("e-4", revision=1, tenant="u")

    assert [
        ("e-1", "replace", "wrong model", "b", None, None, None),
        ("e-2", "replace", None, "b", None, None, None),
        ("e-3", "void", "a test", None, None, None, None),
        ("e-4", "void", None, None, "u", None, None),
    ] == told("corrects", "action", "reason", "agent", "tenant", "run_id", "tags")


def test_a_void_carries_no_usage(capturing: Meter) -> None:
    """Whoever gives a void other fields meant a replacement."""
    with pytest.raises(InvalidEventError) as caught:
        capturing.correct("e-1", action="void", revision=1, model="m", tokens={"output_text": 1})
    assert [("void_with_usage", "model"), ("void_with_usage", "tokens")] == [
        (fault.code, fault.field) for fault in caught.value.faults
    ]


def test_a_correction_of_other_actions_is_refused(capturing: Meter) -> None:
    """There are replacements and voids; a third is told at once."""
    wrong: Any = "undo"
    with pytest.raises(InvalidEventError) as caught:
        capturing.correct("e-1", action=wrong, revision=1, agent="a", model="m")
    assert [("invalid_action", "action")] == [(f.code, f.field) for f in caught.value.faults]
