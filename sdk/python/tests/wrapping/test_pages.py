"""The pages about providers: the tests that they name exist, and ran with the version they name."""

import re
from importlib.metadata import version
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[4]
PAGES = sorted((ROOT / "docs" / "reference" / "providers").glob("*.md"))
TESTS = re.compile(r"^(?:async )?def (test_\w+)", re.MULTILINE)
NAMED = re.compile(r"`(test_\w+)`")
RAN_WITH = re.compile(r"^With `([\w-]+)` (\d+\.\d+)", re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_mode_that_is_listed_has_run(page: Path) -> None:
    """Each test that a page names is one of the tests of wrapped clients."""
    files = Path(__file__).parent.rglob("test_*.py")
    known = {name for file in files for name in TESTS.findall(file.read_text(encoding="utf-8"))}
    assert set(NAMED.findall(page.read_text(encoding="utf-8"))) - known == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_it_has_run_with_that_version(page: Path) -> None:
    """The version of a provider's SDK that a page names is the one that the tests run with."""
    for package, named in RAN_WITH.findall(page.read_text(encoding="utf-8")):
        assert version(package).startswith(f"{named}.")


def test_the_table_of_addresses_is_complete() -> None:
    """Every known host is in the table, and none that is unknown."""
    from tallyroll.wrapping.hosts import HOSTS  # noqa: PLC0415  the page, not the package, is tested

    text = (ROOT / "docs" / "reference" / "providers" / "openai-compatible.md").read_text(encoding="utf-8")
    rows = [row.split("|") for row in text.splitlines() if row.startswith("| `")]
    told = {
        host.replace("*", ""): re.findall(r"`([\w.]+)`", row[2])[0]
        for row in rows[: rows.index(next(row for row in rows if "snowflake" in row[1])) + 1]
        for host in re.findall(r"`([\w.*]+)`", row[1])
    }
    assert told == HOSTS
