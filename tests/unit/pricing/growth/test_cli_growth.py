"""`tallyrollctl growth` and `contribution`: what a terminal, a file and a refusal look like."""

import json
from datetime import date
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from services.pricing import cli_asking, cli_growth
from services.pricing.domain.growth.cohorts import UnitUse
from services.pricing.domain.growth.contribution import Part, contributions
from services.pricing.domain.growth.factors import Cell
from services.pricing.domain.growth.growth import Side, growth_of_revenue, growth_of_tokens
from services.pricing.domain.growth.windows import Window
from services.pricing.growth_files import growth_csv
from services.pricing.growth_words import number
from services.pricing.handlers.growth.contribution import (
    ContributionAnswer,
    ContributionQuestion,
)
from services.pricing.handlers.growth.growth import GrowthAnswer, GrowthQuestion
from services.pricing.handlers.growth.windows import Span
from services.pricing.schemas.growth.contribution import contributions_read
from services.pricing.schemas.growth.growth import GrowthRead, growth_read
from tests.support.pricing_cli import MadeUpApi, run_command

CELL = Cell("small", "output_text")
OCTOBER = Window(date(2023, 10, 1), date(2023, 11, 1))
NOVEMBER = Window(date(2023, 11, 1), date(2023, 12, 1))
DAYS = ["--from", "2023-11-01", "--to", "2023-12-01"]
PNG = b"\x89PNG\r\n\x1a\n"
SPAN = Span(NOVEMBER.first, NOVEMBER.end)


def _side(tokens: int, users: int, fees: int = 0) -> Side:
    units = {f"acme/{n}": UnitUse("acme", 2, {CELL: Fraction(tokens)}, {}) for n in range(users)}
    revenue = {"acme": {CELL: Fraction(tokens * users, 10)}}
    return Side(units, token_revenue=revenue, fees=Fraction(fees))


def _growth(of: str) -> GrowthRead:
    grow = growth_of_tokens if of == "tokens" else growth_of_revenue
    growth = grow(_side(100, 40, 50), _side(150, 60, 80), ())
    question = GrowthQuestion(SPAN, "tokens" if of == "tokens" else "revenue")
    currency = None if of == "tokens" else "USD"
    return growth_read(GrowthAnswer(question, OCTOBER, NOVEMBER, growth, currency, None, 2, (0, 1)))


def _contribution() -> str:
    parts = [Part("acme", Fraction(150), Fraction(300)), Part("[b]", Fraction(0), Fraction(-1))]
    pairs = [(OCTOBER, NOVEMBER, contributions(parts))]
    unpriced = {
        OCTOBER: {"[audio]_seconds": Fraction(3)},
        NOVEMBER: {"output_text": Fraction(7)},
    }
    question = ContributionQuestion(SPAN)
    answer = ContributionAnswer(question, pairs, "USD", date(2023, 11, 30), 0, unpriced)
    return contributions_read(answer).model_dump_json(by_alias=True)


def _run(monkeypatch: pytest.MonkeyPatch, api: MadeUpApi, *arguments: str) -> Result:
    modules = (cli_growth, cli_asking)
    return run_command(monkeypatch, api, modules, *arguments, columns=160)


def test_tokens_in_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole, effects in words, depth by part, cohorts, and what is not there yet."""
    api = MadeUpApi(_growth("tokens").model_dump_json(by_alias=True))

    result = _run(monkeypatch, api, "growth", "show", *DAYS)

    assert 0 == result.exit_code
    assert "tokens, 2023-10-01 to 2023-12-01: 4,000 → 9,000, 5,000 (125 %)" in result.output
    assert "more or fewer users" in result.output
    assert "2,500.00" not in result.output
    for words in ("by cohort", "kept", "sealed through no day yet", "2 subscriptions"):
        assert words in result.output
    asked = dict(api.asked[0].url.params)
    assert {"from": "2023-11-01", "of": "tokens", "format": "json"}.items() <= asked.items()
    assert "base_from" not in asked


def test_what_adds_up_in_the_answer_adds_up_on_the_screen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Effects of revenue and the fees beside them sum to the change that is printed."""
    read = _growth("revenue")

    result = _run(
        monkeypatch, MadeUpApi(read.model_dump_json(by_alias=True)), "growth", "show", *DAYS
    )

    assert 530 == sum(Fraction(one.amount) for one in read.effects)
    assert "revenue in USD, 2023-10-01 to 2023-12-01: 450 → 980, 530 (117.78 %)" in result.output
    assert "due by days: fees, seats, true-ups" in result.output


