"""Orders of credit: what is stored, what is asked for, what is granted."""

from datetime import date
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.pricing.domain.wallet.orders import (
    TopUpOrder,
    granted_by,
    order_from,
    rated_order,
)
from services.pricing.handlers.top_ups import state_of
from shared.currencies import CURRENCIES

AMOUNTS = st.fractions(min_value=Fraction(1, 10**6), max_value=10**12, max_denominator=10**6)
ORDERS = st.builds(
    TopUpOrder,
    order_id=st.uuids().map(str),
    amount=AMOUNTS,
    price=AMOUNTS,
    tax=st.sampled_from(["at_use", "at_purchase"]),
    valid_days=st.none() | st.integers(1, 3_660),
)


@given(ORDERS)
def test_an_order_is_kept_exactly(order: TopUpOrder) -> None:
    """What was stored reads back the same; what is paid for all of it is the price."""
    grant = granted_by(order, on=date(2023, 12, 10))

    assert order == order_from(order.content())
    assert (order.amount, order.price) == (grant.amount, grant.amount * grant.cost_basis)
    assert order.valid_days == (grant.expires_on and (grant.expires_on - grant.valid_from).days)


@given(ORDERS)
def test_a_statement_asks_for_the_price(order: TopUpOrder) -> None:
    """One line without usage; the same order gives the same hashes, another order others."""
    rated, again = (rated_order(order, CURRENCIES["USD"]) for _ in range(2))
    (line,) = rated.lines

    assert order.price == rated.total == line.amount == sum(step.amount for step in line.steps)
    assert (rated.input_hash, rated.rating_hash) == (again.input_hash, again.rating_hash)
    other = TopUpOrder("other", order.amount, order.price)
    assert rated.input_hash != rated_order(other, CURRENCIES["USD"]).input_hash


@pytest.mark.parametrize(
    ("amount", "price", "days"), [(0, 1, None), (1, 0, None), (-1, 1, None), (1, 1, 0)]
)
def test_an_order_of_nothing_is_none(amount: int, price: int, days: int | None) -> None:
    """Amount, price and days are above 0."""
    with pytest.raises(ValueError, match=r"above 0|a day at least"):
        TopUpOrder("o", Fraction(amount), Fraction(price), valid_days=days)


@pytest.mark.parametrize(
    ("events", "state"),
    [
        ([], "open"),
        (["uncollectible"], "unpaid"),
        (["paid", "uncollectible"], "paid"),
        (["uncollectible", "dismissed", "paid"], "paid"),
        (["refunded"], "open"),
        (["refunded", "paid"], "taken_back"),
    ],
)
def test_a_state_does_not_depend_on_the_order_of_events(events: list[str], state: str) -> None:
    """Money that came counts, whatever was told before or after."""
    assert state == state_of(events) == state_of(events[::-1])
