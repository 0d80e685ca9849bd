"""The fixtures as test parameters."""

import json
from pathlib import Path
from typing import Any

import pytest

from tallyroll.usage import UsageLine, normalise

FOLDER = Path(__file__).parent / "fixtures"


def all_cases() -> list[dict[str, Any]]:
    """Return every case of every provider that it holds for."""
    found = []
    for path in sorted(FOLDER.glob("*.json")):
        family = json.loads(path.read_text(encoding="utf-8"))
        for provider in family["providers"]:
            place = {"provider": provider, "api_surface": family["api_surface"]}
            found += [{**case, **place} for case in family["cases"]]
    return found


def as_parameters(cases: list[dict[str, Any]]) -> list[Any]:
    """Return cases as parameters that are named after them."""
    return [pytest.param(case, id=title(case)) for case in cases]


def title(case: dict[str, Any]) -> str:
    """Return what a case is called."""
    return f"{case['provider']} {case['api_surface']}: {case['name']}"


def lines_of(case: dict[str, Any]) -> list[UsageLine]:
    """Return what a case's payload or chunks are normalised to."""
    names = ("provider", "api_surface", "payload", "chunks", "model")
    return normalise(**{name: case[name] for name in names if name in case})