def test_contribution_in_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Points, shares and growth without; names are text, whatever they look like."""
    result = _run(monkeypatch, MadeUpApi(_contribution()), "contribution", *DAYS, "--each", "month")

    assert 0 == result.exit_code
    assert "growth 99.33 %" in result.output
    assert "[b]" in result.output
    assert "Tokens without a known cost, in no figure: 0 → 7" in result.output
    assert "Without a known cost, in no figure: [audio]_seconds, 3 → 0" in result.output


def test_other_forms_are_the_apis_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """To standard output or to a file, byte by byte."""
    text = growth_csv(_growth("tokens"))
    out = tmp_path / "growth.csv"

    shown = _run(monkeypatch, MadeUpApi(text), "growth", "show", *DAYS, "--format", "csv")
    kept = _run(
        monkeypatch, MadeUpApi(text), "growth", "show", *DAYS, "--format", "csv", "--out", str(out)
    )

    assert text.replace("\r\n", "\n") == shown.output.replace("\r\n", "\n")
    assert ("", text.encode()) == (kept.output, out.read_bytes())


@pytest.mark.parametrize("form", ["table", "json", "csv"])
def test_pictures_are_files_beside_the_answer(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, form: str
) -> None:
    """A spec and a PNG, named as the answer, in whatever form that is told; from one answer.

    Only a form that holds no figures by name needs a second one.
    """
    api = MadeUpApi(_contribution())

    command = ["contribution", *DAYS, "--format", form, "--plots", str(tmp_path / "new")]
    result = _run(monkeypatch, api, *command)

    assert 0 == result.exit_code
    assert ["contribution.png", "contribution.vl.json"] == sorted(
        path.name for path in (tmp_path / "new").iterdir()
    )
    assert (tmp_path / "new" / "contribution.png").read_bytes().startswith(PNG)
    assert (2 if form == "csv" else 1) == len(api.asked)


def test_a_refusal_is_told_with_its_faults(monkeypatch: pytest.MonkeyPatch) -> None:
    """One line each, and exit code 1."""
    fault = {"code": "invalid_window", "path": "to", "message": "Too long."}
    problem = {"code": "invalid_window", "message": "Too long.", "faults": [fault]}

    result = _run(monkeypatch, MadeUpApi(json.dumps(problem), 400), "growth", "show", *DAYS)

    assert 1 == result.exit_code
    assert "invalid_window: Too long." in result.output
    assert "to: Too long. (invalid_window)" in result.output


CSV = "tenant,user,trained_on,program\nacme,ada,2023-12-10,\nacme,bob,,agents\n"
ENTRIES: list[dict[str, Any]] = [
    {"tenant": "acme", "user": "ada", "program": "training", "trained_on": "2023-12-10"},
    {"tenant": "acme", "user": "bob", "program": "agents", "trained_on": None},
]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("trained.csv", CSV),
        ("trained.csv", "\ufeff" + CSV),
        ("trained.json", json.dumps(ENTRIES)),
        ("trained.json", json.dumps({"trainings": ENTRIES})),
    ],
)
def test_a_file_of_trainings_is_sent(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, text: str
) -> None:
    """CSV as spreadsheets write it, or JSON; an empty day takes back."""
    file, api = tmp_path / name, MadeUpApi('{"entries": [1]}', 201)
    file.write_text(text, encoding="utf-8")

    result = _run(monkeypatch, api, "growth", "trained", str(file))

    assert "trainings: 1 entries added, 1 stood already\n" == result.output
    assert {"trainings": ENTRIES} == json.loads(api.asked[0].content)


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("a.csv", "tenant,user\nacme,ada\n", ["line 2, trained_on"]),
        ("a.csv", "tenant,user,trained_on\nACME,ada,soon\n", ["line 2, tenant", "line 2, trained"]),
        ("a.csv", "tenant,user,trained_on\nacme,ada,2023-12-10,x\n", ["line 2, (beyond the"]),
        ("a.csv", "", ["no entries"]),
        ("a.json", "{", ["no JSON"]),
        ("a.json", '{"trained": []}', ["a list `trainings`"]),
        ("a.json", "[1]", ["entry 1"]),
        ("missing.csv", None, ["cannot be read"]),
    ],
)
def test_a_faulty_file_writes_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, text: str | None, told: list[str]
) -> None:
    """All faults at once, each with its line; the API is not asked."""
    file, api = tmp_path / name, MadeUpApi("{}")
    if text is not None:
        file.write_text(text, encoding="utf-8")

    result = _run(monkeypatch, api, "growth", "trained", str(file))

    assert (1, []) == (result.exit_code, api.asked)
    assert [] == [words for words in told if words not in result.output]


def test_a_fault_of_the_api_has_the_line_of_the_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Its entry 1 is the file's line 3."""
    file = tmp_path / "segments.csv"
    file.write_text("tenant,segment\nacme,small\nnobody,\n", encoding="utf-8")
    fault = {"code": "unknown_tenant", "path": "segments[1].tenant", "message": "Unknown."}
    problem = {"code": "unknown_tenant", "message": "No.", "faults": [fault]}

    result = _run(monkeypatch, MadeUpApi(json.dumps(problem), 404), "growth", "segments", str(file))

    assert 1 == result.exit_code
    assert "line 3, tenant: Unknown. (unknown_tenant)" in result.output


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("1234567", "1,234,567"),
        ("-1234.5", "-1,234.50"),
        ("0.005", "0.01"),
        ("-0.995", "-1.00"),
        ("12.994999999", "12.99"),
        (None, "n/a"),
    ],
)
def test_numbers_for_people(text: str | None, shown: str) -> None:
    """Two places, half away from zero, thousands apart."""
    assert shown == number(text)
