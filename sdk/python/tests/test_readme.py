"""The README's example is run, not believed."""

import re
from pathlib import Path

import pytest

from tallyroll.testing import RecordingServer

README = Path(__file__).parents[1] / "README.md"


def test_the_quickstart_works(server: RecordingServer, capsys: pytest.CaptureFixture[str]) -> None:
    """Copied as it stands, with a real endpoint and key, the example delivers its event."""
    example = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)[0]
    example = example.replace("http://127.0.0.1:8001", server.endpoint).replace("…", "x")

    exec(f"{example}\nmeter.close()", {})  # noqa: S102  our own README
    assert 1 == len(server.commits)
    assert "accepted=1" in capsys.readouterr().out
