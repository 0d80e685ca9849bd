"""docs/guides/import-usage.md is run, not believed."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from tallyroll.testing import RecordingServer

PAGE = Path(__file__).parents[4] / "docs" / "guides" / "import-usage.md"


def test_the_guide_does_what_it_says(
    run: Callable[..., Result],
    server: RecordingServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its file and commands give its output, then the import of the two good lines."""
    blocks = re.findall(r"^```(\w*)\n(.*?)^```", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    (usage,) = [text for language, text in blocks if language == "csv"]
    dry, real = [text.split()[1:] for language, text in blocks if language == "console"]
    (expected,) = [text for language, text in blocks if not language]
    monkeypatch.chdir(tmp_path)
    Path("usage.csv").write_text(usage, encoding="utf-8")

    tried = run(*dry)
    assert not server.commits
    done = run(*real)

    assert expected == tried.stderr + tried.stdout
    assert (1, 1) == (tried.exit_code, done.exit_code)
    assert 2 == len(server.commits)
