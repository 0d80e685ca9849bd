"""The gate names every difference between what we sent and what Stripe holds."""

from dataclasses import replace
from typing import Any

import pytest

from services.invoicing.domain.gate import (
    ExpectedDraft,
    ObservedDraft,
    compare_lines,
    differences,
)

EXPECTED = ExpectedDraft("key", "USD", 300, (("a", 100), ("b", 200)), "hash")
OBSERVED = ObservedDraft("draft", "key", "usd", 300, 0, (("a", 100), ("b", 200)), "hash")


def test_what_is_equal_passes() -> None:
    """No difference, whatever the order of the lines."""
    observed = replace(OBSERVED, lines=OBSERVED.lines[::-1])

    assert [] == differences(EXPECTED, observed)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"status": "open"}, "not_a_draft"),
        ({"invoice_key": None}, "invoice_key_differs"),
        ({"currency": "eur"}, "currency_differs"),
        ({"total_excluding_tax": 301}, "total_differs"),
        ({"total_excluding_tax": None}, "total_differs"),
        ({"lines_sha256": None}, "lines_hash_differs"),
        ({"starting_balance": -1}, "customer_balance"),
        ({"lines": (("a", 200), ("b", 100))}, "lines_differ"),
        ({"lines": (("a", 100), ("a", 200))}, "lines_differ"),
        ({"lines": (("a", 100), (None, 200))}, "lines_differ"),
    ],
)
def test_each_difference_is_found(change: dict[str, Any], code: str) -> None:
    """One changed field is one code, with a tolerance of nothing."""
    assert [code] == differences(EXPECTED, replace(OBSERVED, **change))


def test_a_gate_on_the_total_alone_would_pass_swapped_lines() -> None:
    """Two amounts that are swapped keep the total: comparing totals only would finalize them."""
    observed = replace(OBSERVED, lines=(("a", 200), ("b", 100)))

    assert EXPECTED.total == observed.total_excluding_tax
    assert ["lines_differ"] == differences(EXPECTED, observed)


@pytest.mark.parametrize(
    ("held", "missing", "unexpected"),
    [
        ((), ("a", "b"), False),
        ((("b", 200),), ("a",), False),
        ((("a", 100), ("b", 200)), (), False),
        ((("a", 100), ("a", 100)), ("b",), True),
        ((("a", 99),), ("a", "b"), True),
        (((None, 5),), ("a", "b"), True),
    ],
)
def test_a_half_filled_draft_tells_what_it_lacks(
    held: Any, missing: tuple[str, ...], unexpected: bool
) -> None:
    """Missing lines are named in our order; anything that is not ours makes a draft useless."""
    found = compare_lines(EXPECTED.lines, held)

    assert (missing, unexpected) == (found.missing, found.unexpected)
