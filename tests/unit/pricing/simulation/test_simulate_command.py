"""`tallyrollctl simulate`: how plans are named, and what a terminal shows of a result."""

import asyncio
import io

import httpx
import pytest
import typer
from rich.console import Console

from services.pricing import cli_simulate
from services.pricing.cli_simulate import _choice, _run, show_result

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


async def test_a_command_that_is_stopped_says_where_its_result_will_be(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The simulation goes on without it: nothing is lost with the terminal."""
    looked = asyncio.Event()

    def answer(request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            looked.set()
        return httpx.Response(200, json={"simulation_id": "s-1", "state": "running"})

    def connect(url: str, api_key: str) -> httpx.AsyncClient:
        del api_key
        return httpx.AsyncClient(base_url=url, transport=httpx.MockTransport(answer))

    monkeypatch.setattr(cli_simulate, "connect", connect)
    running = asyncio.create_task(_run("http://pricing", "k", {}))
    await looked.wait()
    running.cancel()

    with pytest.raises(asyncio.CancelledError):
        await running
    assert "http://pricing/v1/simulations/s-1/result" in capsys.readouterr().err
