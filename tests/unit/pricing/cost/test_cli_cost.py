"""`tallyrollctl cost`: prices of a model as a table."""

import re

from typer.testing import CliRunner

from services.cli import app

WIDE = {"COLUMNS": "200"}


def lines(*arguments: str) -> tuple[int, list[list[str]]]:
    """Return the exit code and the cells of each row."""
    result = CliRunner().invoke(app, ["cost", *arguments], env=WIDE)
    rows = [re.split(r"\s*│\s*", line.strip("│ ")) for line in result.output.splitlines()]
    return result.exit_code, [row for row in rows if len(row) == 4]


def test_a_cliff_has_a_row_for_each_side() -> None:
    """A model is shown with what a million units cost, short and long, and who says so."""
    code, rows = lines("gpt-5.4", "--provider", "openai", "--day", "2026-11-20")

    assert 0 == code
    assert ["input_uncached", "up to 272k", "2.5", "list"] in rows
    assert ["input_uncached", "above", "5", "list"] in rows


def test_a_day_has_its_prices() -> None:
    """The same model on another day is shown with that day's prices."""
    before = lines("claude-sonnet-4-6", "--provider", "anthropic", "--day", "2026-03-12")[1]
    after = lines("claude-sonnet-4-6", "--provider", "anthropic", "--day", "2026-03-13")[1]

    assert ["output_text", "above", "22.5", "list"] in before
    assert ["output_text", "any", "15", "list"] in after


def test_an_unknown_model_is_no_success() -> None:
    """Nothing is invented for a model that nobody knows; the exit code says so."""
    code, rows = lines("gpt-99", "--provider", "openai", "--day", "2026-11-20")

    assert 1 == code
    assert {"unpriced: unknown_model"} == {row[3] for row in rows}
