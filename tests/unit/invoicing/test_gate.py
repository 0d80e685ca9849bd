"""The gate names every difference between what we sent and what Stripe holds."""

from dataclasses import replace
from typing import Any

import pytest

from services.invoicing.domain.filling import compare_lines
from services.invoicing.domain.gate import ExpectedDraft, ObservedDraft, differences

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


TAXED = replace(EXPECTED, tax=57, automatic_tax=False)


@pytest.mark.parametrize(
    ("net", "total", "found"),
    [
        (300, 357, []),
        (300, 356, ["tax_differs"]),
        (300, 300, ["tax_differs"]),
        (301, 357, ["total_differs", "tax_differs"]),
        (301, 358, ["total_differs", "tax_differs"]),
        (None, 357, ["total_differs", "tax_differs"]),
    ],
)
def test_tax_of_our_own_is_compared(net: int | None, total: int, found: list[str]) -> None:
    """Net, tax and the total with it: what balances out is found as well."""
    observed = replace(OBSERVED, total_excluding_tax=net, total=total)

    assert found == differences(TAXED, observed)
    assert ("tax_differs" in found) == TAXED.tax_differs(net, total)


def test_tax_that_stripe_works_out_is_not_compared() -> None:
    """Any tax passes, if Stripe is the one that works it out."""
    automatic = replace(EXPECTED, automatic_tax=True)
    observed = replace(OBSERVED, total=366)

    assert [] == differences(automatic, replace(observed, automatic_tax=True))
    assert ["automatic_tax_differs"] == differences(automatic, observed)
    assert [] == differences(EXPECTED, replace(observed, automatic_tax=True))


def test_automatic_tax_beside_our_own_is_found() -> None:
    """Two taxes on one invoice are one too many."""
    observed = replace(OBSERVED, total=357, automatic_tax=True)

    assert ["automatic_tax_differs"] == differences(TAXED, observed)
