"""The ledger over any sequence of movements: sums of zero, no negative balance, nothing lost."""

from collections import defaultdict
from dataclasses import replace
from datetime import date, timedelta
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.pricing.domain.wallet.changes import Expiry, Return, expire, return_draws
from services.pricing.domain.wallet.draws import Draw, draw_content, draw_statement
from services.pricing.domain.wallet.grants import Grant, GrantState, Rollover
from services.pricing.domain.wallet.ledger import (
    Entry,
    Transaction,
    draw_transaction,
    expiry_transaction,
    grant_transaction,
    return_transaction,
)
from tests.support.credit_values import grant, part, to_pay

START = date(2023, 11, 1)


class Books:
    """A wallet whose only state is its transactions, as in the database."""

    def __init__(self) -> None:
        self.transactions: list[Transaction] = []
        self.grants: dict[str, Grant] = {}
        self.today = START

    def balances(self) -> dict[str, Fraction]:
        sums: dict[str, Fraction] = defaultdict(Fraction)
        for entry in self._entries("credits"):
            sums[entry.grant_id] += entry.amount
        return sums

    def _entries(self, account: str) -> list[Entry]:
        every = [entry for one in self.transactions for entry in one.entries]
        return [entry for entry in every if entry.account == account]

    def sum_of(self, account: str) -> Fraction:
        return sum((entry.amount for entry in self._entries(account)), Fraction(0))

    def states(self) -> list[GrantState]:
        balances = self.balances()
        return [
            GrantState(one, balances[one.grant_id], self._ends(one)) for one in self.grants.values()
        ]

    def _ends(self, one: Grant) -> date | None:
        until = [
            date.fromisoformat(transaction.content["expires"][one.grant_id])
            for transaction in self.transactions
            if one.grant_id in transaction.content.get("expires", {})
        ]
        return one.expires_on and max([one.expires_on, *until])

    def give(self, amount: Fraction, days: int, *, rolls: bool) -> None:
        name = f"g{len(self.grants)}"
        made = grant(
            name,
            1,
            valid_from=self.today,
            expires_on=self.today + timedelta(days=days),
            rollover=Rollover(amount / 2, days=3, times=2) if rolls else None,
        )
        self.grants[name] = replace(made, amount=amount)
        booked = grant_transaction(self.grants[name], on=self.today, origin="grant")
        self.transactions.append(booked)

    def draw(self, amount: Fraction) -> None:
        asked = to_pay(
            replace(part(1), amount=amount),
            statement_id=f"st-{len(self.transactions)}",
            period_end=self.today + timedelta(days=1),
        )
        states = [state for state in self.states() if state.balance]
        self.transactions.append(draw_transaction(draw_statement(asked, states)))

    def undo(self, amount: Fraction | None) -> None:
        draws = [one for one in self.transactions if one.kind == "draw"]
        if not draws:
            return
        reference = draws[-1].reference
        sums: dict[tuple[str, str], Fraction] = defaultdict(Fraction)
        for one in self.transactions:
            for entry in one.entries:
                if one.reference == reference and entry.account == "usage":
                    sums[entry.grant_id, entry.line_key] += entry.amount
        drawn = [Draw(*key, held, "at_use") for key, held in sums.items() if held]
        returns = return_draws(drawn, self.states(), on=self.today, amount=amount)
        self.transactions.append(return_transaction(reference, returns, on=self.today))

    def expire(self) -> None:
        for expiry in expire(self.states(), through=self.today):
            if expiry.carried is not None:
                self.grants[expiry.carried.grant_id] = expiry.carried
            self.transactions.append(expiry_transaction(expiry, on=self.today))


