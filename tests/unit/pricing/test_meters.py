"""Values of meters that do not add up: one quantity of the period, told on the line."""

from dataclasses import replace
from datetime import date
from fractions import Fraction
from typing import Any

import pytest

from services.pricing.domain.adjustment import BilledPeriod, adjustments
from services.pricing.domain.charge import Charge
from services.pricing.domain.charges.graduated import Graduated
from services.pricing.domain.charges.package import Package
from services.pricing.domain.charges.per_unit import PerUnit
from services.pricing.domain.charges.price import Price
from services.pricing.domain.charges.volume import Volume
from services.pricing.domain.meters import MeterReading, MeterState, meter_of
from services.pricing.domain.periods import Period, UnpaidPeriod
from services.pricing.domain.rating import rate_period
from services.pricing.domain.readings import Readings
from services.pricing.domain.split.meter_spans import MeterSpan, meter_spans
from services.pricing.domain.split.parts import Charged, Part, SplitTerms
from services.pricing.domain.split.rating import rate_parts
from services.pricing.domain.statement import AdjustedPeriod, RatedStatement
from services.pricing.handlers.billed import billed_content
from services.pricing.handlers.statement_message import line_of
from shared.currencies import CURRENCIES
from tests.support.pricing_values import NOVEMBER, charged, claim, plan, terms, tier, usage

PEOPLE = "meter:people@2"
LAST_DAY = date(2023, 11, 30)
DOLLAR = CURRENCIES["USD"]
EACH = PerUnit(Fraction(5))


def reading(value: int | str | None, state: MeterState = "final", **values: Any) -> MeterReading:
    known = None if value is None else Fraction(value)
    return MeterReading(known, LAST_DAY, state, **{"events": 9, "content_hash": "c0ffee", **values})


def read(value: int | str | None, state: MeterState = "final", **values: Any) -> Readings:
    return Readings(meters={PEOPLE: reading(value, state, **values)})


def rate(price: Price, readings: Readings, **conditions: Any) -> RatedStatement:
    return rate_period(terms(charged(price, PEOPLE, **conditions)), [], readings)


@pytest.mark.parametrize(
    ("price", "amount"),
    [
        (EACH, "35"),
        (Graduated((tier("5", "10"), tier(None, "8"))), "66"),
        (Volume((tier("5", "10"), tier(None, "8"))), "56"),
        (Package(Fraction(4), Fraction(9)), "18"),
    ],
)
def test_every_price_of_a_quantity_takes_the_value(price: Price, amount: str) -> None:
    """7 people: 7 x 5; 5 x 10 + 2 x 8; 7 x 8; two packages of four."""
    assert Fraction(amount) == rate(price, read(7)).total


def test_what_is_around_a_price_acts_on_the_value() -> None:
    """Free units are people here: 7 less 2 at 5, less a fifth."""
    free = rate(EACH, read(7), free_units=Fraction(2), discount_percent=Fraction(20))

    assert 20 == free.total


def test_the_line_names_meter_version_value_and_hash() -> None:
    """The trace tells what the quantity is, and what it was computed from."""
    line = rate(EACH, read(7)).lines[0]
    told = line_of(line, "USD").meters[0]

    assert "people@2 is 7, of 9 events with the hash c0ffee" == line.steps[0].description
    assert ("people", 2, "7", "final", "c0ffee") == (
        *(told.meter, told.version, told.value_exact),
        *(told.state, told.content_hash),
    )
    assert [(PEOPLE, LAST_DAY)] == [(d.kind, d.usage_day) for d in line.details]


def test_the_hash_of_the_input_holds_the_value_and_what_it_is_of() -> None:
    """Another value, or other events behind the same value, are another input."""
    hashes = [
        rate(EACH, readings).input_hash
        for readings in (read(7), read(8), read(7, content_hash="other"), Readings())
    ]

    assert 4 == len(set(hashes))
    assert hashes[0] == rate(EACH, read(7)).input_hash


def test_a_missing_value_is_told_and_not_taken_for_nothing() -> None:
    """The line stands there without an amount; a value of 0 has none, as any charge unused."""
    missing = rate(EACH, read(None, "missing"))

    assert ["people@2 has no value yet: nothing is charged for it so far"] == [
        step.description for step in missing.lines[0].steps if step.step == "meter"
    ]
    assert "missing" == line_of(missing.lines[0], "USD").meters[0].state
    assert () == rate(EACH, read(0)).lines


@pytest.mark.parametrize(("dimension", "told"), [({"service_tier": ""}, 1), ({"model": "m*"}, 0)])
def test_a_value_has_no_model_and_no_tier(dimension: dict[str, str], told: int) -> None:
    """A charge of the standard tier takes it, one of some models does not, nor waits for it."""
    charge = Charge("c", "C", EACH, claim(PEOPLE, "units", **dimension))

    rated = [rate_period(terms(charge), [], given) for given in (read(7), read(None, "missing"))]

    assert [told, told] == [len(statement.lines) for statement in rated]
    assert [35 * told, 0] == [statement.total for statement in rated]


