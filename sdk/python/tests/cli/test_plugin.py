"""The pytest fixtures, in a run of pytest of their own."""

import os
import subprocess
import sys
from pathlib import Path

SOURCE = str(Path(__file__).parents[2] / "src")
USERS_TESTS = """
import pytest
import tallyroll

def test_what_was_recorded(tallyroll_meter, captured_events):
    assert captured_events == []
    tallyroll_meter.record(agent="coder", model="gpt-5", tokens={"output_text": 3})
    assert len(captured_events) == 1
    assert captured_events.assert_one(agent="coder")["tokens"] == {"output_text": 3}
    tallyroll_meter.record(agent="other", model="gpt-5")
    assert [event["agent"] for event in captured_events] == ["coder", "other"]
    assert captured_events[-1] == captured_events.matching(agent="other")[0]
    with pytest.raises(AssertionError):
        captured_events.assert_one(model="gpt-5")

def test_each_test_begins_empty(captured_events):
    assert not captured_events

def test_a_malformed_event_raises(tallyroll_meter):
    with pytest.raises(tallyroll.InvalidEventError):
        tallyroll_meter.record(agent="coder")
"""


def test_users_see_what_their_code_recorded(tmp_path: Path) -> None:
    """The fixtures work without a server, and nothing of one test shows in the next."""
    (tmp_path / "test_users.py").write_text(USERS_TESTS)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tallyroll_pytest", str(tmp_path)]

    done = subprocess.run(
        command,
        cwd=tmp_path,
        # By its name alone: where the SDK is installed it would be loaded twice.
        env=os.environ | {"PYTHONPATH": SOURCE, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert "3 passed" in done.stdout, done.stdout