AMOUNTS = st.fractions(min_value="1/30", max_value=100, max_denominator=30)
MOVES = st.lists(
    st.one_of(
        st.tuples(st.just("give"), AMOUNTS, st.integers(1, 40), st.booleans()),
        st.tuples(st.just("draw"), AMOUNTS),
        st.tuples(st.just("undo"), st.none() | AMOUNTS),
        st.tuples(st.just("expire")),
        st.tuples(st.just("wait"), st.integers(1, 40)),
    ),
    max_size=25,
)


def play(books: Books, move: tuple[Any, ...]) -> None:
    match move:
        case ("give", amount, days, rolls):
            books.give(amount, days, rolls=rolls)
        case ("draw", amount):
            books.draw(amount)
        case ("undo", amount):
            books.undo(amount)
        case ("expire",):
            books.expire()
        case (_, days):
            books.today += timedelta(days=days)


@given(MOVES)
def test_any_sequence_of_movements_keeps_the_books(moves: list[tuple[Any, ...]]) -> None:
    """After each movement no grant is below zero, and what came in is held, used or expired."""
    books = Books()
    for move in moves:
        play(books, move)

        assert all(balance >= 0 for balance in books.balances().values())
        assert books.sum_of("usage") >= 0
        assert -books.sum_of("funding") == sum(
            (books.sum_of(account) for account in ("credits", "usage", "breakage")), Fraction(0)
        )


def test_entries_that_do_not_sum_to_zero_are_no_transaction() -> None:
    """The variant that books one side only cannot be constructed."""
    both = grant_transaction(grant("a"), on=START, origin="grant")

    with pytest.raises(ValueError, match="sum to zero"):
        replace(both, entries=both.entries[:1])


def test_a_grant_is_booked_from_its_funding() -> None:
    """Into the grant, out of where it came from, and told where that was."""
    made = grant_transaction(grant("a", 10), on=START, origin="top_up")

    entries = (Entry("credits", "a", Fraction(10)), Entry("funding", "a", Fraction(-10)))
    assert Transaction("grant", START, "a", entries, {"origin": "top_up"}) == made


def test_a_draw_is_booked_line_by_line() -> None:
    """On the last day of its period, under its statement, with all it was computed from."""
    drawn = draw_statement(to_pay(part(4)), [GrantState(grant("a", 10), Fraction(10), None)])

    made = draw_transaction(drawn)

    entries = (
        Entry("credits", "a", Fraction(-4), "000-usage"),
        Entry("usage", "a", Fraction(4), "000-usage"),
    )
    assert Transaction("draw", date(2023, 11, 30), "st-1", entries, draw_content(drawn)) == made


def test_a_return_is_booked_as_the_draw_was() -> None:
    """From usage back to the grant of the line; it says how long what ends is kept."""
    returns = [
        Return("a", "000-usage", Fraction(3), date(2024, 1, 1)),
        Return("b", "001-fee", Fraction(1), None),
    ]

    made = return_transaction("st-1", returns, on=START)

    entries = (
        Entry("credits", "a", Fraction(3), "000-usage"),
        Entry("usage", "a", Fraction(-3), "000-usage"),
        Entry("credits", "b", Fraction(1), "001-fee"),
        Entry("usage", "b", Fraction(-1), "001-fee"),
    )
    expires = {"expires": {"a": "2024-01-01"}}
    assert Transaction("return", START, "st-1", entries, expires) == made


def test_an_expiry_is_breakage_and_what_is_carried() -> None:
    """Of 10 that end 6 are lost and 4 move on; where nothing is lost nothing is booked as such."""
    moved = (Entry("credits", "a", Fraction(-4)), Entry("credits", "a~", Fraction(4)))
    lost = (Entry("credits", "a", Fraction(-6)), Entry("breakage", "a", Fraction(6)))
    carried = grant("a~", 4)

    made = [
        expiry_transaction(Expiry("a", Fraction(amount), one), on=START)
        for amount, one in ((6, carried), (0, carried), (6, None))
    ]

    assert [
        Transaction("expiry", START, "a", entries) for entries in ((*lost, *moved), moved, lost)
    ] == made
