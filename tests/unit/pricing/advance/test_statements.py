"""What a statement says of fees in advance: those of the next period, and changes of its own."""

from dataclasses import replace
from datetime import date
from fractions import Fraction

from services.pricing.domain.advance import (
    ChargedFees,
    line_ahead,
    opening_of,
    own_key,
    with_fees_in_advance,
    without_fees_in_advance,
)
from services.pricing.domain.charges.flat import Flat
from services.pricing.domain.charges.per_seat import PerSeat
from services.pricing.domain.charges.per_unit import PerUnit
from services.pricing.domain.periods import Period
from services.pricing.domain.rating import rate_period
from services.pricing.domain.seats import SeatChange, Seats
from services.pricing.domain.statement import Line, RatedStatement
from shared.currencies import CURRENCIES
from tests.support.pricing_values import NOVEMBER, charged, terms, usage

DECEMBER = Period(date(2023, 12, 1), date(2024, 1, 1), 31)
TEAM = charged(Flat(Fraction(300), "in_advance"), key="team")
SEATS = charged(PerSeat(Fraction(30), timing="in_advance"), key="seats")
UNITS = charged(PerUnit(Fraction(1)), key="units")
DOLLAR = CURRENCIES["USD"]
Amount = Fraction | int


def rated(period: Period = NOVEMBER, seats: int | Seats = 2, units: int = 7) -> RatedStatement:
    rows = [usage("units", units, usage_day=period.start)] if units else []
    return rate_period(terms(TEAM, SEATS, UNITS, seats=seats, period=period), rows)


def charges(statement: RatedStatement) -> ChargedFees:
    lines = [replace(line, line_key=own_key(line.line_key)) for line in statement.lines]
    return ChargedFees("opening", tuple(lines))


def statement_of(
    period: RatedStatement, before: ChargedFees | None, ahead: RatedStatement | None
) -> RatedStatement:
    return with_fees_in_advance(period, before, ahead, currency=DOLLAR)


def told(lines: tuple[Line, ...]) -> list[tuple[str, str, Amount]]:
    return [(line.line_key, line.name, line.amount) for line in lines]


def steps_of(line: Line) -> list[tuple[str, Amount]]:
    return [(step.description, step.amount) for step in line.steps]


def test_an_opening_statement_holds_the_fees_alone() -> None:
    """Usage is not known yet; every line names the days that it is for."""
    opening = opening_of(rated())

    assert [
        ("~advance/2023-11-01/000-team", "Team, in advance for 2023-11-01 to 2023-11-30", 300),
        ("~advance/2023-11-01/001-seats", "Seats, in advance for 2023-11-01 to 2023-11-30", 60),
    ] == told(opening.lines)
    assert 360 == opening.total


def test_a_statement_holds_its_usage_and_the_fees_of_the_next_period() -> None:
    """What was charged of its own period, and did not change, is not on it again."""
    statement = statement_of(rated(), charges(opening_of(rated())), rated(DECEMBER, units=0))

    assert [
        ("002-units", "Units", 7),
        ("~advance/2023-12-01/000-team", "Team, in advance for 2023-12-01 to 2023-12-31", 300),
        ("~advance/2023-12-01/001-seats", "Seats, in advance for 2023-12-01 to 2023-12-31", 60),
    ] == told(statement.lines)
    assert 367 == statement.total


def test_seats_added_within_the_period_are_charged_by_days_on_its_statement() -> None:
    """Three more from the 16th on are 3 x 30 x 15/30; the steps tell how, and sum to the line."""
    added = Seats({"": 2}, (SeatChange(date(2023, 11, 16), 3),))
    statement = statement_of(rated(seats=added), charges(opening_of(rated())), None)
    (line,) = [line for line in statement.lines if line.advance]

    assert [45, 3] == [line.amount, line.quantity]
    assert "Seats, change of what was charged for 2023-11-01 to 2023-11-30" == line.name
    assert [
        ("2 seats at 30.00 USD each", 60),
        ("3 seats added on 2023-11-16 at 30.00 USD each, 15 of 30 days", 45),
        ("less 60.00 USD that were charged in advance", -60),
    ] == steps_of(line)
    assert line.advance is not None
    assert "opening" == line.advance.statement_id


def test_fewer_seats_change_nothing_until_the_next_period() -> None:
    """They are paid to the end of the period: no line; the next one is charged for those left."""
    fewer = Seats({"": 2}, (SeatChange(date(2023, 11, 16), -1),))
    ahead = rated(DECEMBER, seats=1, units=0)
    statement = statement_of(rated(seats=fewer), charges(opening_of(rated())), ahead)

    assert [7, 300, 30] == [line.amount for line in statement.lines]


def test_an_end_within_the_period_credits_the_days_that_are_left() -> None:
    """Ten of thirty days were held: two thirds come back, of the fee and of the seats."""
    cut = replace(NOVEMBER, end=date(2023, 11, 11))
    statement = statement_of(rated(cut), charges(opening_of(rated())), None)

    assert [7, -200, -40] == [line.amount for line in statement.lines]


def test_what_is_not_charged_before_is_charged_by_its_own_statement() -> None:
    """A plan that begins within the period, or an opening that was never made: nothing is lost."""
    statement = statement_of(rated(), None, None)

    assert [
        ("002-units", "Units", 7),
        ("~advance/2023-11-01/000-team", "Team, for 2023-11-01 to 2023-11-30", 300),
        ("~advance/2023-11-01/001-seats", "Seats, for 2023-11-01 to 2023-11-30", 60),
    ] == told(statement.lines)


def test_a_fee_that_is_no_longer_due_comes_back_as_a_whole() -> None:
    """A plan that is replaced from the first day on has no line of its own to be set off."""
    usage_only = rate_period(terms(UNITS), [usage("units", 7)])
    statement = statement_of(usage_only, charges(opening_of(rated())), None)
    back = [line for line in statement.lines if line.advance]

    assert [-300, -60] == [line.amount for line in back]
    assert ["nothing is due for these days", "less 300.00 USD that were charged in advance"] == [
        step.description for step in back[0].steps
    ]


def test_without_fees_in_advance_a_statement_is_what_it_was() -> None:
    """Hashes of books in arrears are those of before; and late usage looks at the rest only."""
    plain = rate_period(terms(UNITS), [usage("units", 7)])

    assert plain is statement_of(plain, None, plain)
    assert plain is without_fees_in_advance(plain)
    assert [7] == [line.amount for line in without_fees_in_advance(rated()).lines]


def test_what_was_charged_is_part_of_the_input() -> None:
    """Another opening, or another next period, is another input."""
    before, fewer = charges(opening_of(rated())), charges(opening_of(rated(seats=1)))
    ahead = rated(DECEMBER, units=0)
    statements = [
        statement_of(rated(), before, ahead),
        statement_of(rated(), fewer, ahead),
        statement_of(rated(), before, None),
        statement_of(rated(), before, rated(DECEMBER, seats=1, units=0)),
    ]

    assert 4 == len({statement.input_hash for statement in statements})


def test_the_same_line_twice_would_be_caught() -> None:
    """A fee of one charge stands on a statement for two periods, under two keys."""
    before = charges(opening_of(rated(seats=1)))
    lines = statement_of(rated(), before, rated(DECEMBER, units=0)).lines

    assert len(lines) == len({line.line_key for line in lines})
    assert "001-seats" == own_key(line_ahead(rated().lines[1]).line_key)
