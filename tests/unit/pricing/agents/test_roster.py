"""What an agent came to: shares of its tokens, and what an outcome of it cost."""

from collections.abc import Sequence
from datetime import date, timedelta
from fractions import Fraction
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from services.pricing.domain.agents.roster import AgentDay, AgentUse

DAY = date(2023, 11, 10)
RESOLVED = "tickets_resolved"


def used(
    day: int, kind: str, quantity: int, cost: int | None = 0, *, status: str = "completed"
) -> AgentDay:
    at = DAY + timedelta(days=day)
    known = None if cost is None else Fraction(cost)
    return AgentDay(at, kind, "small", status, "production", Fraction(quantity), known)


def use_of(rows: Sequence[AgentDay]) -> AgentUse:
    use = AgentUse()
    for row in rows:
        use.add(row, RESOLVED)
    return use


WORKED = (
    used(0, "output_text", 100, 6, status="failed"),
    used(0, RESOLVED, 2, None),
    used(1, "output_text", 300, 6),
    used(1, RESOLVED, 4, None),
)


def test_the_cost_of_an_outcome_by_hand() -> None:
    """12 dollars over 6 outcomes is 2; without a day 1.5 or 3.

    The squared distances, 0.25 and 1, times 1 / 2 are 0.625; one degree of freedom makes
    12.706 x 0.790569 to either side, and no cost is below 0.
    """
    cost = use_of(WORKED).outcome_cost()

    assert cost is not None
    assert [6, 2] == [cost.outcomes, cost.estimate]
    assert cost.interval is not None
    half = Fraction("12.706") * Fraction("0.790569415042")
    assert abs(cost.interval.upper - 2 - half) < Fraction(1, 10**9)
    assert 0 == cost.interval.lower


def test_what_failed_is_paid_by_what_succeeded() -> None:
    """Without the cost of failed calls an outcome would seem to cost 1 and not 2."""
    succeeded = [row for row in WORKED if row.status == "completed"]

    one, other = use_of(succeeded).outcome_cost(), use_of(WORKED).outcome_cost()

    assert one is not None
    assert other is not None
    assert [1, 2] == [one.estimate, other.estimate]


def test_one_day_has_no_interval_and_no_outcome_no_cost() -> None:
    """Nothing is known of how days differ; nothing is divided by 0, nor by outcomes taken back."""
    alone = use_of(WORKED[:2]).outcome_cost()

    assert alone is not None
    assert (3, None) == (int(alone.estimate), alone.interval)
    assert use_of(WORKED[:1]).outcome_cost() is None
    assert use_of([*WORKED[:2], used(1, RESOLVED, -2, None)]).outcome_cost() is None


def test_shares_by_hand() -> None:
    """Of 400 tokens of input 300 were read from the cache; of 100 of output 25 were reasoning."""
    use = use_of(
        [
            used(0, "input_uncached", 60, 1),
            used(0, "input_cache_write_5m", 40, 1),
            used(1, "input_cache_read", 300, 1, status="aborted"),
            used(2, "output_text", 75, None),
            used(2, "output_reasoning", 25, 1),
            used(3, "web_search_requests", 9, None),
        ]
    )

    assert [75, 25, 60, 0, 500, 4, 3] == [
        *(use.cache_hits, use.reasoning),
        *(use.share_of_status("aborted"), use.share_of_status("failed")),
        *(use.tokens, use.cost, use.active_days),
    ]
    assert {"output_text": 75, "web_search_requests": 9} == use.unpriced
    assert AgentUse().cache_hits is None


ROWS = st.lists(
    st.builds(
        used,
        st.integers(0, 9),
        st.sampled_from(["input_uncached", "output_text", "pages", RESOLVED]),
        st.integers(0, 10**9),
        st.none() | st.integers(0, 10**6),
        status=st.sampled_from(["completed", "failed"]),
    )
)


@given(ROWS)
@settings(max_examples=60, deadline=None)
def test_nothing_is_lost_and_nothing_counts_twice(rows: list[AgentDay]) -> None:
    """Tokens by part, status, purpose, model and day are the same tokens; all cost is in it."""
    use = use_of(rows)

    groups: list[dict[Any, Fraction]] = [use.statuses, use.purposes, use.models, use.tokens_of_days]
    assert {use.tokens} == {sum(group.values(), Fraction(0)) for group in groups}
    assert sum((row.cost or Fraction(0) for row in rows), Fraction(0)) == use.cost
