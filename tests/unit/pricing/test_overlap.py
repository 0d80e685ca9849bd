"""Which charges of a plan would claim the same usage."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.pricing.domain.claims import overlapping
from services.pricing.schemas.price_book import CHARGE_MODELS, PriceBookContent
from services.pricing.schemas.validation import read_price_book
from shared.errors import TallyrollError
from tests.support.pricing_values import usage


def faults_of(content: Any) -> set[tuple[str, str]]:
    try:
        read_price_book(content)
    except TallyrollError as error:
        return {(fault.code, fault.path) for fault in error.faults}
    return set()


def matrix(key: str, *cells: dict[str, Any], **usage_filter: list[str]) -> dict[str, Any]:
    content: dict[str, Any] = {"key": key, "name": key, "model": "matrix"}
    content["cells"] = [{"unit_amount": "1", **cell} for cell in cells]
    return {**content, "usage": {"kinds": ["*"], **usage_filter}} if usage_filter else content


def unit(key: str, **usage_filter: Any) -> dict[str, Any]:
    content = {"key": key, "name": key, "model": "per_unit", "unit_amount": "1"}
    return {**content, "usage": usage_filter}


@pytest.mark.parametrize(
    ("one", "other", "meet"),
    [
        (matrix("a", {"models": ["gpt-*"]}), matrix("b", {"models": ["*-mini"]}), True),
        (matrix("a", {"models": ["gpt-*"]}), matrix("b", {"models": ["claude-*"]}), False),
        (
            matrix("a", {"models": ["gpt-*"], "kinds": ["input_*"]}),
            matrix("b", {"models": ["gpt-*"], "kinds": ["output_*"]}),
            False,
        ),
        (
            matrix("a", {"models": ["gpt-*"], "kinds": ["input_*"]}, {"kinds": ["images"]}),
            unit("b", kinds=["images"]),
            True,
        ),
        (
            matrix("a", {"models": ["gpt-*"], "kinds": ["input_*"]}),
            unit("b", kinds=["output_text"], models=["gpt-5"]),
            False,
        ),
        (
            matrix("a", {"models": ["*"]}, models=["gpt-*"]),
            unit("b", kinds=["k"], models=["x"]),
            False,
        ),
        (
            unit("a", kinds=["k"], exempt_models=["gpt-*"]),
            unit("b", kinds=["k"], models=["gpt-5", "gpt-4*"]),
            False,
        ),
        (unit("a", kinds=["k"], exempt_models=["gpt-5"]), unit("b", kinds=["k"]), True),
        (
            unit("a", kinds=["k"], models=["gpt-5"]),
            unit("b", kinds=["k"], exempt_models=["gpt-*"]),
            False,
        ),
        (
            unit("a", kinds=["k"], models=["gpt-5", "x"], exempt_models=["x"]),
            unit("b", kinds=["k"], exempt_models=["gpt-*"]),
            False,
        ),
        (unit("a", kinds=["k"], regions=["eu"]), unit("b", kinds=["k"], agents=["x"]), True),
        (
            matrix("a", {"context_bands": ["32k"]}),
            unit("b", kinds=["k"], context_bands=["unknown"]),
            False,
        ),
        ({**unit("a", kinds=["k"]), "model": "surcharge"}, unit("b", kinds=["k"]), False),
    ],
)
def test_two_charges_never_claim_the_same_usage(one: Any, other: Any, meet: bool) -> None:
    """Cells count as what they claim: a real double claim is found, a seeming one is not."""
    plan = {"key": "p", "name": "P", "charges": ["a", "b"]}
    content = {"currency": "USD", "charges": [one, other], "plans": [plan]}

    expected = {("overlapping_claims", "plans[0].charges[1]")} if meet else set()
    assert expected == faults_of(content)


VALUES = ["m", "ma", "mb", "x"]
PATTERNS = st.lists(
    st.sampled_from([*VALUES, "*", "m*", "*a"]), min_size=1, max_size=2, unique=True
)


@given(PATTERNS, PATTERNS, PATTERNS, PATTERNS, st.sampled_from([[], ["ma"], ["m*"]]))
def test_what_both_claim_is_always_found(
    cells: list[str],
    models: list[str],
    other_models: list[str],
    kinds: list[str],
    exempt: list[str],
) -> None:
    """If both charges claim some usage, they are said to overlap: nothing is billed twice."""
    raw = [
        matrix("a", {"models": cells, "kinds": kinds}, models=models),
        unit(
            "b", kinds=kinds, models=other_models, **({"exempt_models": exempt} if exempt else {})
        ),
    ]
    charges = [CHARGE_MODELS[r["model"]].model_validate(r).to_domain({}) for r in raw]
    rows = [usage(kind, 1, model=model) for kind in VALUES for model in VALUES]

    def claimed(place: int) -> set[tuple[str, str]]:
        plan = PriceBookContent.model_validate(
            {
                "currency": "USD",
                "charges": [raw[place]],
                "plans": [{"key": "p", "name": "P", "charges": [raw[place]["key"]]}],
            }
        ).plan("p")
        assert plan is not None
        found = [row for row in rows if plan.claims.positions_of(row)[0] == 0]
        return {(row.kind, row.model) for row in found}

    if claimed(0) & claimed(1):
        assert overlapping(*charges)


def test_comparing_filters_alone_would_be_caught() -> None:
    """By their filters both charges claim every kind; only their cells keep them apart."""
    one, other = (
        matrix(k, {"kinds": [kind]}, models=["m"]) for k, kind in (("a", "x"), ("b", "y"))
    )
    plan = {"key": "p", "name": "P", "charges": ["a", "b"]}

    assert one["usage"] == other["usage"]
    assert set() == faults_of({"currency": "USD", "charges": [one, other], "plans": [plan]})


def many_cells(charges: int, **cell: list[str]) -> dict[str, Any]:
    """Return a book whose matrices have 400 cells each, apart by their models."""
    cells = [[{"models": [f"m{c}-{n}"], **cell} for n in range(400)] for c in range(charges)]
    return {
        "currency": "USD",
        "charges": [matrix(f"c{c}", *found) for c, found in enumerate(cells)],
        "plans": [{"key": "p", "name": "P", "charges": [f"c{c}" for c in range(charges)]}],
    }


@pytest.mark.parametrize(
    ("content", "codes"),
    [
        (many_cells(2), set()),
        (many_cells(6), {"too_many_entries"}),
        (many_cells(3, kinds=["input_*"]), {"too_many_patterns"}),
        (many_cells(2, kinds=[f"k{n}" for n in range(25)]), {"too_many_values"}),
    ],
)
def test_a_book_that_cannot_be_checked_in_a_moment_is_refused(
    content: dict[str, Any], codes: set[str]
) -> None:
    """The pairs to compare grow with the square of the book; its size is bounded before."""
    assert codes == {code for code, _ in faults_of(content)}
