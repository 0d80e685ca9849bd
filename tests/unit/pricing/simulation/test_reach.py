"""Sums of what does not matter are rated to the same amounts, by every plan that there is."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import date, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from services.pricing.domain.plan import Plan
from services.pricing.domain.rating import RatingTerms, rate_period
from services.pricing.domain.seats import Seats
from services.pricing.domain.simulation.reach import EVERYTHING, Reach, reach_of
from services.pricing.domain.usage import DIMENSIONS, Usage
from services.pricing.schemas.validation import read_price_book
from shared.currencies import CURRENCIES
from tests.support.example_books import BOOKS, book_file
from tests.support.pricing_values import NOVEMBER, usage

EVERY_CHARGE = Path(__file__).parents[1] / "books" / "everything.yaml"


def plans() -> list[tuple[str, str, Plan]]:
    """Return every plan of the example books, and of the book with every charge."""
    contents = {book: book_file(book).content for book in BOOKS}
    contents["everything"] = read_price_book(yaml.safe_load(EVERY_CHARGE.read_text("utf-8")))
    found = []
    for book, content in contents.items():
        for written in content.plans:
            plan = content.plan(written.key)
            assert plan is not None
            found.append((f"{book}/{written.key}", content.currency, plan))
    return found


PLANS = plans()
ROWS = st.lists(
    st.builds(
        usage,
        st.sampled_from(
            ["input_uncached", "output_text", "input_cache_read", "input_cache_write_5m", "images"]
        ),
        st.integers(-10, 10**9),
        model=st.sampled_from(["gpt-5-mini", "claude-sonnet-4-6", "gemini-3.1-pro", "other"]),
        agent=st.sampled_from(["a", "b"]),
        context_band=st.sampled_from(["32k", "200k", "256k"]),
        service_tier=st.sampled_from(["", "priority"]),
        region=st.sampled_from(["", "eu"]),
        batch=st.sampled_from(["false", "true"]),
        usage_day=st.integers(0, 29).map(lambda n: NOVEMBER.start + timedelta(days=n)),
    ),
    max_size=12,
)


def added_up(rows: Sequence[Usage], reach: Reach) -> list[Usage]:
    """Return rows added up over what does not matter."""
    spans = list(reach.spans(NOVEMBER.start, NOVEMBER.end))
    sums: dict[Usage, Fraction] = defaultdict(Fraction)
    for row in rows:
        first = max(start for start, _ in spans if start <= row.usage_day)
        blank: dict[str, Any] = {name: "" for name in DIMENSIONS if name not in reach.dimensions}
        day = row.usage_day if reach.by_day else first
        sums[row._replace(**blank, usage_day=day, quantity=Fraction(0))] += row.quantity
    return [row._replace(quantity=total) for row, total in sums.items()]


@pytest.mark.parametrize(("currency", "plan"), [p[1:] for p in PLANS], ids=[p[0] for p in PLANS])
@settings(max_examples=15, deadline=None)
@given(rows=ROWS)
def test_sums_are_rated_alike(currency: str, plan: Plan, rows: list[Usage]) -> None:
    """A plan comes to the same for rows and for their sums over all that it does not look at."""
    terms = RatingTerms("h", plan, CURRENCIES[currency], Seats.of(2), NOVEMBER)

    whole = rate_period(terms, rows)
    summed = rate_period(terms, added_up(rows, reach_of(plan)))

    assert whole.total == summed.total
    assert whole.unrated == summed.unrated
    assert [(line.line_key, line.amount) for line in whole.lines if line.amount] == [
        (line.line_key, line.amount) for line in summed.lines if line.amount
    ]


def test_a_plan_that_looks_at_the_context_keeps_it() -> None:
    """Were the context added up, a matrix by context would price nothing: it is told apart."""
    (plan,) = (plan for name, _, plan in PLANS if name.startswith("model-rates/"))
    row = usage("input_uncached", 10**6, model="gpt-5.4", context_band="above")
    terms = RatingTerms("h", plan, CURRENCIES["USD"], Seats(), NOVEMBER)
    blind = added_up([row], Reach())

    assert "context_band" in reach_of(plan).dimensions
    assert rate_period(terms, [row]).total != rate_period(terms, blind).total


def test_days_are_kept_where_pools_are_of_seats() -> None:
    """Seats' own pools are burnt day by day: nothing is added up."""
    (plan,) = (plan for name, _, plan in PLANS if name == "cursor-teams/teams")

    assert Reach(EVERYTHING, by_day=True) == reach_of(plan)


def test_a_pool_that_ends_cuts_the_month() -> None:
    """Copilot's summer credits end on 31 August: from 1 September on usage counts apart."""
    (plan,) = (plan for name, _, plan in PLANS if name == "github-copilot/organisation")

    assert date(2026, 9, 1) in reach_of(plan).cuts
    assert not reach_of(plan).by_day