def test_a_value_of_nothing_is_told_as_it_is() -> None:
    """Where a minimum is due, the line says that nobody was counted."""
    (line,) = rate(EACH, read(0), minimum=Fraction(3)).lines

    assert line.amount == 3
    assert "people@2 is 0, of 9 events with the hash c0ffee" == line.steps[0].description


def test_a_value_is_there_or_missing() -> None:
    """A reading that is neither cannot be made."""
    with pytest.raises(ValueError, match="missing, or it is there"):
        reading(None)


def test_other_usage_of_the_charge_adds_up_with_it() -> None:
    """A charge may count tokens and people in one unit, whatever models the tokens ran on."""
    both = terms(charged(EACH, PEOPLE, "units"))

    assert 50 == rate_period(both, [usage("units", 3)], read(7)).total


def test_an_endless_value_is_priced_exactly_and_read_back_exactly() -> None:
    """A third stands as its nearest decimal, with the fraction beside it; no difference is left."""
    rated = rate(PerUnit(Fraction(3)), read("1/3"))
    content = billed_content(rated, "USD")
    period = AdjustedPeriod("s", "sub", NOVEMBER.start, NOVEMBER.end)
    line = content.lines[0]

    assert 1 == rated.total
    assert ("0.33333333333333333333", "1/3") == (str(line.quantity), line.quantity_exact)
    assert "1/3" == line.details[0].quantity_exact
    billed: BilledPeriod = content.to_domain(period, rated.rating_hash)
    assert () == adjustments(billed, rated)


def test_a_difference_tells_of_the_new_value() -> None:
    """What a late event adds to a value is billed, and says which value it comes from."""
    before, now = rate(EACH, read(7)), rate(EACH, read(8, content_hash="more"))
    (line,) = adjustments(before, now)

    assert Fraction(5) == line.amount
    assert [Fraction(8)] == [known.value for _, known in line.meters]


def test_a_kind_is_read_back() -> None:
    """Names may hold anything but an @."""
    assert ("agent-actions", 12) == meter_of("meter:agent-actions@12")


MIDDLE = date(2023, 11, 16)
NAMING, SILENT = plan(charged(EACH, PEOPLE)), plan(charged(EACH, "units"))


def part(sold: Any, start: date, end: date, charged_: Charged = "all") -> Part:
    period = (Period if charged_ == "all" else UnpaidPeriod)(start, end, 30)
    return Part(period, sold, "book", "hash", charged=charged_)


def halves(first: Any, second: Any, state: Charged = "all") -> list[Part]:
    start, end = NOVEMBER.start, NOVEMBER.end
    return [part(first, start, MIDDLE, state), part(second, MIDDLE, end)]


@pytest.mark.parametrize(
    ("parts", "spans"),
    [
        (halves(NAMING, NAMING), [(NOVEMBER.start, NOVEMBER.end, 1)]),
        (halves(NAMING, SILENT), [(NOVEMBER.start, MIDDLE, 0)]),
        (halves(SILENT, NAMING), [(MIDDLE, NOVEMBER.end, 1)]),
        (halves(NAMING, NAMING, "nothing"), [(MIDDLE, NOVEMBER.end, 1)]),
        (halves(NAMING, NAMING, "usage"), [(NOVEMBER.start, NOVEMBER.end, 1)]),
        (halves(SILENT, SILENT), []),
    ],
    ids=["both", "first", "second", "trial", "pause", "none"],
)
def test_a_value_is_of_the_parts_in_a_row_that_name_its_meter(
    parts: list[Part], spans: list[tuple[date, date, int]]
) -> None:
    """One value for as long as parts name it; free days ask for none, a pause goes on."""
    expected = [MeterSpan(PEOPLE, *span) for span in spans]

    assert expected == meter_spans(parts, frozenset({PEOPLE, "meter:other@1"}))


def test_a_meter_that_is_dropped_and_taken_up_again_has_two_values() -> None:
    """Days in between are nobody's."""
    days = [date(2023, 11, day) for day in (1, 11, 21)] + [NOVEMBER.end]
    parts = [
        part(sold, start, end)
        for sold, start, end in zip((NAMING, SILENT, NAMING), days, days[1:], strict=False)
    ]

    assert [0, 2] == [span.place for span in meter_spans(parts, frozenset({PEOPLE}))]


def test_additive_meters_and_patterns_are_asked_for_nothing() -> None:
    """Rows come by themselves, and a pattern names no meter."""
    pattern = plan(charged(EACH, "meter:*"))

    assert [] == meter_spans(halves(NAMING, NAMING), frozenset())
    assert frozenset() == pattern.named_meters


def test_a_migration_to_the_same_version_changes_nothing() -> None:
    """The one value stands in the last part: f(0 + 7) - f(0) is what the whole period costs."""
    price = Graduated((tier("5", "10", "1"), tier(None, "8", "2")))
    sold = plan(charged(price, PEOPLE))
    first, second = halves(sold, sold)
    parts = (first, replace(second, readings=read(7)))
    rated = rate_parts(SplitTerms(parts, DOLLAR), [])

    assert rate(price, read(7)).total == rated.total
    assert [(PEOPLE, reading(7))] == list(rated.lines[0].meters)
    other = (first, replace(second, readings=read(7, content_hash="other")))
    assert rated.input_hash != rate_parts(SplitTerms(other, DOLLAR), []).input_hash
