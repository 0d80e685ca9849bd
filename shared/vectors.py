"""Golden vectors: what each case must come out as, compared value by value.

Each service translates the models that it owns into its own values; what runs them decides nothing.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

from shared.currencies import Currency
from shared.money import format_shown, parse_exact

Vector = Mapping[str, Any]
Case = Mapping[str, Any]
Results = dict[str, Any]
Runner = Callable[[Vector, Case], Results]
"""Returns everything that a case of a model may expect."""


def major(minor_units: int, currency: Currency) -> Decimal:
    """Return minor units in major ones."""
    return Decimal(minor_units).scaleb(-currency.exponent)


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


def run_vectors(vectors: Iterable[Vector], runners: Mapping[str, Runner]) -> Outcome:
    """Run every case of every vector; a model without a runner is named, and not counted."""
    outcome = Outcome()
    for vector in vectors:
        runner = runners.get(vector["model"])
        if runner is None:
            outcome.not_run.append(f"{vector['id']}: model {vector['model']} is not known")
            continue
        for place, case in enumerate(vector["cases"]):
            _run_case(outcome, vector, case, name=f"{vector['id']}[{place}]", runner=runner)
    return outcome


def _run_case(outcome: Outcome, vector: Vector, case: Case, *, name: str, runner: Runner) -> None:
    expected = case["expect"] if "expect" in case else {"amount": case["amount"]}
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
            return parse_exact(str(expected)) == Fraction(found)
        except ValueError:
            return False
    return isinstance(found, str) and found == expected


def _shown(found: Any) -> str:
    if isinstance(found, Fraction | Decimal | int):
        return format_shown(Fraction(found))
    return "nothing" if found is None else str(found)
