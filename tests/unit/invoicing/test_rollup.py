"""More lines than Stripe takes are sent as fewer, and everything still sums."""

from collections import Counter, defaultdict
from datetime import date
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.invoicing.domain.rollup import LINES_MAX, RollupLine, group_lines
from services.invoicing.drafting import compose_draft
from shared.events.statement_rated import StatementRated
from shared.money import CURRENCIES, format_exact, parse_exact, round_to_minor_units
from tests.support.invoice_statements import FIRST

KINDS = ("usage", "fee", "adjustment", "progressive", "credit", "carried")
LINES = st.builds(
    RollupLine,
    line_key=st.text(min_size=1, max_size=5),
    kind=st.sampled_from(KINDS),
    charge=st.sampled_from(["input", "output", "seats"]),
    models=st.sampled_from([(), ("gpt-5",), ("gpt-5", "o3")]),
    token_types=st.sampled_from([(), ("input",), ("output",)]),
    adjusted_from=st.sampled_from([None, date(2026, 1, 1), date(2026, 2, 1)]),
)


@given(st.lists(LINES, max_size=60, unique_by=lambda line: line.line_key), st.integers(20, 60))
def test_every_line_is_in_one_group(lines: list[RollupLine], most: int) -> None:
    """At most as many are sent as may be; kinds never mix, and the same lines group the same."""
    groups = group_lines(lines, most)

    members = Counter(at for group in groups for at in group.members)
    assert members == Counter(range(len(lines)))
    kinds = [{lines[at].kind for at in group.members} for group in groups]
    assert all(len(found) == 1 for found in kinds)
    credit_lines = sum(line.kind == "credit" for line in lines)
    assert len(groups) <= max(most, credit_lines + len(KINDS) - 1)
    assert len(groups) == len({group.sent_key for group in groups})
    assert groups == group_lines(lines, most)


def _many(count: int, models: int, kinds: int = 2) -> list[RollupLine]:
    return [
        RollupLine(
            line_key=f"{at:04d}",
            kind="usage",
            charge=f"c{at}",
            models=(f"m{at % models}",),
            token_types=(f"k{at % kinds}",),
        )
        for at in range(count)
    ]


@pytest.mark.parametrize(
    ("lines", "sent", "title"),
    [
        (_many(250, 7), 250, ""),
        (_many(251, 7), 14, "Usage, m0, k0: 18 lines of the usage statement"),
        (_many(1000, 241, 2), 1, "Usage: 1000 lines of the usage statement"),
        (_many(960, 160, 3), 160, "Usage, m0: 6 lines of the usage statement"),
    ],
)
def test_the_first_grouping_that_fits_is_taken(
    lines: list[RollupLine], sent: int, title: str
) -> None:
    """Up to 250 nothing changes; then by use, by model, by kind: the finest of at most 240."""
    groups = group_lines(lines)

    assert (sent, title) == (len(groups), groups[0].title)


def _line(at: int, amounts: list[Fraction]) -> dict[str, Any]:
    details = [
        {
            "agent": f"a{index}",
            "model": f"m{at % 9}",
            "kind": "input",
            "usage_day": FIRST,
            "quantity": "1",
            "amount_exact": format_exact(amount),
        }
        for index, amount in enumerate(amounts)
    ]
    return {
        "line_key": f"{at:03d}",
        "charge": f"c{at}",
        "model": "per_unit",
        "description": f"Charge {at}",
        "quantity": str(len(amounts)),
        "unit": "tokens",
        "amount_exact": format_exact(sum(amounts, Fraction(0))),
        "steps": [],
        "details": details,
    }


@settings(max_examples=30, deadline=None)
@given(
    count=st.integers(240, 300),
    amounts=st.lists(
        st.lists(st.fractions(-3, 30, max_denominator=997), max_size=3), min_size=1, max_size=12
    ),
    code=st.sampled_from(["USD", "JPY", "KWD", "ISK", "MGA"]),
)
def test_parts_sum_to_their_wholes(count: int, amounts: Any, code: str) -> None:
    """Details to lines, lines to what is sent, that to the total, on the wire as on ours.

    What is sent gets its share of the total by its own exact sum, and is within one unit of it.
    """
    lines = [_line(at, amounts[at % len(amounts)]) for at in range(count)]
    total = sum((Fraction(line["amount_exact"]) for line in lines), Fraction(0))
    fields = {
        "vendor_id": "demo", "mode": "live", "tenant_id": "acme", "statement_id": "s",
        "subscription_id": "acme", "kind": "period", "sequence": 1, "period_start": FIRST,
        "period_end": date(2026, 11, 1), "currency": code, "price_book": "b", "price_version": 1,
        "price_hash": "p", "plan": "p", "input_hash": "i", "rating_hash": "r",
        "total_exact": format_exact(total), "lines": lines, "unrated": [],
    }  # fmt: skip

    draft = compose_draft(StatementRated.model_validate(fields))

    sent = draft.sent or draft.lines
    assert len(sent) <= LINES_MAX
    for of in (sent, draft.lines):
        assert draft.values["total_minor"] == sum(line.amount_minor for line in of)
        assert parse_exact(draft.values["total_exact"]) + _rounding(of) == sum(
            (parse_exact(line.amount_exact) for line in of), Fraction(0)
        )
    details, stands_for = defaultdict(list), defaultdict(list)
    for one in draft.details:
        details[one.line_position].append(one.amount_minor)
    for line in draft.lines:
        stands_for[line.sent_key or line.line_key].append(line)
        parts = details[line.position]
        assert not parts or line.amount_minor == sum(parts)
    for line in sent:
        members = stands_for[line.line_key]
        assert line.amount_minor == sum(one.amount_minor for one in members)
        assert line.stripe_amount == sum(one.stripe_amount for one in members)
        alone = round_to_minor_units(parse_exact(line.amount_exact), CURRENCIES[code])
        assert abs(line.amount_minor - alone) <= 1


def _rounding(lines: Any) -> Fraction:
    return sum(
        (parse_exact(line.amount_exact) for line in lines if line.line_key == "~rounding"),
        Fraction(0),
    )
