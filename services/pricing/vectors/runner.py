"""Runs vectors and compares what comes out with what they expect, value by value."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

from services.pricing.vectors import by_period, by_quantity, by_usage, included, rounding
from services.pricing.vectors.case import Case, Results, Runner, Vector, number
from shared.money import format_shown

RUNNERS: dict[str, Runner] = {
    **by_quantity.RUNNERS,
    **by_usage.RUNNERS,
    **by_period.RUNNERS,
    **included.RUNNERS,
    **rounding.RUNNERS,
}
"""Model → what translates a case into values of the domain and rates it."""

OWNED_BY_INVOICING = frozenset({"credit_note", "progressive", "tax", "discount"})
TAX_RESULTS: dict[str, frozenset[str]] = {
    "minimum": frozenset({"tax", "total_with_tax"}),
    "prorated_fee": frozenset({"tax", "total"}),
}
"""Results of a model that are taxes, or hold them: invoicing's, too."""


@dataclass
class Outcome:
    """What a run came to; counted are expected values."""

    passed: int = 0
    failed: int = 0
    mismatches: list[str] = field(default_factory=list)
    not_run: list[str] = field(default_factory=list)


def read_vectors(paths: Iterable[Path]) -> Iterator[Vector]:
    """Return the vectors of files, and of the JSON files of folders, by name.

    Raises OSError or ValueError for what is not there or is no list of vectors.
    """
    for path in paths:
        for file in sorted(path.glob("*.json")) if path.is_dir() else [path]:
            content = json.loads(file.read_text(encoding="utf-8"))
            if not isinstance(content, list):
                raise ValueError(f"{file} is no list of vectors")  # noqa: TRY004 - bad content
            yield from content


def run_vectors(vectors: Iterable[Vector], runners: Mapping[str, Runner] | None = None) -> Outcome:
    """Run every case of every vector; a model without a runner is named, and not counted."""
    outcome = Outcome()
    known = RUNNERS if runners is None else runners
    for vector in vectors:
        runner = known.get(vector["model"])
        if runner is None:
            owner = "invoicing's" if vector["model"] in OWNED_BY_INVOICING else "unknown"
            outcome.not_run.append(f"{vector['id']}: model {vector['model']} ({owner})")
            continue
        for place, case in enumerate(vector["cases"]):
            _run_case(outcome, vector, case, name=f"{vector['id']}[{place}]", runner=runner)
    return outcome


def _run_case(outcome: Outcome, vector: Vector, case: Case, *, name: str, runner: Runner) -> None:
    expected = dict(case["expect"] if "expect" in case else {"amount": case["amount"]})
    for result in sorted(TAX_RESULTS.get(vector["model"], ())) if "tax" in expected else ():
        if expected.pop(result, None) is not None:
            outcome.not_run.append(f"{name}.{result}: tax (invoicing's)")
    try:
        found: Results = runner(vector, case)
    except Exception as error:  # noqa: BLE001 - a vector that cannot be run is a failed one
        found = {}
        outcome.mismatches.append(f"{name}: {type(error).__name__}: {error}")
    for path, value, came in _values(expected, found, name):
        if _equal(value, came):
            outcome.passed += 1
        else:
            outcome.failed += 1
            outcome.mismatches.append(f"{path}: expected {value}, came to {_shown(came)}")


def _values(expected: Any, found: Any, path: str) -> Iterator[tuple[str, Any, Any]]:
    """Return (place, expected, found) of each single value that is expected."""
    if isinstance(expected, Mapping):
        for name, value in expected.items():
            came = found.get(name) if isinstance(found, Mapping) else None
            yield from _values(value, came, f"{path}.{name}")
    elif isinstance(expected, list):
        came = found if isinstance(found, list) else []
        if len(came) > len(expected) or not expected:
            length = Fraction(len(came)) if isinstance(found, list) else None
            yield f"{path}.length", str(len(expected)), length
        for place, value in enumerate(expected):
            one = came[place] if place < len(came) else None
            yield from _values(value, one, f"{path}[{place}]")
    else:
        yield path, expected, found


def _equal(expected: Any, found: Any) -> bool:
    if isinstance(found, Fraction | Decimal | int):
        try:
            return number(str(expected)) == Fraction(found)
        except ValueError:
            return False
    return isinstance(found, str) and found == expected


def _shown(found: Any) -> str:
    if isinstance(found, Fraction | Decimal | int):
        return format_shown(Fraction(found))
    return "nothing" if found is None else str(found)
