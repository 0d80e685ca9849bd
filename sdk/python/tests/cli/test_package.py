"""The package stays light, and the command says what is missing."""

import subprocess
import sys
from pathlib import Path

SOURCE = str(Path(__file__).parents[2] / "src")


def _python(program: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    begin = f"import sys; sys.path.insert(0, {SOURCE!r})\n"
    command = [sys.executable, "-c", begin + program, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_the_package_imports_neither_typer_nor_rich() -> None:
    """Whoever only meters does not pay for the command line; the plugin loads no package."""
    program = """
import tallyroll_pytest
assert "tallyroll" not in sys.modules
import tallyroll, tallyroll.testing, tallyroll.cli
assert not {"typer", "rich"} & sys.modules.keys() - before
"""
    done = _python("import pytest; before = set(sys.modules)\n" + program)

    assert "" == done.stderr


def test_without_the_extra_it_says_what_to_install() -> None:
    """No traceback where typer is missing."""
    program = 'sys.modules["typer"] = None\nfrom tallyroll.cli import main\nmain()'

    done = _python(program)

    assert 1 == done.returncode
    assert "pip install 'tallyroll[cli]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_help_tells_the_exit_codes() -> None:
    """`python -m tallyroll --help` documents what a script needs."""
    done = _python('import runpy; runpy.run_module("tallyroll", run_name="__main__")', "--help")

    assert 0 == done.returncode, done.stderr
    assert "130" in done.stdout
    assert "run it again" in done.stdout
