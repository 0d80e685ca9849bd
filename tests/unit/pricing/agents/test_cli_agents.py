"""`tallyrollctl agents …`: what a terminal shows of agents, their runs and trees."""

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest
from typer.testing import Result

from services.pricing import cli_agents, cli_asking
from services.pricing.domain.agents.roster import AgentUse
from services.pricing.domain.agents.run_prices import RunPrices
from services.pricing.domain.agents.run_tree import RunFacts, tree_of
from services.pricing.domain.agents.versions import Version, anomalies_of
from services.pricing.domain.growth.windows import Window
from services.pricing.handlers.agent_run_list import AgentRunsAnswer
from services.pricing.handlers.agent_runs import AgentRuns
from services.pricing.handlers.agents import AgentRow, RosterAnswer, RosterQuestion
from services.pricing.handlers.growth.windows import Span
from services.pricing.handlers.run_trees import RunTreeAnswer
from services.pricing.repository.agents import Agent
from services.pricing.repository.agents import Span as People
from services.pricing.repository.runs.listing import AgentRun, RunsQuestion
from services.pricing.schemas.agents import roster_read
from services.pricing.schemas.run_tree import agent_runs_read, run_tree_read
from shared.accounts.repository import Account
from tests.support.pricing_cli import MadeUpApi, run_command

from .run_values import figures_of, run

AT = datetime(2023, 12, 5, 9, tzinfo=UTC)
DECEMBER = Window(date(2023, 12, 1), date(2024, 1, 1))
DAYS = ["--from", "2023-12-01", "--to", "2024-01-01"]


def _run(monkeypatch: pytest.MonkeyPatch, api: MadeUpApi, *arguments: str) -> Result:
    modules = (cli_agents, cli_asking)
    return run_command(monkeypatch, api, modules, "agents", *arguments, columns=220)


def _roster() -> str:
    """Return a roster of an agent whose second version costs twice as much."""
    steady = [run(cost, 1) for cost in ("0.04", "0.05")] * 10
    dear = [run("0.09", 1, calls=2, tokens=200)] * 10 + [run(0, priced=True, status="failed")]
    old = Version("1", AT, AT, figures_of(steady), None)
    new = Version("[2]", AT, AT, figures_of(dear), None)
    versions = [old, Version("[2]", AT, AT, new.now, None, anomalies_of(new, [old]))]
    runs = AgentRuns(figures_of([*steady, *dear]), None, versions)
    nothing = AgentUse()
    days = (DECEMBER.first, DECEMBER.first)
    row = AgentRow(Agent("acme", "bot"), days, nothing, nothing, Fraction(0), 0, runs, card=None)
    question = RosterQuestion(Span(DECEMBER.first, DECEMBER.end))
    answer = RosterAnswer(question, DECEMBER.before(), DECEMBER, None, None, 0, People(2, 3), [row])
    read = roster_read(answer, top=5, runs_from=DECEMBER.first)
    return read.model_dump_json(by_alias=True)


def test_the_roster_in_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs, outcomes by source, versions, what is wrong with one, and who is nobody's."""
    api = MadeUpApi(_roster())

    result = _run(monkeypatch, api, *DAYS)

    assert 0 == result.exit_code, result.output
    for words in (
        *("96.77 (", "0.045", "measured", "acme/bot 1", "acme/bot [2]"),
        "acme/bot [2]: resolved costs 0.09, outside 0.04",
        "most by calls of a run: 1 → 1.91",
        *("survivorship", "in use, and nobody's: acme/bot"),
    ):
        assert words in result.output
    assert {"from": "2023-12-01", "format": "json", "top": "100"}.items() <= dict(
        api.asked[0].url.params
    ).items()


