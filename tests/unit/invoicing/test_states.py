"""What Stripe's status makes of our state."""

from itertools import permutations
from typing import get_args

import pytest

from services.invoicing.domain.states import State, state_from_stripe


@pytest.mark.parametrize(
    ("state", "status", "sent", "after"),
    [
        ("issued", "open", False, "issued"),
        ("issued", "open", True, "sent"),
        ("sent", "open", True, "sent"),
        ("sent", "paid", False, "paid"),
        ("sent", "uncollectible", False, "uncollectible"),
        ("uncollectible", "paid", False, "paid"),
        ("uncollectible", "void", False, "void"),
        ("paid", "void", False, "paid"),
        ("void", "paid", True, "void"),
        ("draft", "paid", True, "draft"),
        ("approved", "open", True, "approved"),
        ("parked", "open", True, "parked"),
    ],
)
def test_stripe_moves_only_issued_invoices(
    state: State, status: str, sent: bool, after: State
) -> None:
    """Paid and void are ends; what is not issued goes on by our own steps."""
    assert after == state_from_stripe(state, status, sent=sent)


def test_the_order_of_news_does_not_matter() -> None:
    """As each piece of news is fetched when it is handled, all orders end in the same state."""
    ends = set()
    for order in permutations([("paid", True), ("paid", False), ("paid", False)]):
        state: State = "issued"
        for status, sent in order:
            state = state_from_stripe(state, status, sent=sent)
        ends.add(state)

    assert {"paid"} == ends


def test_every_state_is_known_to_the_rule() -> None:
    """No state of ours is left without an answer."""
    states = get_args(State)

    assert set(states) >= {state_from_stripe(state, "open", sent=False) for state in states}
