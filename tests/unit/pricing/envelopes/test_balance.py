"""What a ledger has left: metered, held, committed; raised, repaid."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.pricing.domain.envelopes.balance import Hold, Raise, Spent, overdrawn
from services.pricing.domain.envelopes.envelope import Envelope, Ledger, Scope, Span
from tests.unit.pricing.envelopes.cases import ENVELOPE, NOW, balance, dollars

SOON, PAST = NOW + timedelta(minutes=5), NOW - timedelta(minutes=5)
BEGAN = NOW.replace(day=1, hour=0)
OPEN = Hold(Ledger.RUN, Fraction(50), "open", SOON)


def test_a_period_is_divided_and_neither_part_drains_the_other() -> None:
    """200 of 1,000 are to explore; what is used there takes nothing from the other 800."""
    run, explore = balance(100), balance(199, ledger=Ledger.EXPLORE)

    assert dollars(800, 700) == (run.limit, run.left)
    assert dollars(200, 1) == (explore.limit, explore.left)


def test_what_is_held_is_used_until_it_ends() -> None:
    """An open hold takes its estimate, an expired or released one nothing."""
    expired = replace(OPEN, expires_at=PAST)
    released = replace(OPEN, state="released")

    assert 150 == balance(100, holds=(OPEN, expired, released)).used


def test_what_is_committed_counts_until_it_is_metered() -> None:
    """Before the watermark reaches the commit it counts here, from then on there: never twice."""
    committed = replace(OPEN, state="committed", committed=Fraction(30), committed_at=NOW)
    early = Spent(Fraction(100), NOW - timedelta(seconds=1))

    assert 130 == balance(spent=early, holds=(committed,)).used
    assert 100 == balance(100, holds=(committed,)).used


def test_a_late_commit_still_counts() -> None:
    """Its hold had expired; what was used was used."""
    late = replace(
        OPEN,
        state="committed",
        expires_at=PAST,
        committed=Fraction(30),
        committed_at=NOW + timedelta(seconds=1),
    )

    assert 130 == balance(100, holds=(late,)).used


def test_a_raise_ends() -> None:
    """It adds to its ledger until its end, exclusive; another ledger sees nothing of it."""
    raised = Raise(Ledger.RUN, Fraction(100), SOON)
    over = replace(raised, until=NOW)
    other = replace(raised, ledger=Ledger.EXPLORE)

    assert 900 == balance(raises=(raised, over, other)).limit


def test_a_transfer_is_what_one_gives_and_the_other_gets() -> None:
    """Only a named movement takes from a ledger; the sum of both stays."""
    moved = (Raise(Ledger.RUN, Fraction(-50), SOON), Raise(Ledger.EXPLORE, Fraction(50), SOON))

    run, explore = balance(raises=moved), balance(raises=moved, ledger=Ledger.EXPLORE)

    assert dollars(750, 250) == (run.limit, explore.limit)


def test_the_overdraft_is_repaid() -> None:
    """860 of 800 are 60 that the next period begins without; never more than the overdraft."""
    assert 60 == overdrawn(balance(860))
    assert 80 == overdrawn(balance(900))
    assert 0 == overdrawn(balance(100))
    assert 740 == balance(spent=Spent(Fraction(0), NOW, overdrawn_before=Fraction(60))).limit


def test_old_figures_say_so() -> None:
    """61 seconds are too old, 60 are not; nothing metered yet is not old."""
    at = [NOW - timedelta(seconds=60), NOW - timedelta(seconds=61)]

    assert [False, True] == [balance(spent=Spent(Fraction(0), when)).stale for when in at]
    assert not balance(spent=Spent()).stale


@pytest.mark.parametrize(
    ("length", "start", "end"),
    [
        ("day", date(2026, 3, 10), date(2026, 3, 11)),
        ("week", date(2026, 3, 9), date(2026, 3, 16)),
        ("month", date(2026, 3, 1), date(2026, 4, 1)),
    ],
)
def test_periods_are_those_of_the_calendar(length: Any, start: date, end: date) -> None:
    """Days of UTC, weeks from Monday on, months."""
    assert Span(start, end) == replace(ENVELOPE, length=length).span_at(date(2026, 3, 10))


def test_a_month_of_any_length_ends_with_the_next() -> None:
    """January's last day, and February's, are in their own month."""
    assert Span(date(2026, 1, 1), date(2026, 2, 1)) == ENVELOPE.span_at(date(2026, 1, 31))
    assert Span(date(2024, 2, 1), date(2024, 3, 1)) == ENVELOPE.span_at(date(2024, 2, 29))


def test_a_scope_accepts_what_agrees_in_all_that_it_names() -> None:
    """An empty field accepts everything; a field that differs accepts nothing."""
    scope = Scope(tenant="acme", agent="coder")

    assert scope.accepts(Scope(tenant="acme", team="a", agent="coder", user="u", run="r"))
    assert not scope.accepts(Scope(tenant="acme", agent="other"))
    assert not scope.accepts(Scope(agent="coder"))


@pytest.mark.parametrize(
    "wrong",
    [{"amount": Fraction(0)}, {"explore_share": Fraction(2)}, {"overdraft": Fraction(-1)}],
)
def test_an_envelope_that_cannot_be_is_refused(wrong: dict[str, Any]) -> None:
    """Nothing to spend, or shares beyond everything."""
    with pytest.raises(ValueError, match=r"holds|shares"):
        replace(ENVELOPE, **wrong)


def test_a_scope_of_nobody_is_refused() -> None:
    """An envelope for everybody's work names at least a tenant."""
    with pytest.raises(ValueError, match="at least one"):
        Scope()


HOLDS = st.lists(
    st.builds(
        Hold,
        st.sampled_from(Ledger),
        st.fractions(0, 100, max_denominator=10),
        st.sampled_from(["open", "committed", "released"]),
        st.sampled_from([PAST, SOON]),
        st.fractions(0, 100, max_denominator=10),
        st.just(NOW + timedelta(seconds=1)),
    ),
    max_size=8,
)


@given(HOLDS, st.sampled_from(Ledger))
def test_holds_are_of_one_ledger(holds: list[Hold], ledger: Ledger) -> None:
    """Both ledgers together use what all holds take: none counts twice, none is lost."""
    both = [balance(holds=tuple(holds), ledger=one).used for one in Ledger]
    counted = sum(hold.counts(now=NOW, watermark=NOW, since=BEGAN) for hold in holds)

    assert counted == sum(both)
    assert 0 <= balance(holds=tuple(holds), ledger=ledger).used


def test_utc_days() -> None:
    """The period of a moment is that of its UTC day."""
    at = datetime(2026, 3, 31, 23, 59, tzinfo=UTC)

    assert Span(date(2026, 3, 1), date(2026, 4, 1)) == Envelope.span_at(ENVELOPE, at.date())
