"""A meter with budgets, on a server that tells them."""

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tallyroll import BudgetExceededError, Meter
from tallyroll.testing import CapturingTransport

from .conftest import FixedSource, HintServer, hint_of

SOURCE = str(Path(__file__).parents[2] / "src")
NOWHERE = "http://127.0.0.1:1"
FORK = """
import os, sys, threading, time
sys.path.insert(0, {source!r})
from tallyroll import Meter
from tallyroll.budgets import Fetched, polling
from tallyroll.testing import CapturingTransport
polling.INTERVAL_SECONDS = 0.02
meter = Meter(
    transport=CapturingTransport(), api_key="k", enforce="block", budgets={endpoint!r}, spool=False
)
def is_polling():
    return any(thread.name == "tallyroll-budgets" for thread in threading.enumerate())
def until(action):
    while meter.decide(model="m").action != action:
        time.sleep(0.01)
until("block")
child = os.fork()
if child == 0:
    known = meter.decide(model="m").action == "block"  # what the parent knew
    meter._enforcer.hints.replace(Fetched(hints=[], at=meter._now()), asked=time.monotonic())
    until("block")  # by a thread and a connection of its own
    os._exit(0 if known and is_polling() else 1)
_, status = os.waitpid(child, 0)
sys.exit(os.waitstatus_to_exitcode(status))
"""


@pytest.fixture(name="metered")
def _metered(hint_server: HintServer) -> Iterator[Callable[..., Meter]]:
    meters: list[Meter] = []

    def make(**more: Any) -> Meter:
        meters.append(
            Meter(
                api_key="tr_test_key",
                transport=CapturingTransport(),
                budgets=hint_server.endpoint,
                **more,
            )
        )
        return meters[-1]

    yield make
    for meter in meters:
        meter.close()


def _running() -> set[threading.Thread]:
    return {one for one in threading.enumerate() if one.name == "tallyroll-budgets"}


@pytest.fixture(name="begun")
def _begun() -> Callable[[], int]:
    """Return how many threads read budgets that did not when the test began."""
    before = _running()  # of a test before, on its way out
    return lambda: len(_running() - before)


def test_budgets_are_off_by_default(
    hint_server: HintServer, metered: Callable[..., Meter], begun: Callable[[], int]
) -> None:
    """No thread, no request, every model as asked for."""
    hint_server.say("over")
    meter = metered()

    assert ("allow", "gpt-5", None, "off") == meter.decide(model="gpt-5")
    assert "gpt-5" == meter.admit("gpt-5")
    assert ([], 0) == (hint_server.requests, begun())


def test_the_first_question_starts_the_reading(
    hint_server: HintServer, metered: Callable[..., Meter], begun: Callable[[], int]
) -> None:
    """A meter that nobody asks reads nothing; the first answer allows and does not wait."""
    hint_server.say("closed")
    meter = metered(enforce="block")
    assert ([], 0) == (hint_server.requests, begun())

    assert "no_hint" == meter.decide(model="gpt-5").reason
    hint_server.until_asked(1)
    assert 1 == begun()


@pytest.mark.usefixtures("fast")
def test_the_scope_says_whose_budget_it_is(
    hint_server: HintServer, metered: Callable[..., Meter]
) -> None:
    """Calls take their attribution from the scope around, or from what is given."""
    hint_server.say("closed", scope={"tenant": "acme", "agent": "coder", "run": "r-1"})
    meter = metered(enforce="block")
    meter.decide(model="gpt-5")
    hint_server.until_asked(2)

    with meter.context(tenant="acme", agent="coder", run="r-1"):
        assert "block" == meter.decide(model="gpt-5").action
        assert "allow" == meter.decide(model="gpt-5", agent="other").action
        with pytest.raises(BudgetExceededError):
            meter.admit("gpt-5")
        attribution = meter.attribution()
        assert "gpt-5" == meter.admit("gpt-5", {})
    assert "allow" == meter.decide(model="gpt-5").action
    with pytest.raises(BudgetExceededError):
        meter.admit("gpt-5", attribution)


@pytest.mark.usefixtures("fast")
def test_hints_follow_the_server(hint_server: HintServer, metered: Callable[..., Meter]) -> None:
    """A change is seen with the next question; unchanged hints cost a 304."""
    meter = metered(enforce="degrade")
    meter.decide(model="gpt-5")
    for state, model in (("over", "gpt-5-mini"), ("open", "gpt-5"), ("over", "gpt-5-mini")):
        hint_server.say(state, suggested={"gpt-5": "gpt-5-mini"})
        hint_server.until_asked(3)
        assert model == meter.admit("gpt-5")

    assert {200, 304} == set(hint_server.statuses)


