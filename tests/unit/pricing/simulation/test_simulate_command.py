"""`tallyrollctl simulate`: how plans are named, and what a terminal shows of a result."""

import io

import pytest
import typer
from rich.console import Console

from services.pricing.cli_simulate import _choice, show_result

from .test_plots import EVEN, MOVES, result


def test_a_plan_is_named_with_or_without_its_version() -> None:
    """Without a version it is the newest one, which the API finds."""
    named = {"price_book": "agents", "plan": "team", "version": 3}

    assert named == _choice("agents/team@3")
    assert named | {"version": None} == _choice("agents/team")


@pytest.mark.parametrize("text", ["team", "agents/team@", "agents/team@x", "a/b/c", "Agents/team"])
def test_anything_else_names_no_plan(text: str) -> None:
    """It is refused before anything is asked."""
    with pytest.raises(typer.BadParameter):
        _choice(text)


def test_a_terminal_shows_what_decides() -> None:
    """Plans with revenue, cost and people; where a seat breaks even; the move; who is left out."""
    found = result(
        seats=[EVEN],
        migration=MOVES,
        left_out={"umbrella": "pays in another currency than USD"},
        assumptions=["Usage is that of the past."],
    )
    text = io.StringIO()

    show_result(Console(file=text, width=200), found.model_dump(mode="json"))

    shown = text.getvalue()
    for words in (
        "1 tenants, 2023-11-01 to 2023-12-01, USD",
        "b/usage",
        "A seat of b/seats brings in 20; its usage costs as much",
        "at 2,500 tokens a month, 2.5 x the mean person's",
        "b/usage costs as much at no amount of usage",
        "Moving to b/usage costs 1 in 1 periods: 1 capped.",
        "Left out: umbrella, pays in another currency than USD.",
        "Usage is that of the past.",
    ):
        assert words in shown
