"""Drawing credits: order, scope, validity, exactness, replay."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.pricing.domain.wallet.draws import (
    Draw,
    DrawnStatement,
    StatementToPay,
    after,
    draw_content,
    draw_statement,
    draw_statements,
    replay,
)
from services.pricing.domain.wallet.grants import (
    CreditScope,
    GrantState,
    Rollover,
    burn_order,
    grant_content,
    grant_from,
)
from shared.money import format_exact
from tests.support.credit_values import MONTH_END, grant, part, state, to_pay

LATER, SOON = date(2024, 6, 1), date(2023, 12, 5)


def drawn_from(drawn: DrawnStatement) -> list[tuple[str, Fraction]]:
    return [(draw.grant_id, draw.amount) for draw in drawn.draws]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"priority": 1}, {"priority": 2, "expires_on": SOON}),
        ({"expires_on": SOON}, {"expires_on": LATER, "cost_basis": Fraction(0)}),
        ({"expires_on": LATER}, {"expires_on": None}),
        ({"cost_basis": Fraction(0)}, {"cost_basis": Fraction(1), "position": -1}),
        ({"position": -2}, {"position": -1}),
        ({"position": -1, "grant_id": "a"}, {"position": -1, "grant_id": "b"}),
    ],
    ids=["priority", "soonest expiry", "open end last", "cost basis", "oldest", "id"],
)
def test_burn_order(first: dict[str, Any], second: dict[str, Any]) -> None:
    """Each rule decides before the ones behind it, whatever the order of arrival."""
    one, other = state("g1"), state("g2")
    one, other = (
        replace(s, grant=replace(s.grant, **v), expires_on=v.get("expires_on"))
        for s, v in ((one, first), (other, second))
    )

    assert [one, other] == burn_order([other, one]) == burn_order([one, other])


def test_grants_pay_one_after_the_other() -> None:
    """The next grant pays what the first leaves; what none covers stays to be billed."""
    grants = [state("b", 5), state("a", 3, priority=1)]

    drawn = draw_statement(to_pay(part("7.5"), part(2, "001-fee")), grants)

    assert [
        Draw("a", "000-usage", Fraction(3), "at_use"),
        Draw("b", "000-usage", Fraction("4.5"), "at_use"),
        Draw("b", "001-fee", Fraction("0.5"), "at_use"),
    ] == list(drawn.draws)
    assert Fraction("1.5") == drawn.uncovered


def test_amounts_are_exact() -> None:
    """A third of a dollar is drawn as a third, and two thirds stay."""
    grants = [state("a", 1)]
    third = replace(part(1), amount=Fraction(1, 3))

    drawn = draw_statement(to_pay(third), grants)

    assert [Fraction(2, 3)] == [left.balance for left in after(grants, drawn.draws)]


@pytest.mark.parametrize(
    ("scope", "paid"),
    [
        (CreditScope(charges=frozenset({"fee"})), 5),
        (CreditScope(kinds=frozenset({"output_text"})), 7),
        (CreditScope(models=frozenset({"gpt-5.4"})), 3),
        (CreditScope(kinds=frozenset({"output_text"}), models=frozenset({"gpt-5.4"})), 3),
        (CreditScope(charges=frozenset({"fee"}), kinds=frozenset({"output_text"})), 0),
    ],
)
def test_a_grant_pays_only_what_its_scope_names(scope: CreditScope, paid: int) -> None:
    """Every named dimension must fit; a fee, which has no model, fits no scope of models."""
    parts = [
        part(4, model="claude-sonnet-4-6"),
        part(3, model="gpt-5.4"),
        part(5, "001-fee", charge="fee", kind="", model=""),
    ]

    drawn = draw_statement(to_pay(*parts), [state("a", 100, scope=scope)])

    assert paid == drawn.paid("at_use")
    assert 12 - paid == drawn.uncovered


@pytest.mark.parametrize(
    ("drawn", "values"),
    [
        (1, {"expires_on": MONTH_END}),
        (0, {"expires_on": MONTH_END - timedelta(days=1)}),
        (1, {"valid_from": MONTH_END - timedelta(days=1)}),
        (0, {"valid_from": MONTH_END}),
    ],
)
def test_a_grant_is_valid_on_the_last_day_of_the_period(drawn: int, values: dict[str, Any]) -> None:
    """A grant that ends with the period pays it; one that ends a day before does not."""
    assert drawn == len(draw_statement(to_pay(part(1)), [state("a", **values)]).draws)


def test_negative_parts_lower_what_is_paid() -> None:
    """Credits never pay more than the statement's total, and a credit draws nothing."""
    grants = [state("a", 100)]

    assert 6 == draw_statement(to_pay(part(10), part(-4, "001-x")), grants).paid("at_use")
    assert () == draw_statement(to_pay(part(1), part(-4, "001-x")), grants).draws


def test_statements_draw_in_their_order() -> None:
    """The earlier period is paid first, then the lower subscription id, however they arrive."""
    late = to_pay(part(6), statement_id="c", period_end=MONTH_END + timedelta(days=1))
    second = to_pay(part(6), statement_id="b", subscription_id="sub-2")
    first = to_pay(part(6), statement_id="a")

    drawn = draw_statements([late, second, first], [state("g", 10)])

    assert {"a": Fraction(0), "b": Fraction(2), "c": Fraction(6)} == {
        one.statement.statement_id: one.uncovered for one in drawn
    }
    assert ["a", "b", "c"] == [one.statement.statement_id for one in drawn]


def test_tax_modes_are_told_apart() -> None:
    """What lowers the taxable amount and what is a payment are sums of their own."""
    grants = [state("a", 2), state("b", 3, tax="at_purchase")]

    drawn = draw_statement(to_pay(part(10)), grants)

    assert 2 == drawn.paid("at_use")
    assert 3 == drawn.paid("at_purchase")


