"""What is known of an invoice's payments follows from what Stripe holds, not from events."""

from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.invoicing.domain.standing import (
    Fact,
    Facts,
    Payments,
    Refund,
    facts_of,
    news,
    waits_for_a_person,
)
from shared.events.invoice_changed import InvoiceState

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def payments(**values: Any) -> Payments:
    fields: dict[str, Any] = {
        "status": "open",
        "paid_minor": 0,
        "remaining_minor": 1000,
        "due_at": NOW + timedelta(days=30),
        "attempted": False,
        "finalization_error": None,
    }
    return Payments(**(fields | values))


@pytest.mark.parametrize(
    ("values", "facts"),
    [
        ({}, {}),
        ({"paid_minor": 1, "remaining_minor": 999}, {"partly_paid": None}),
        ({"status": "paid", "paid_minor": 1000, "remaining_minor": 0}, {}),
        ({"due_at": NOW}, {"overdue": None}),
        ({"due_at": NOW, "status": "uncollectible"}, {}),
        ({"due_at": NOW + timedelta(seconds=1)}, {}),
        ({"attempted": True}, {"payment_failed": None}),
        ({"attempted": True, "status": "paid", "paid_minor": 5}, {}),
        (
            {"status": "draft", "finalization_error": "customer_tax_location_invalid"},
            {"finalization_failed": "customer_tax_location_invalid"},
        ),
        ({"finalization_error": "customer_tax_location_invalid"}, {}),
        (
            {"status": "paid", "paid_minor": 9, "dispute_statuses": ["won", "needs_response"]},
            {"disputed": "needs_response"},
        ),
        (
            {"status": "paid", "paid_minor": 9, "dispute_statuses": ["won", "lost"]},
            {"disputed": "lost"},
        ),
        ({"status": "paid", "paid_minor": 9, "dispute_statuses": ["won"]}, {"disputed": "won"}),
        (
            {"status": "paid", "paid_minor": 9, "refunds": [Refund("succeeded", 4)]},
            {"refunded": "partial"},
        ),
        (
            {
                "status": "paid",
                "paid_minor": 9,
                "refunds": [Refund("pending", 4), Refund("succeeded", 5)],
            },
            {"refunded": "full"},
        ),
        (
            {"status": "paid", "paid_minor": 9, "refunds": [Refund("failed", 4)]},
            {"refund_failed": None},
        ),
        (
            {"paid_minor": 5, "due_at": NOW, "attempted": True},
            {"partly_paid": None, "overdue": None, "payment_failed": None},
        ),
    ],
)
def test_facts_follow_from_what_stripe_holds(values: dict[str, Any], facts: Facts) -> None:
    """Each fact holds exactly in its case; several hold at once."""
    assert facts == facts_of(payments(**values), NOW)


STATES = st.builds(
    payments,
    status=st.sampled_from(["open", "paid", "void", "uncollectible"]),
    paid_minor=st.integers(0, 1000),
    due_at=st.none() | st.just(NOW) | st.just(NOW + timedelta(days=30)),
    attempted=st.booleans(),
    refunds=st.lists(
        st.builds(Refund, st.sampled_from(["succeeded", "failed"]), st.integers(1, 9)), max_size=3
    ),
    dispute_statuses=st.lists(st.sampled_from(["needs_response", "won", "lost"]), max_size=2),
)


@given(last=STATES, orders=st.lists(st.permutations(range(4)), min_size=1, max_size=3))
def test_any_interleaving_of_news_ends_in_the_same_facts(
    last: Payments, orders: list[list[int]]
) -> None:
    """However often and in whichever order Stripe is asked again, the end is the same.

    All events are handled after what they tell of, so each handling sees the last state; told is
    each fact once.
    """
    ends, told = [], []
    for order in orders:
        facts: Facts = {}
        heard: list[tuple[Fact, str | None]] = []
        for _event in order:
            after = facts_of(last, NOW)
            heard += news(facts, after)
            facts = after
        ends.append(facts)
        told.append(heard)

    assert all(end == ends[0] for end in ends)
    assert all(heard == list(ends[0].items()) for heard in told)


def test_a_fact_is_told_again_only_for_another_reason() -> None:
    """A dispute that moves on is news; one that stays is none, nor is one that is gone."""
    before: Facts = {"disputed": "needs_response", "overdue": None}
    after: Facts = {"disputed": "lost", "overdue": None}

    assert [("disputed", "lost")] == news(before, after)
    assert [] == news(before, {})


def test_only_open_disputes_wait_for_a_person() -> None:
    """Nobody can act on a dispute that is decided, nor on one that the bank looks at."""
    assert waits_for_a_person("disputed", "needs_response")
    assert not waits_for_a_person("disputed", "under_review")
    assert not waits_for_a_person("disputed", "lost")
    assert waits_for_a_person("overdue", None)
    assert not waits_for_a_person("partly_paid", None)


def test_every_fact_is_told_to_others() -> None:
    """No fact of ours is unknown to the message."""
    assert set(get_args(Fact)) <= set(get_args(InvoiceState))
