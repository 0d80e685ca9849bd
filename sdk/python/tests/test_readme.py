"""The README's example is run, not believed."""

import re
from pathlib import Path

import msgspec
import pytest

from tallyroll.testing import RecordingServer

README = Path(__file__).parents[1] / "README.md"
EXAMPLES = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)


def test_the_quickstart_works(server: RecordingServer, capsys: pytest.CaptureFixture[str]) -> None:
    """Copied as it stands, with a real endpoint and key, the example delivers its event."""
    example = EXAMPLES[0].replace("http://127.0.0.1:8001", server.endpoint).replace("…", "x")

    exec(f"{example}\nmeter.close()", {})  # noqa: S102  our own README
    assert 1 == len(server.commits)
    assert "accepted=1" in capsys.readouterr().out


def test_the_example_of_runs_works(server: RecordingServer) -> None:
    """It makes two runs, one the child of the other, all for the tenant around them."""
    (example,) = [text for text in EXAMPLES if "meter.agent" in text]
    example = example.replace("http://127.0.0.1:8001", server.endpoint).replace("…", "x")

    exec(f"{example}\nmeter.close()", {})  # noqa: S102  our own README
    events = [event for body in server.bodies for event in msgspec.json.decode(body)["events"]]
    planner, searcher, outcome = events
    assert {"acme"} == {event["tenant"] for event in events}
    assert planner["run_id"] == searcher["parent_run_id"] == outcome["run_id"]
    assert ("plan_accepted", "planner") == (outcome["outcome"]["name"], outcome["agent"])
