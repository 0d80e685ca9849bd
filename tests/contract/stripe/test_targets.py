"""Who is asked: what is not there makes no test, and none is skipped."""

from pathlib import Path

import pytest

from tests.support import stripe_targets


def _without_tools(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setattr(stripe_targets, "TOOLS", folder)
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.delenv(stripe_targets.KEY, raising=False)


def test_without_go_and_key_only_the_simulator_answers(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Neither a toolchain nor a key: the simulator alone, always."""
    _without_tools(monkeypatch, tmp_path)

    assert ["simulator"] == stripe_targets.available_targets()


@pytest.mark.parametrize(("key", "asked"), [("sk_test_1", True), ("sk_live_1", False), ("", False)])
def test_only_a_test_key_asks_stripe(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, key: str, *, asked: bool
) -> None:
    """A live key never runs the suite."""
    _without_tools(monkeypatch, tmp_path)
    monkeypatch.setenv(stripe_targets.KEY, key)

    assert asked == ("stripe" in stripe_targets.available_targets())


def test_a_toolchain_that_cannot_build_is_no_target(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Go without a way to its modules: no test, no failure."""
    _without_tools(monkeypatch, tmp_path)
    go = tmp_path / "go"
    go.write_text("#!/bin/false\n")
    go.chmod(0o755)

    assert ["simulator"] == stripe_targets.available_targets()