@pytest.mark.usefixtures("fast")
def test_failures_leave_what_is_known(
    hint_server: HintServer, metered: Callable[..., Meter], caplog: pytest.LogCaptureFixture
) -> None:
    """While the server fails hints hold as long as they are fresh; it is told once, and ends."""
    hint_server.say("closed")
    meter = metered(enforce="block")
    meter.decide(model="m")
    hint_server.until_asked(2)
    hint_server.script = [(500, {}, b"")] * 4
    hint_server.until(lambda: hint_server.statuses.count(500) == 4)

    assert "block" == meter.decide(model="m").action
    hint_server.until_asked(2)
    assert 304 == hint_server.statuses[-1]
    assert 1 == sum("http_500" in record.getMessage() for record in caplog.records)


def test_retry_after_is_obeyed(hint_server: HintServer, metered: Callable[..., Meter]) -> None:
    """The next question does not come before the server asked for it."""
    hint_server.script = [(503, {"retry-after": "60"}, b"")]
    meter = metered(enforce="block")
    stopped = meter._enforcer._poller._background.stopped  # type: ignore[union-attr]
    waits: list[float] = []
    waited = threading.Event()

    def wait(seconds: float | None = None) -> bool:
        waits.append(seconds or 0)
        waited.set()
        stopped.set()
        return True

    stopped.wait = wait  # type: ignore[method-assign]
    meter.decide(model="m")

    assert waited.wait(20)
    assert 60 <= waits[0] <= 66


def test_the_end_of_the_meter_ends_the_reading(
    hint_server: HintServer, metered: Callable[..., Meter], begun: Callable[[], int]
) -> None:
    """No thread is left, and a question after it is answered."""
    meter = metered(enforce="block")
    meter.decide(model="m")
    hint_server.until_asked(1)
    meter.close()

    assert 0 == begun()
    assert "allow" == meter.decide(model="m").action


def test_a_forked_child_reads_by_itself(hint_server: HintServer) -> None:
    """It knows what the parent knew, and has a thread and a connection of its own."""
    hint_server.say("closed")
    program = FORK.format(source=SOURCE, endpoint=hint_server.endpoint)
    done = subprocess.run([sys.executable, "-c", program], check=False, timeout=60)

    assert 0 == done.returncode


def test_a_source_of_ones_own() -> None:
    """Any object with `fetch` will do; no key and no endpoint are needed."""
    source = FixedSource(hint_of("closed"))
    with Meter(transport=CapturingTransport(), enforce="block", budgets=source) as meter:
        refused = threading.Event()
        while not refused.is_set():
            try:
                meter.admit("m")
            except BudgetExceededError:
                refused.set()

    assert source.asked


@pytest.mark.parametrize(
    "changes",
    [
        {"enforce": "always"},
        {"enforce": "block", "api_key": None},
        {"enforce": "block", "endpoint": None, "budgets": None},
        {"enforce": "block", "budgets": "no url"},
    ],
)
def test_what_cannot_work_is_refused_at_construction(
    changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody finds out by budgets that never hold."""
    monkeypatch.delenv("TALLYROLL_API_KEY", raising=False)
    monkeypatch.delenv("TALLYROLL_ENDPOINT", raising=False)
    given: dict[str, Any] = {"endpoint": NOWHERE, "api_key": "k"} | changes

    with pytest.raises(ValueError, match=r"enforce|endpoint"):
        Meter(transport=CapturingTransport(), **given)


@pytest.mark.parametrize(
    ("variables", "given", "expected"),
    [
        ({}, {}, "http://own"),
        ({"TALLYROLL_BUDGETS_ENDPOINT": "http://variable"}, {}, "http://variable"),
        ({"TALLYROLL_BUDGETS_ENDPOINT": "http://v"}, {"budgets": "http://named"}, "http://named"),
    ],
)
def test_where_budgets_are_read(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], given: Any, expected: str
) -> None:
    """What is named, then TALLYROLL_BUDGETS_ENDPOINT, then the meter's own endpoint."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with Meter("http://own", "k", enforce="advise", spool=False, **given) as meter:
        assert meter._enforcer is not None
        assert f"{expected}/v1/budget-hints" == str(meter._enforcer._source.url)  # type: ignore[attr-defined]


def test_importing_the_sdk_reads_no_budgets() -> None:
    """Programs without budgets do not load what they do not use."""
    program = f"import sys\nsys.path.insert(0, {SOURCE!r})\nimport tallyroll\nprint([*sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )

    assert "tallyroll.budgets.decision" in done.stdout
    assert "tallyroll.budgets.enforcing" not in done.stdout
    assert "tallyroll.budgets.http" not in done.stdout