def test_the_roster_as_a_picture(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A folder gets the plot and its spec."""
    result = _run(monkeypatch, MadeUpApi(_roster()), *DAYS, "--plots", str(tmp_path))

    assert 0 == result.exit_code, result.output
    assert {"agents.png", "agents.vl.json"} == {path.name for path in tmp_path.iterdir()}


def test_days_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without them nothing is asked, and the reason is told."""
    api = MadeUpApi("{}")

    result = _run(monkeypatch, api)

    assert 2 == result.exit_code
    assert [] == api.asked
    assert "--from and --to" in result.output


def _tree(runs: int = 3) -> str:
    facts = {
        str(n): RunFacts(
            str(n),
            "gone" if n == 0 else str(n - 1),
            [("[bot]", "2")],
            "failed" if n else "completed",
            AT,
            AT + timedelta(seconds=90),
            1,
            cost=Fraction(1, 50),
            unpriced={"pages": Fraction(1)} if n == 1 else {},
        )
        for n in range(runs)
    }
    answer = RunTreeAnswer("globex", "1", tree_of(facts, "1"), truncated=True)
    return run_tree_read(answer).model_dump_json()


def test_a_tree_in_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names are text; what was never seen, is unlinked or has no price is said."""
    api = MadeUpApi(_tree())

    result = _run(monkeypatch, api, "run", "a/1", "--tenant", "globex", "--levels", "2")

    assert 0 == result.exit_code, result.output
    for words in (
        *("gone: 0.06 US dollars and what has no price", "(never seen itself)"),
        *("0  [bot] 2  completed  own 0.02", "tree 0.06 + unpriced", "90 s", "unlinked"),
        *("own 0.02 + unpriced", "1 runs further down", "sums lack them"),
    ):
        assert words in result.output
    assert "/v1/runs/a/1/cost" == api.asked[0].url.path


def test_a_deep_tree_fits_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand levels: the first ones are shown."""
    result = _run(monkeypatch, MadeUpApi(_tree(1_000)), "run", "1", "--tenant", "globex")

    assert 0 == result.exit_code
    assert "992 runs further down" in result.output


def test_runs_in_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """One a line, with what its own calls cost."""
    own = AgentRun(
        *("globex", "r1", "", ["1"], "failed", AT, AT, 3),
        *(Decimal(5_000), Decimal(9), True, 1),
    )
    question = RunsQuestion(Account("v", "test"), "bot", DECEMBER)
    answer = AgentRunsAnswer(question, RunPrices([], [], 100), [own], more=True)
    api = MadeUpApi(agent_runs_read(answer).model_dump_json())

    result = _run(monkeypatch, api, "runs", "bot", *DAYS)

    assert 0 == result.exit_code, result.output
    for words in ("globex/r1", "2023-12-05 09:00:00", "5,000", "0.09 + unpriced", "there are more"):
        assert words in result.output


def test_a_card_is_set_and_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is left out is sent as nothing: the card is replaced as a whole."""
    api = MadeUpApi(json.dumps({"owner": "Ada", "status": "paused"}))

    written = _run(monkeypatch, api, "set", "team/bot", "--owner", "Ada", "--status", "paused")
    shown = _run(monkeypatch, api, "card", "team/bot", "--tenant", "globex")

    assert "team/bot: Ada, paused" in written.output
    assert '"owner": "Ada"' in shown.output
    put, got = api.asked
    assert ("PUT", "/v1/agents/team/bot") == (put.method, put.url.path)
    assert {
        "tenant": None,
        "owner": "Ada",
        "team": None,
        "status": "paused",
        "purpose": None,
    } == json.loads(put.content)
    assert "globex" == got.url.params["tenant"]


@pytest.mark.parametrize(
    "arguments",
    [
        DAYS,
        ["set", "bot"],
        ["card", "bot"],
        ["runs", "bot", *DAYS],
        ["run", "r", "--tenant", "globex"],
    ],
    ids=lambda one: one[0],
)
def test_a_refusal_is_told(monkeypatch: pytest.MonkeyPatch, arguments: list[str]) -> None:
    """In a sentence, with exit code 1."""
    problem = {"code": "unknown_run", "message": "There is no run 'r'."}

    result = _run(monkeypatch, MadeUpApi(json.dumps(problem), 404), *arguments)

    assert 1 == result.exit_code
    assert "There is no run 'r'." in result.output
