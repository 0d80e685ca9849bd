"""The golden vectors, through the runner of `tallyrollctl vectors`."""

import json
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from services.cli_vectors import RUNNERS, app
from shared.vectors import read_vectors, run_vectors

FOLDER = Path(__file__).parent / "golden"
VECTORS = list(read_vectors([FOLDER]))
KNOWN = [vector for vector in VECTORS if vector["model"] in RUNNERS]


@pytest.mark.parametrize("vector", KNOWN, ids=lambda vector: vector["id"])
def test_a_golden_vector_holds(vector: Mapping[str, Any]) -> None:
    """Each case comes out exactly as its vector says."""
    outcome = run_vectors([vector], RUNNERS)

    assert ([], 0) == (outcome.mismatches, outcome.failed)
    assert outcome.passed > 0


def test_every_model_has_a_runner() -> None:
    """Each belongs to pricing or to invoicing; none is left out."""
    assert set() == {vector["model"] for vector in VECTORS} - RUNNERS.keys()


@pytest.mark.parametrize("vector", KNOWN, ids=lambda vector: vector["id"])
def test_a_changed_expectation_is_noticed(vector: Mapping[str, Any]) -> None:
    """The runner compares: with every expected value changed, every one fails."""
    cases = []
    for case in vector["cases"]:
        expected = case["expect"] if "expect" in case else {"amount": case["amount"]}
        cases.append({**case, "expect": _changed(expected)})

    outcome = run_vectors([{**vector, "cases": cases}], RUNNERS)

    assert (0, run_vectors([vector], RUNNERS).passed) == (outcome.passed, outcome.failed)


def _changed(expected: Any) -> Any:
    if isinstance(expected, Mapping):
        return {name: _changed(value) for name, value in expected.items()}
    if isinstance(expected, list):
        return [_changed(value) for value in expected] or ["1"]
    return f"{expected}1" if "." in expected else f"{expected}.1"


def write(folder: Path, amount: str, model: str = "per_unit") -> str:
    vector = {
        "id": "own-1",
        "model": model,
        "currency": "USD",
        "price": {"unit_amount": "2"},
        "cases": [{"quantity": "3", "expect": {"amount": amount, "rounded": "6.00"}}],
    }
    path = folder / "own.json"
    path.write_text(json.dumps([vector]), encoding="utf-8")
    return str(path)


@pytest.mark.parametrize(
    ("amount", "model", "code", "lines"),
    [
        ("6", "per_unit", 0, ["2 passed, 0 failed"]),
        (
            "6.5",
            "per_unit",
            1,
            ["own-1[0].amount: expected 6.5, came to 6", "1 passed, 1 failed"],
        ),
        ("6", "other", 0, ["not run: own-1: model other is not known", "0 passed, 0 failed"]),
    ],
)
def test_the_command_prints_and_fails(
    tmp_path: Path, amount: str, model: str, code: int, lines: list[str]
) -> None:
    """Mismatches, what was not run, and a last line that counts values; 1 if one differs."""
    result = CliRunner().invoke(app, [write(tmp_path, amount, model)])

    assert (code, lines) == (result.exit_code, result.output.splitlines())


@pytest.mark.parametrize("content", ["{", "{}"])
def test_a_file_that_is_no_list_of_vectors_is_refused(tmp_path: Path, content: str) -> None:
    """What cannot be read is exit code 1 and a sentence, no traceback."""
    path = tmp_path / "bad.json"
    path.write_text(content, encoding="utf-8")

    result = CliRunner().invoke(app, [str(path)])

    assert (1, True) == (result.exit_code, "cannot read the vectors" in result.output)


@pytest.mark.parametrize("expected", [[], 6, None])
def test_what_was_not_found_is_never_what_was_expected(expected: Any) -> None:
    """An empty list that nobody returned has failed; a number that is no text is compared."""
    vector = {**VECTORS[0], "model": "own", "cases": [{"expect": {"lines": expected}}]}

    came: list[dict[str, Any]] = [{}, {"lines": []}, {"lines": Fraction(6)}]

    found = [run_vectors([vector], {"own": lambda *_, one=one: one}) for one in came]

    passed = {0: [0, 1, 0], 1: [0, 0, 1], 2: [0, 0, 0]}[[[], 6, None].index(expected)]
    assert passed == [outcome.passed for outcome in found]


def test_a_vector_that_cannot_be_run_has_failed(tmp_path: Path) -> None:
    """A missing input is a failure of each value that was expected, with the reason."""
    vector = {**VECTORS[0], "cases": [{"expect": {"amount": "1", "blocks": "1"}}]}
    outcome = run_vectors([vector], RUNNERS)

    assert (0, 2) == (outcome.passed, outcome.failed)
    assert "KeyError" in outcome.mismatches[0]
