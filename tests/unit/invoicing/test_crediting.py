"""What may be credited: never more than the invoice, exact to the minor unit."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.invoicing.domain.credit_notes import Credited
from services.invoicing.domain.crediting import (
    Billed,
    Earlier,
    NotCreditable,
    Wanted,
    expected_credit,
    preview_differences,
)
from shared.money import CURRENCIES

USD = CURRENCIES["USD"]
TAXED = Billed(10_000, 1_900, {"a": 7_000, "b": 3_000})


@pytest.mark.parametrize(
    ("wanted", "earlier", "credited"),
    [
        (Wanted("full"), Earlier(), Credited(10_000, 1_900)),
        (Wanted("full"), Earlier(1_190), Credited(9_000, 1_710)),
        (Wanted("amount", 1_190), Earlier(), Credited(1_000, 190)),
        (Wanted("amount", 1), Earlier(), Credited(1, 0)),
        (Wanted("lines", lines=[("a", 7_000)]), Earlier(), Credited(7_000, 1_330)),
        (Wanted("lines", lines=[("a", 1), ("b", 2)]), Earlier(), Credited(3, 1)),
    ],
)
def test_a_credit_takes_its_part_of_the_tax(
    wanted: Wanted, earlier: Earlier, credited: Credited
) -> None:
    """Amounts with tax are parted, lines before tax get theirs, in the invoice's proportion."""
    assert credited == expected_credit(TAXED, earlier, wanted, USD)


@pytest.mark.parametrize(
    ("wanted", "earlier", "code", "path"),
    [
        (Wanted("amount", 11_901), Earlier(), "credit_exceeds_invoice", "amount"),
        (Wanted("amount", 0), Earlier(), "credit_exceeds_invoice", "amount"),
        (Wanted("full"), Earlier(11_900), "credit_exceeds_invoice", "full"),
        (
            Wanted("lines", lines=[("a", 7_001)]),
            Earlier(),
            "credit_exceeds_line",
            "lines[0].amount",
        ),
        (
            Wanted("lines", lines=[("a", 1)]),
            Earlier(0, {"a": 7_000}),
            "credit_exceeds_line",
            "lines[0].amount",
        ),
        (Wanted("lines", lines=[("a", 1)]), Earlier(11_900), "credit_exceeds_invoice", "lines"),
        (Wanted("lines", lines=[("z", 1)]), Earlier(), "unknown_line", "lines[0].line_key"),
        (
            Wanted("lines", lines=[("a", 1), ("a", 1)]),
            Earlier(),
            "duplicate_line",
            "lines[1].line_key",
        ),
    ],
)
def test_what_cannot_be_credited_is_told(
    wanted: Wanted, earlier: Earlier, code: str, path: str
) -> None:
    """Each bound has its code and its place."""
    with pytest.raises(NotCreditable) as verdict:
        expected_credit(TAXED, earlier, wanted, USD)

    assert (code, path) == (verdict.value.code, verdict.value.path)


@given(
    net=st.integers(1, 10**9),
    tax=st.integers(0, 10**8),
    amounts=st.lists(st.integers(1, 10**9), max_size=5),
)
def test_partial_credits_and_the_rest_are_the_invoice(
    net: int, tax: int, amounts: list[int]
) -> None:
    """However an invoice is credited in parts, the rest brings it to nothing, and no further."""
    billed, taken = Billed(net, tax, {}), 0
    for amount in amounts:
        try:
            credited = expected_credit(billed, Earlier(taken), Wanted("amount", amount), USD)
        except NotCreditable:
            assert amount > net + tax - taken
            continue
        assert amount == credited.total_minor
        taken += credited.total_minor
    if taken < net + tax:
        taken += expected_credit(billed, Earlier(taken), Wanted("full"), USD).total_minor

    assert net + tax == taken


@pytest.mark.parametrize(
    ("expected", "observed", "scope", "found"),
    [
        (Credited(100, 0), Credited(100, 0), "lines", []),
        (Credited(100, 0), Credited(99, 0), "lines", ["net_differs"]),
        (Credited(100, 0), Credited(99, 0), "amount", ["total_differs"]),
        (Credited(100, 0), Credited(100, 2), "lines", ["tax_differs"]),
        (Credited(100, 19), Credited(100, 20), "lines", []),
        (Credited(100, 19), Credited(99, 20), "amount", []),
        (Credited(100, 19), Credited(97, 22), "full", ["tax_differs"]),
    ],
)
def test_a_preview_that_differs_is_noticed(
    expected: Credited, observed: Credited, scope: Any, found: list[str]
) -> None:
    """What was asked for must be there to the unit; only tax may be rounded another way."""
    assert found == preview_differences(expected, observed, scope, line_count=1)
