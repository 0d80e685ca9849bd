"""The ten vendor shapes: each case's figures come out of the functions that bill, exactly."""

import json

import pytest
from typer.testing import CliRunner

from services.cli import app
from services.pricing.schemas.validation import read_price_book
from tests.support.example_books import BOOKS, FOLDER, Figures, amounts, book_file, figures

FIGURES = figures()
CASE_KEYS = {
    *("case", "plan", "start", "end", "seats", "seat_changes", "seat_usage", "seat_holders"),
    "usage",
    *("lines", "unrated", "blocked", "total"),
}


def test_there_are_ten_shapes() -> None:
    """Each of the ten has a book and figures."""
    assert 10 == len(BOOKS)
    assert BOOKS == sorted(path.stem for path in (FOLDER / "figures").glob("*.yaml"))
    assert set(BOOKS) == {one.book for one in FIGURES}


@pytest.mark.parametrize("one", FIGURES, ids=str)
def test_the_figures_of_a_shape(one: Figures) -> None:
    """Lines, total, what is unrated and what was blocked are as computed by hand."""
    rated = one.rate()

    assert amounts(one.case["lines"]) == {
        line.charge: line.amount for line in rated.lines if line.amount
    }
    assert amounts({"total": one.case["total"]}) == {"total": rated.total}
    assert amounts(one.case.get("unrated", {})) == {row.kind: row.quantity for row in rated.unrated}
    blocked = {line.charge: line.blocked for line in rated.lines if line.blocked}
    assert "blocked" not in one.case or amounts(one.case["blocked"]) == blocked
    assert set(one.case) <= CASE_KEYS


@pytest.mark.parametrize("book", BOOKS)
def test_every_plan_of_the_shapes_with_figures_can_be_rated(book: str) -> None:
    """A plan that no case reaches is at least made of charges that exist and can be built."""
    content = book_file(book).content

    assert all(content.plan(plan.key) for plan in content.plans)
    assert {charge.key for charge in content.charges} == {
        key for plan in content.plans for key in plan.charges
    }


def test_a_price_that_changes_shows_in_the_figures() -> None:
    """The figures can fail: with another price of a credit they are no longer met."""
    one = next(one for one in FIGURES if one.book == "github-copilot")
    file = book_file(one.book)
    raw = json.loads(json.dumps(file.raw).replace('"0.01"', '"0.02"'))

    changed = one.rate(read_price_book(raw))

    assert amounts({"total": one.case["total"]}) == {"total": one.rate().total}
    assert one.rate().total + 10 == changed.total


def test_the_files_are_valid_for_the_command() -> None:
    """What a vendor would type says so of each."""
    paths = [str(FOLDER / f"{book}.yaml") for book in BOOKS]

    result = CliRunner().invoke(app, ["pricebook", "validate", *paths])

    assert (0, 10) == (result.exit_code, result.output.count("is valid"))
