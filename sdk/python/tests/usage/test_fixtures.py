"""What providers report, case by case: `fixtures/*.json` has payloads and the lines they are."""

import copy
from decimal import Decimal
from typing import Any

import pytest
from sdk.python.tests.usage.cases import all_cases, as_parameters, lines_of

from tallyroll.usage import PARTIAL, UsageLine, known_surfaces

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
    *("missing usage", "several models"),
}
"""What goes wrong elsewhere; each is a case."""


CASES = all_cases()
EACH = pytest.mark.parametrize("case", as_parameters(CASES))


def _expected(line: dict[str, Any]) -> tuple[UsageLine, int]:
    units = {name: Decimal(text) for name, text in line.get("units", {}).items()}
    flags = frozenset(line.get("flags", []))
    return UsageLine(line["model"], line["tokens"], units, flags), line.get("line", 0)


@EACH
def test_a_payload_gives_its_lines(case: dict[str, Any]) -> None:
    """Each recorded or documented shape gives the lines that were worked out by hand."""
    lines = lines_of(case)

    assert [_expected(line) for line in case["lines"]] == [(line, line.line) for line in lines]


@EACH
def test_a_payload_is_left_as_it_is(case: dict[str, Any]) -> None:
    """Normalising twice gives the same, and changes nothing of what was given."""
    before = copy.deepcopy(case)

    assert lines_of(case) == lines_of(case)
    assert before == case


def _reversed_keys(value: object) -> object:
    if isinstance(value, dict):
        return {name: _reversed_keys(value[name]) for name in reversed(value)}
    return [_reversed_keys(entry) for entry in value] if isinstance(value, list) else value


@EACH
def test_the_order_of_keys_tells_nothing(case: dict[str, Any]) -> None:
    """An object with its fields in another order gives the same lines, byte for byte."""
    turned = _reversed_keys(case)
    assert isinstance(turned, dict)

    assert repr(lines_of(case)) == repr(lines_of(turned))


@EACH
def test_flags_say_why(case: dict[str, Any]) -> None:
    """A line that is flagged for its counts names the fields at fault, one that is not has none."""
    telling = {"unreconciled", "unknown_field"}

    assert all(bool(line.flags & telling) == bool(line.faults) for line in lines_of(case))


def test_every_surface_has_each_of_its_modes() -> None:
    """No provider's surface goes without a whole answer, a stream and one that broke off."""
    covered: dict[tuple[str, str], set[str]] = {}
    for case in CASES:
        covered.setdefault((case["provider"], case["api_surface"]), set()).add(case["mode"])
    single = {"embeddings", "ocr", "rerank"}

    assert {
        (provider, surface): {"whole"} | (set() if surface in single else {"stream", "interrupted"})
        for provider, surfaces in known_surfaces().items()
        for surface in surfaces
    } == covered


def test_every_trap_is_a_case() -> None:
    """Each known way to count wrongly stands in a fixture, and no fixture's trap is unlisted."""
    assert {case["trap"] for case in CASES if "trap" in case} == TRAPS


def test_every_case_names_its_source_and_its_mode() -> None:
    """A fixture says where its shape is from; only what broke off is partial."""
    assert all(case["source"] for case in CASES)
    assert [] == [
        case["name"]
        for case in CASES
        if (case["mode"] == "interrupted")
        != any(PARTIAL in line.get("flags", []) for line in case["lines"])
    ]
