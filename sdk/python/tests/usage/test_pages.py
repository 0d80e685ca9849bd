"""The pages that explain usage: their examples run, their table has every surface."""

import re
from pathlib import Path

from tallyroll.usage import known_surfaces, lines

README = Path(__file__).parents[2] / "README.md"
REFERENCE = Path(__file__).parents[4] / "docs/reference/token-usage.md"
EXAMPLE = re.compile(r"```python\n(.*?)```", re.DOTALL)


def _rows() -> list[list[str]]:
    text = REFERENCE.read_text(encoding="utf-8")
    return [row.split("|")[1:-1] for row in text.splitlines() if row.startswith("| `")]


def test_the_examples_are_true() -> None:
    """What the pages assert of usage holds."""
    examples = [
        example
        for page in (README, REFERENCE)
        for example in EXAMPLE.findall(page.read_text(encoding="utf-8"))
        if "normalise" in example
    ]

    assert 2 == len(examples)
    for example in examples:
        exec(example, {})  # noqa: S102  our own pages


def test_the_table_has_every_surface_once() -> None:
    """A provider's surface is explained in one row, and no row is of one that is not known."""
    told = [
        (provider, surface)
        for row in _rows()
        if len(row) == 6
        for provider in re.findall(r"`([^`]+)`", row[0])
        for surface in re.findall(r"`([^`]+)`", row[1])
    ]

    assert sorted(told) == sorted(
        (provider, surface)
        for provider, surfaces in known_surfaces().items()
        for surface in surfaces
    )


def test_the_page_has_every_flag() -> None:
    """Each flag that a line can have is explained."""
    flags = {value for name, value in vars(lines).items() if name.isupper()}

    assert flags == {row[0].strip(" `") for row in _rows() if len(row) == 2}
