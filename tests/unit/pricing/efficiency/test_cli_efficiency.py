"""`tallyrollctl efficiency`: what a terminal, the files and a refusal look like."""

import csv
import json
from pathlib import Path

import pytest
from typer.testing import Result

from services.pricing import cli_efficiency
from services.pricing.efficiency_files import efficiency_tables
from services.pricing.handlers.efficiency import report_of
from tests.support.pricing_cli import MadeUpApi, run_command
from tests.unit.pricing.efficiency.prices import PRICES, used
from tests.unit.pricing.efficiency.report import ASKED, ROWS, report

DAYS = ["--from", "2026-03-01", "--to", "2026-04-01"]
TABLES = ("caches", "waste", "routing", "routing-by-agent", "custom-models", "unpriced")


def _run(monkeypatch: pytest.MonkeyPatch, api: MadeUpApi, *arguments: str) -> Result:
    modules = (cli_efficiency,)
    return run_command(monkeypatch, api, modules, "efficiency", *arguments, columns=200)


def test_a_terminal_shows_all_sides_and_what_is_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Caches, waste, routing, models of one's own; retries are not known, and it says why."""
    result = _run(monkeypatch, MadeUpApi(report().model_dump_json()), *DAYS)

    assert 0 == result.exit_code
    for words in (
        "Caches saved $850.00",
        "Of $2,350.00, $300.00 was aborted and $50.00 failed.",
        "Retried: not known. What broke off or failed",
        "Known by: The tag `retry_of` on an event of a run",
        "to the small one",
        "of nothing: nobody asked for cheap, so nothing could be saved.",
        "Waste is what is known at least",
    ):
        assert words in result.output


def test_assumptions_of_a_file_are_asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As they stand; what JSON knows no value for goes as text, and is the API's to refuse."""
    file, api = tmp_path / "assumed.yaml", MadeUpApi(report().model_dump_json())
    file.write_text("cache: {hit_ratio: '0.6', reads_per_write: .nan}\nday: 2026-01-01\n")

    result = _run(monkeypatch, api, *DAYS, "--assumptions", str(file), "--tenant", "acme")

    assert 0 == result.exit_code
    assert {
        "start": "2026-03-01",
        "end": "2026-04-01",
        "tenant": "acme",
        "cache": {"hit_ratio": "0.6", "reads_per_write": "NaN"},
        "day": "2026-01-01",
    } == json.loads(api.asked[0].content)


def test_figures_and_pictures_are_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """JSON with every exact figure, a table for each kind of row, and a spec beside each PNG."""
    out, plots, text = tmp_path / "figures", tmp_path / "plots", report().model_dump_json()

    result = _run(monkeypatch, MadeUpApi(text), *DAYS, "--out", str(out), "--plots", str(plots))

    assert 0 == result.exit_code
    assert json.loads(text) == json.loads((out / "efficiency.json").read_text(encoding="utf-8"))
    assert {"efficiency.json", *(f"{name}.csv" for name in TABLES)} == _names(out)
    pictures = ("caches", "waste", "routing-1", "custom-model-1")
    assert {f"{one}.{kind}" for one in pictures for kind in ("png", "vl.json")} == _names(plots)


def test_tables_hold_what_a_spreadsheet_reads() -> None:
    """7/10 would be a day, =writer a formula; retries are not known, which is no empty cell."""
    tables = {name: _rows(text) for name, text in efficiency_tables(report()).items()}

    told = report_of(ROWS, ASKED, PRICES, [used("output_text", 2, agent="=writer")])
    known = {row["agent"]: row["retried"] for row in _rows(efficiency_tables(told)["waste"])}
    assert {"'=writer": "100", "coder": "not known"} == known
    (writer,) = [row for row in tables["waste"] if row["agent"] == "'=writer"]
    assert ("0.7", "250", "not known") == (
        *(writer["share"], writer["unused_reasoning"]),
        writer["retried"],
    )
    assert "lab/dear" == tables["routing"][0]["baseline"]
    assert ["to the small one"] * 2 == [row["policy"] for row in tables["routing-by-agent"]]
    assert ("waste", "strange") in {(row["of"], row["kind"]) for row in tables["unpriced"]}
    assert "/" not in tables["custom-models"][0]["break_even_tokens"]


def test_a_table_without_rows_has_its_header() -> None:
    """Files of an earlier answer are replaced, never left beside those of a later one."""
    empty = report().model_copy(update={"routing": [], "custom_models": []})

    tables = efficiency_tables(empty)

    assert tables["routing"].startswith("name,baseline,chosen,")
    assert 1 == len(tables["routing-by-agent"].splitlines())


def test_a_refusal_is_told_with_its_faults(monkeypatch: pytest.MonkeyPatch) -> None:
    """One line each, and exit code 1."""
    fault = {"code": "not_a_share", "path": "cache.hit_ratio", "message": "No share."}
    problem = {"code": "invalid_efficiency", "message": "No.", "faults": [fault]}

    result = _run(monkeypatch, MadeUpApi(json.dumps(problem), 400), *DAYS)

    assert 1 == result.exit_code
    assert "cache.hit_ratio: No share. (not_a_share)" in result.output


def _rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(text.splitlines()))


def _names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}
