"""One version all period long: in one part, or cut in two, a statement is that of the period."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from fractions import Fraction
from typing import Any

import pytest

from services.pricing.domain.charge import Charge
from services.pricing.domain.charges.cost_plus import CostPlus
from services.pricing.domain.charges.flat import Flat
from services.pricing.domain.charges.graduated import Graduated
from services.pricing.domain.charges.matrix import Cell, Matrix
from services.pricing.domain.charges.per_seat import PerSeat
from services.pricing.domain.charges.per_unit import PerUnit
from services.pricing.domain.charges.percentage import Percentage
from services.pricing.domain.charges.prorated_graduated import ProratedGraduated
from services.pricing.domain.charges.surcharge import Surcharge
from services.pricing.domain.charges.weighted_sum import WeightedSum
from services.pricing.domain.commitment import Commitment
from services.pricing.domain.conversion import Conversion, ConversionRate
from services.pricing.domain.cost.prices import PriceHistory, PriceKey, PriceTable, UnitPrice
from services.pricing.domain.cost.provider_cost import ProviderPrices
from services.pricing.domain.meters import MeterReading
from services.pricing.domain.periods import Period
from services.pricing.domain.plan import Plan
from services.pricing.domain.pools import Pool
from services.pricing.domain.rating import RatingTerms, rate_period
from services.pricing.domain.readings import Readings, UsageOfSeat
from services.pricing.domain.seats import Seats
from services.pricing.domain.split.parts import Part, SplitTerms
from services.pricing.domain.split.rating import rate_parts
from services.pricing.domain.statement import RatedStatement
from services.pricing.domain.step import CONVERSION, METER, PRICE
from shared.currencies import CURRENCIES
from tests.support.pricing_values import NOVEMBER, charged, plan, tier, usage

DOLLAR = CURRENCIES["USD"]
MIDDLE = date(2023, 11, 16)
PEOPLE = "meter:people@2"
MODEL = "claude-sonnet-4-6"
COSTS = ProviderPrices(
    PriceTable(
        {
            PriceKey("anthropic", MODEL, "units"): PriceHistory(
                (date(2023, 1, 1),), (UnitPrice(Fraction(1, 3)),)
            )
        },
        {"anthropic": {MODEL: ("anthropic", MODEL)}},
    )
)
DAYS = (date(2023, 11, 3), date(2023, 11, 9), date(2023, 11, 20), date(2023, 11, 20))
ROWS = [
    usage("units", quantity, usage_day=day, agent=agent)
    for quantity, day, agent in zip((13, 5, 20, -4), DAYS, "abac", strict=True)
]
"""18 units in the first half of November, 16 in the second: 34 in all."""

TIERS = Graduated((tier("10", "3", "7"), tier("25", "2", "5"), tier(None, "1", "11")))
"""34 units: 30 and 30 and 9, with flat fees of 23."""

EACH = PerUnit(Fraction(1))


@dataclass(frozen=True)
class Read:
    """What is read of each half, and of both."""

    first: Readings = field(default_factory=Readings)
    second: Readings = field(default_factory=Readings)
    all: Readings = field(default_factory=Readings)


def pool(key: str, included: int, measure: Any = "quantity", **values: Any) -> Pool:
    return Pool(key, key.title(), measure, Fraction(included), **values)


def seat_usage(*used: tuple[str, int]) -> tuple[UsageOfSeat, ...]:
    return tuple(
        UsageOfSeat(seat, "", "a", "m", "units", "", day, Fraction(units))
        for (seat, units), day in zip(used, DAYS[1:], strict=False)
    )


CREDITS = Conversion("credits", (ConversionRate(Fraction(3), Fraction(2), kinds=("units",)),))
OF_SEATS = pool("own", 0, included_per_seat={"": Fraction(9)}, scope="per_seat")
FIRST, SECOND = seat_usage(("s", 18)), seat_usage(("-", 0), ("s", 2), ("t", 8))[1:]
COUNTED = MeterReading(Fraction(7), date(2023, 11, 30), "final", 9, "c0ffee")
UNKNOWN = MeterReading(None, date(2023, 11, 30), "missing")
EVENTS = Percentage(Fraction(10), fixed_amount=Fraction(1), free_events=1)
LEVELS = Readings(levels={"c": Fraction(6)})

CHARGES: Mapping[str, Charge] = {
    "graduated": charged(TIERS),
    "free units": charged(TIERS, free_units=Fraction(20)),
    "more free than used": charged(TIERS, free_units=Fraction(90)),
    "converted": charged(TIERS, conversion=CREDITS, free_units=Fraction(3)),
    "pools": charged(EACH, pools=(pool("p", 12), pool("q", 4)), free_units=Fraction(2)),
    "pool that ends": charged(
        EACH, pools=(pool("p", 30, ends_on=date(2023, 11, 12)),), free_units=Fraction(2)
    ),
    "pool of all seats": charged(EACH, pools=(pool("p", 3, included_per_seat={"": Fraction(4)}),)),
    "blocked units": charged(EACH, pools=(pool("p", 12),), overage="block"),
    "pool of more": charged(EACH, pools=(pool("p", 90),), overage="block"),
    "pool of money": charged(TIERS, pools=(pool("p", 12, "amount"), pool("q", 1, "amount"))),
    "money and units": charged(EACH, pools=(pool("p", 12, "amount"), pool("q", 3))),
    "blocked money": charged(TIERS, pools=(pool("p", 12, "amount"),), overage="block"),
    "pool of much money": charged(TIERS, pools=(pool("p", 99, "amount"),), overage="block"),
    "limit": charged(TIERS, pools=(pool("p", 12, "amount"),), on_demand_limit=Fraction(20)),
    "limit of its own": charged(TIERS, on_demand_limit=Fraction(20)),
    "pools of seats": charged(EACH, pools=(OF_SEATS,)),
    "pools of seats, converted": charged(EACH, pools=(OF_SEATS,), conversion=CREDITS),
    "discounts": charged(TIERS, discount_percent=Fraction(25), discount_amount=Fraction(9)),
    "maximum": charged(TIERS, maximum=Fraction(50)),
    "high maximum": charged(TIERS, maximum=Fraction(500)),
    "minimum": charged(TIERS, minimum=Fraction(150), maximum=Fraction(170)),
    "low minimum": charged(TIERS, minimum=Fraction(5)),
    "commitment": charged(TIERS, commitment=Commitment(Fraction(150))),
    "commitment above a minimum": charged(
        TIERS, minimum=Fraction(95), commitment=Commitment(Fraction(99))
    ),
    "commitment below a minimum": charged(
        TIERS,
        minimum=Fraction(99),
        commitment=Commitment(Fraction(80), overage_factor=Fraction(3)),
    ),
    "overage": charged(TIERS, commitment=Commitment(Fraction(50), overage_factor=Fraction(3, 2))),
    "committed units": charged(TIERS, commitment=Commitment(quantity=Fraction(50))),
    "cells": charged(
        Matrix((Cell(Fraction(2), kinds=("units",)), Cell(Fraction(3), kinds=("other",)))),
        *("units", "other"),
    ),
    "cost plus": charged(CostPlus(Fraction(6, 5))),
    "weighted": charged(WeightedSum(Fraction(30))),
    "weighted from nothing": charged(WeightedSum(Fraction(30))),
    "levels": charged(ProratedGraduated(TIERS.tiers)),
    "single events": charged(EVENTS),
    "share of a sum": charged(Percentage(Fraction(10), free_amount=Fraction(15))),
    "people": charged(TIERS, PEOPLE, key="c"),
    "fee": charged(Flat(Fraction(500))),
    "fee beside a pool of money": charged(Flat(Fraction(500)), pools=(pool("p", 12, "amount"),)),
    "fee in advance": charged(Flat(Fraction(500), "in_advance")),
    "seats": charged(PerSeat(Fraction(20))),
    "fee and its minimum": charged(Flat(Fraction(50)), minimum=Fraction(80)),
    "fee and what it commits to": charged(Flat(Fraction(50)), commitment=Commitment(Fraction(80))),
}
READ: Mapping[str, Read] = {
    "pools of seats": Read(
        *(Readings(usage_of_seats=used) for used in (FIRST, SECOND, FIRST + SECOND))
    ),
    "pools of seats, converted": Read(
        *(Readings(usage_of_seats=used) for used in (FIRST, SECOND, FIRST + SECOND))
    ),
    "weighted": Read(LEVELS, all=LEVELS),
    "levels": Read(LEVELS, all=LEVELS),
    "single events": Read(
        *(
            Readings(events={"units": tuple(map(Fraction, values))})
            for values in ((13, 5), (20, -4), (13, 5, 20, -4))
        )
    ),
    "people": Read(
        second=Readings(meters={PEOPLE: COUNTED}), all=Readings(meters={PEOPLE: COUNTED})
    ),
}
NAMES = pytest.mark.parametrize("name", CHARGES)


def sold(*charges: Charge, **values: Any) -> Plan:
    return plan(*charges, **values)


def of_period(plan_: Plan, read: Readings) -> RatedStatement:
    stated = RatingTerms("hash", plan_, DOLLAR, Seats.of(2), NOVEMBER)
    return rate_period(stated, ROWS, read, prices=COSTS)


def of_parts(
    plan_: Plan, readings: Sequence[Readings], prices: ProviderPrices | None = COSTS
) -> RatedStatement:
    """Rate November in one part, or cut before the 16th in two."""
    days = [NOVEMBER.start, *([MIDDLE] if readings[1:] else []), NOVEMBER.end]
    parts = tuple(
        Part(Period(start, end, 30), plan_, "book", "hash", Seats.of(2), readings=read)
        for start, end, read in zip(days, days[1:], readings, strict=False)
    )
    return rate_parts(SplitTerms(parts, DOLLAR), ROWS, prices=prices)


def same_but_input(rated: RatedStatement) -> RatedStatement:
    return replace(rated, input_hash="")


@NAMES
def test_one_part_is_a_period(name: str) -> None:
    """Every step and its words, detail, pool, cost and hash: a tenant sees no difference."""
    read = READ.get(name, Read())

    one = of_parts(sold(CHARGES[name]), [read.all])

    assert same_but_input(of_period(sold(CHARGES[name]), read.all)) == same_but_input(one)


@NAMES
def test_two_parts_are_a_period_whose_steps_name_their_days(name: str) -> None:
    """Up to the price a step is of its part; what comes after it is of the whole line.

    Only the details of levels differ: units that stayed from an earlier part are a level there.
    """
    read = READ.get(name, Read())

    (one,) = of_period(sold(CHARGES[name]), read.all).lines
    (two,) = of_parts(sold(CHARGES[name]), [read.first, read.second]).lines

    by_part = {CONVERSION, METER, PRICE}
    assert [s for s in one.steps if s.step not in by_part] == [
        s for s in two.steps if s.step not in by_part
    ]
    assert all(
        s.description.startswith(("2023-11-01 to 2023-11-15: ", "2023-11-16 to 2023-11-30: "))
        for s in two.steps
        if s.step in by_part
    )
    if name in {"weighted", "weighted from nothing", "levels"}:
        one = replace(one, details=two.details)
    assert replace(one, steps=()) == replace(two, steps=())


PLANS: Mapping[str, Plan] = {
    "beside": sold(charged(TIERS), charged(Surcharge(Fraction(2)), key="more")),
    "minimum": sold(charged(TIERS), minimum=Fraction(99)),
    "commitment": sold(charged(TIERS), minimum=Fraction(95), commitment=Commitment(Fraction(99))),
    "overage": sold(charged(TIERS), commitment=Commitment(Fraction(9), overage_factor=Fraction(2))),
    "one pool": sold(
        *(
            charged(EACH, kind, key=key, pools=(pool("p", 12),))
            for kind, key in (("units", "c"), ("other", "d"))
        )
    ),
    "a pool of each": sold(charged(EACH, pools=(pool("p", 12),)), charged(EACH, "x", key="d")),
    "unrated": sold(charged(EACH, "other")),
    "unread": sold(charged(EVENTS), charged(EACH, "other", key="d")),
}


@pytest.mark.parametrize("name", PLANS)
def test_a_plan_in_parts_asks_what_it_asks_of_a_period(name: str) -> None:
    """Lines in their order, minimum and commitment of the plan, what is unrated, what all costs."""
    rated = of_period(PLANS[name], Readings())

    one, two = (of_parts(PLANS[name], [Readings()] * parts) for parts in (1, 2))

    assert same_but_input(rated) == same_but_input(one)
    told = {(line.line_key, line.amount, line.quantity, line.cost) for line in rated.lines}
    assert told == {(line.line_key, line.amount, line.quantity, line.cost) for line in two.lines}
    assert (rated.total, rated.unrated, rated.cost) == (two.total, two.unrated, two.cost)


def test_a_missing_value_of_a_meter_has_a_line_in_parts_too() -> None:
    """It is told, whichever part it stands in."""
    read = Readings(meters={PEOPLE: UNKNOWN})
    people = sold(charged(TIERS, PEOPLE))

    (line,) = of_parts(people, [Readings(), read]).lines

    assert ((PEOPLE, UNKNOWN),) == line.meters
    assert [
        "2023-11-16 to 2023-11-30: people@2 has no value yet: nothing is charged for it so far"
    ] == [step.description for step in line.steps]


def test_costs_are_no_input_where_no_price_depends_on_them() -> None:
    """A statement in parts has the same hashes, whether or not costs were asked for."""
    with_costs, without = (
        of_parts(sold(charged(TIERS)), [Readings()] * 2, prices) for prices in (COSTS, None)
    )

    assert with_costs.cost is not None
    assert without == replace(
        with_costs, cost=None, lines=tuple(replace(line, cost=None) for line in with_costs.lines)
    )