def test_terms_survive_being_written() -> None:
    """A grant read from what was stored is the grant that was given."""
    made = grant(
        "a",
        "0.000000000001",
        expires_on=LATER,
        cost_basis=Fraction(1, 3),
        scope=CreditScope(charges=frozenset({"x"})),
        rollover=Rollover(Fraction(5), days=30, times=2),
    )

    assert made == grant_from(json.loads(json.dumps(grant_content(made))), made.position)


AMOUNTS = st.fractions(min_value=0, max_value=1_000, max_denominator=30)
GRANTS = st.lists(
    st.builds(
        lambda index, amount, **values: state(f"g{index}", **values, amount=1 + amount),
        st.integers(0, 10**6),
        AMOUNTS,
        priority=st.integers(0, 2),
        expires_on=st.sampled_from([None, MONTH_END, SOON, LATER]),
        cost_basis=st.sampled_from([Fraction(0), Fraction(1)]),
        scope=st.sampled_from([CreditScope(), CreditScope(models=frozenset({"m1"}))]),
    ),
    max_size=5,
    unique_by=lambda made: made.grant.grant_id,
)
PARTS = st.lists(
    st.builds(
        lambda amount, sign, line, model: replace(
            part(0, f"00{line}-x", model=model), amount=amount * sign
        ),
        AMOUNTS,
        st.sampled_from([1, 1, 1, -1]),
        st.integers(0, 2),
        st.sampled_from(["m1", "m2", ""]),
    ),
    max_size=6,
)


@given(PARTS, GRANTS)
def test_draws_and_rest_sum_to_the_total(parts: Sequence[Any], grants: list[GrantState]) -> None:
    """What is paid and what is left to pay is the statement's total, and no balance falls below 0.

    `after` refuses a negative balance, so that it can be constructed is the proof.
    """
    drawn = draw_statement(to_pay(*parts), grants)
    total = sum((one.amount for one in parts), Fraction(0))
    left = after(grants, drawn.draws)
    spent = sum((one.balance for one in grants), Fraction(0)) - sum(
        (one.balance for one in left), Fraction(0)
    )

    assert max(total, Fraction(0)) == spent + drawn.uncovered
    assert all(draw.amount > 0 for draw in drawn.draws)


@given(PARTS, GRANTS, st.randoms(use_true_random=False))
def test_a_replay_gives_the_same_draws(
    parts: Sequence[Any], grants: list[GrantState], random: Any
) -> None:
    """What was stored is enough to draw again; the order in which grants were read is no input."""
    drawn = draw_statement(to_pay(*parts), grants)
    random.shuffle(grants)

    assert drawn == replay(json.loads(json.dumps(draw_content(drawn))))
    assert drawn == draw_statement(to_pay(*parts), grants)


def oldest_first(statement: StatementToPay, grants: list[GrantState]) -> list[str]:
    """Name the grants in the order of the variant that burns the oldest first."""
    by_age = sorted(grants, key=lambda one: one.grant.position)
    levelled = [replace(one, grant=replace(one.grant, priority=n)) for n, one in enumerate(by_age)]
    return [draw.grant_id for draw in draw_statement(statement, levelled).draws]


def test_oldest_first_burns_what_was_paid_for() -> None:
    """The variant that goes by age spends paid credit while a present is about to expire."""
    grants = [state("paid", 1), state("present", 1, expires_on=SOON, cost_basis=Fraction(0))]
    statement = to_pay(part(1))

    assert ["paid"] == oldest_first(statement, grants)
    assert ["present"] == [draw.grant_id for draw in draw_statement(statement, grants).draws]


def test_amounts_may_have_any_number_of_digits() -> None:
    """Shares of tiered lines have denominators of their own, which multiply in a balance."""
    odd = Fraction(1, 3**2000)
    drawn = draw_statement(to_pay(replace(part(1), amount=odd)), [state("a", 1)])

    assert drawn == replay(json.loads(json.dumps(draw_content(drawn))))
    assert 1 - odd == after(drawn.seen, drawn.draws)[0].balance


def test_nothing_is_paid_of_a_negative_line() -> None:
    """What a correction gives lowers what is drawn, and draws nothing itself."""
    parts = part(-5, "000-correction"), part("0.5", "001-usage"), part(10, "002-fee")

    drawn = draw_statement(to_pay(*parts), [state("a", 100)])

    assert [("001-usage", "0.5"), ("002-fee", "5")] == [
        (draw.line_key, format_exact(draw.amount)) for draw in drawn.draws
    ]


def test_a_grant_that_cannot_pay_hides_no_other() -> None:
    """Neither one that is over, nor a line that is out of its scope."""
    grants = [
        state("over", 100, priority=1, expires_on=date(2023, 11, 2)),
        state("fees", 100, priority=2, scope=CreditScope(charges=frozenset({"fee"}))),
        state("any", 100, priority=3),
    ]

    drawn = draw_statement(to_pay(part(4), part(2, "001-fee", charge="fee")), grants)

    assert [("fees", "001-fee", 2), ("any", "000-usage", 4)] == [
        (draw.grant_id, draw.line_key, int(draw.amount)) for draw in drawn.draws
    ]


def test_what_is_stored_of_a_draw_says_what_was_left() -> None:
    """The check of live data reads it beside the draws."""
    stored = draw_content(draw_statement(to_pay(part(4)), [state("a", 1)]))

    assert "3" == stored["uncovered"]


def test_a_rollover_without_limit_survives_being_written() -> None:
    """No limit is read back as none."""
    rollover = Rollover(None, days=31, times=2)
    made = grant("a", expires_on=date(2023, 12, 1), rollover=rollover)

    assert rollover == grant_from(grant_content(made), made.position).rollover
