"""What providers report, case by case: `fixtures/*.json` has payloads and the lines they are."""

import copy
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tallyroll.usage import PARTIAL, UsageLine, known_surfaces, normalise

FOLDER = Path(__file__).parent / "fixtures"
TRAPS = {
    *("advisor", "compaction", "failed fallback", "unknown iteration", "cumulative stream"),
    *("top level differs from its iterations", "cache beside the input", "missing TTL split"),
    *("unknown TTL", "cached above prompt", "modality remainder", "modality exceeds the total"),
    *("modality without a cross split", "OpenAI wire with additive cache", "rejected predictions"),
    *("xAI chat against xAI responses", "interrupted stream", "total differs", "running sum"),
    *("audio beside the prompt", "connectors beside the prompt", "total without all types"),
    *("billed units", "billed fractions", "cost beside counts", "hit and miss", "tool usage"),
    *("x_groq without streaming", "x_groq in a stream", "usage breakdown", "unknown field"),
    *("normaliser by vendor", "tokens or duration", "cumulative seconds", "usage per turn"),
    *("usage per response, not per session", "float", "text", "negative", "missing total"),
    *("missing usage",),
}
"""What goes wrong elsewhere; each is a case."""


def _cases() -> list[Any]:
    found = []
    for path in sorted(FOLDER.glob("*.json")):
        family = json.loads(path.read_text(encoding="utf-8"))
        surface = family["api_surface"]
        for provider in family["providers"]:
            for case in family["cases"]:
                name = f"{provider}-{surface}: {case['name']}"
                told = {**case, "provider": provider, "api_surface": surface}
                found.append(pytest.param(told, id=name))
    return found


CASES = _cases()


def _normalise(case: dict[str, Any]) -> list[UsageLine]:
    names = ("provider", "api_surface", "payload", "chunks", "model")
    return normalise(**{name: case[name] for name in names if name in case})


def _expected(line: dict[str, Any]) -> tuple[UsageLine, int]:
    units = {name: Decimal(text) for name, text in line.get("units", {}).items()}
    flags = frozenset(line.get("flags", []))
    return UsageLine(line["model"], line["tokens"], units, flags), line.get("line", 0)


@pytest.mark.parametrize("case", CASES)
def test_a_payload_gives_its_lines(case: dict[str, Any]) -> None:
    """Each recorded or documented shape gives the lines that were worked out by hand."""
    lines = _normalise(case)

    assert [_expected(line) for line in case["lines"]] == [(line, line.line) for line in lines]


@pytest.mark.parametrize("case", CASES)
def test_a_payload_is_left_as_it_is(case: dict[str, Any]) -> None:
    """Normalising twice gives the same, and changes nothing of what was given."""
    before = copy.deepcopy(case)

    assert _normalise(case) == _normalise(case)
    assert before == case


def _reversed_keys(value: object) -> object:
    if isinstance(value, dict):
        return {name: _reversed_keys(value[name]) for name in reversed(value)}
    return [_reversed_keys(entry) for entry in value] if isinstance(value, list) else value


@pytest.mark.parametrize("case", CASES)
def test_the_order_of_keys_tells_nothing(case: dict[str, Any]) -> None:
    """An object with its fields in another order gives the same lines, byte for byte."""
    turned = _reversed_keys(case)
    assert isinstance(turned, dict)

    assert repr(_normalise(case)) == repr(_normalise(turned))


@pytest.mark.parametrize("case", CASES)
def test_flags_say_why(case: dict[str, Any]) -> None:
    """A line that is flagged for its counts names the fields at fault, one that is not has none."""
    telling = {"unreconciled", "unknown_field"}

    assert all(bool(line.flags & telling) == bool(line.faults) for line in _normalise(case))


def test_every_surface_has_each_of_its_modes() -> None:
    """No provider's surface goes without a whole answer, a stream and one that broke off."""
    covered = {(c.values[0]["provider"], c.values[0]["api_surface"]): set() for c in CASES}
    for case in CASES:
        told = case.values[0]
        covered[told["provider"], told["api_surface"]].add(told["mode"])
    single = {"embeddings", "ocr", "rerank"}

    assert {
        (provider, surface): {"whole"} | (set() if surface in single else {"stream", "interrupted"})
        for provider, surfaces in known_surfaces().items()
        for surface in surfaces
    } == covered


def test_every_trap_is_a_case() -> None:
    """Each known way to count wrongly stands in a fixture, and no fixture's trap is unlisted."""
    assert {c.values[0]["trap"] for c in CASES if "trap" in c.values[0]} == TRAPS


def test_every_case_names_its_source_and_its_mode() -> None:
    """A fixture says where its shape is from; only what broke off is partial."""
    told = [case.values[0] for case in CASES]

    assert all(case["source"] for case in told)
    assert [] == [
        case["name"]
        for case in told
        if (case["mode"] == "interrupted")
        != any(PARTIAL in line.get("flags", []) for line in case["lines"])
    ]
