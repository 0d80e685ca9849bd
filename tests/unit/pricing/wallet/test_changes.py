"""Returns, expiry with rollover, top-ups, hard stop."""

from dataclasses import replace
from datetime import date, timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.pricing.domain.wallet.changes import (
    AutomaticTopUp,
    Expiry,
    Return,
    expire,
    may_spend,
    return_draws,
)
from services.pricing.domain.wallet.draws import after, draw_statement
from services.pricing.domain.wallet.grants import GrantState, Rollover
from tests.support.credit_values import MONTH_END, grant, part, state, to_pay

ON = date(2024, 1, 10)
IN_30_DAYS = date(2024, 2, 9)


def test_a_void_returns_every_draw() -> None:
    """All that a statement drew goes back to the grants it came from."""
    grants = [state("a", 2, priority=1), state("b", 5)]
    drawn = draw_statement(to_pay(part(4)), grants)

    returns = return_draws(drawn.draws, after(grants, drawn.draws), on=ON)

    assert [
        Return("b", "000-usage", Fraction(2), None),
        Return("a", "000-usage", Fraction(2), None),
    ] == returns


def test_a_correction_returns_what_was_drawn_last() -> None:
    """A part returns in the reverse order of drawing, and never more than was drawn."""
    grants = [state("a", 2, priority=1), state("b", 5)]
    drawn = draw_statement(to_pay(part(4)), grants)
    left = after(grants, drawn.draws)

    def returned(amount: int) -> list[tuple[str, int | Fraction]]:
        returns = return_draws(drawn.draws, left, on=ON, amount=Fraction(amount))
        return [(one.grant_id, one.amount) for one in returns]

    assert [("b", 1)] == returned(1)
    assert [("b", 2), ("a", 1)] == returned(3)
    assert [("b", 2), ("a", 2)] == returned(9)
    assert [] == returned(0)


@pytest.mark.parametrize(
    ("lives_until", "expires_on"),
    [
        (IN_30_DAYS, MONTH_END),
        (IN_30_DAYS, ON + timedelta(days=1)),
        (date(2024, 6, 1), date(2024, 6, 1)),
        (None, None),
    ],
    ids=["expired", "expires soon", "expires later", "never expires"],
)
def test_returned_credit_lives_30_days(lives_until: date | None, expires_on: date | None) -> None:
    """A return to an expired grant is no loss; a longer life is not cut short."""
    grants = [state("a", 5, expires_on=expires_on)]
    drawn = draw_statement(to_pay(part(4)), grants)

    returns = return_draws(drawn.draws, after(grants, drawn.draws), on=ON)

    assert [lives_until] == [one.expires_on for one in returns]


def test_expiry_is_the_rest_of_a_grant() -> None:
    """A grant that ends on the day, or earlier, loses what is left; others lose nothing."""
    ending = state("a", 5, expires_on=MONTH_END)
    grants = [
        replace(ending, balance=Fraction(2)),
        state("b", expires_on=MONTH_END + timedelta(days=1)),
        replace(state("c", expires_on=MONTH_END), balance=Fraction(0)),
        state("d"),
    ]

    assert [Expiry("a", Fraction(2), None)] == expire(grants, through=MONTH_END)


def test_what_rolls_over_lives_on_in_another_grant() -> None:
    """At most the limit is carried, for its days and its times; the rest is lost."""
    rollover = Rollover(Fraction(4), days=31, times=2)
    first = state("a", 10, expires_on=MONTH_END, rollover=rollover, cost_basis=Fraction(1, 2))

    [expiry] = expire([first], through=MONTH_END)
    carried = expiry.carried

    assert 6 == expiry.lost
    assert carried is not None
    assert ("a~2023-12-01", Fraction(4)) == (carried.grant_id, carried.amount)
    assert (MONTH_END, date(2024, 1, 1)) == (carried.valid_from, carried.expires_on)
    assert replace(rollover, times=1) == carried.rollover
    [second] = expire([GrantState(carried, carried.amount, carried.expires_on)], through=ON)
    assert second.carried is not None
    assert 0 == second.lost
    assert second.carried.rollover is None


@given(
    st.fractions(min_value="1/30", max_value=100, max_denominator=30),
    st.none() | st.fractions(min_value="1/30", max_value=100, max_denominator=30),
)
def test_nothing_is_lost_or_made_at_expiry(balance: Fraction, limit: Fraction | None) -> None:
    """Breakage and what rolls over are together what was left."""
    rollover = Rollover(limit, days=1, times=1)
    ended = state("a", 1000, expires_on=MONTH_END, rollover=rollover)

    [expiry] = expire([replace(ended, balance=balance)], through=MONTH_END)

    assert expiry.carried is not None
    assert balance == expiry.lost + expiry.carried.amount


@pytest.mark.parametrize(
    ("bought", "balance"), [(0, "20"), (0, "5"), (10, "4.99"), (10, "0"), (20, "-5.01")]
)
def test_a_top_up_reaches_its_threshold(bought: int, balance: str) -> None:
    """Below the threshold as many lots are bought as it takes; at it none."""
    assert bought == AutomaticTopUp(Fraction(5), Fraction(10)).needed(Fraction(balance))


def test_a_hard_stop_stops_without_credit() -> None:
    """With a hard stop new work needs credit; with overage it never does."""
    nothing, little = Fraction(0), Fraction(1, 10**12)

    assert [False, True] == [may_spend(one, hard_stop=True) for one in (nothing, little)]
    assert [True, True] == [may_spend(one, hard_stop=False) for one in (nothing, little)]


@pytest.mark.parametrize(
    ("match", "values"),
    [
        ("above 0", {"amount": 0}),
        ("above 0", {"cost_basis": Fraction(-1)}),
        ("a day at least", {"expires_on": date(2023, 11, 1)}),
        ("does not roll over", {"rollover": Rollover(None, days=1, times=1)}),
    ],
)
def test_impossible_grants_cannot_be_constructed(match: str, values: dict[str, object]) -> None:
    """A grant that exists is one that can be kept."""
    with pytest.raises(ValueError, match=match):
        grant("a", **values)  # type: ignore[arg-type]


def test_impossible_settings_cannot_be_constructed() -> None:
    """Nor can rollovers and top-ups of nothing, or a negative balance."""
    for limit, days, times in ((Fraction(0), 1, 1), (None, 0, 1), (None, 1, 0)):
        with pytest.raises(ValueError, match="positive limit"):
            Rollover(limit, days=days, times=times)
    with pytest.raises(ValueError, match="above 0"):
        AutomaticTopUp(Fraction(0), Fraction(0))
    with pytest.raises(ValueError, match="never negative"):
        replace(state("a"), balance=Fraction(-1))
    with pytest.raises(ValueError, match="above 0"):
        AutomaticTopUp(Fraction(-1), Fraction(1))


def test_a_small_top_up_at_an_empty_wallet() -> None:
    """A threshold of nothing, and lots of less than one, can be asked for."""
    assert Fraction(3, 2) == AutomaticTopUp(Fraction(0), Fraction(1, 2)).needed(Fraction(-5, 4))
