"""The level before a period: what its charge claims of all earlier usage."""

from datetime import date
from fractions import Fraction

import pytest

from services.pricing.domain.charges.per_unit import PerUnit
from services.pricing.domain.charges.weighted_sum import WeightedSum
from services.pricing.domain.hashing import content_hash
from services.pricing.domain.levels import level_kinds, levels_of
from services.pricing.domain.periods import Period
from services.pricing.domain.readings import Readings
from services.pricing.domain.split.parts import Part, SplitTerms
from services.pricing.domain.split.rating import rate_parts
from services.pricing.repository.levels import like_pattern
from shared.currencies import CURRENCIES
from tests.support.pricing_values import NOVEMBER, charged, plan, usage

STORAGE = WeightedSum(Fraction(30))


def test_what_a_charge_claims_is_its_level() -> None:
    """Its own kinds, ups and downs; a level that nothing changed is 0."""
    sold = plan(
        charged(STORAGE, "hot_*", key="hot"),
        charged(STORAGE, "cold", key="cold"),
        charged(STORAGE, "ice", key="ice"),
        charged(PerUnit(Fraction(1)), "tokens", key="tokens"),
    )
    rows = [usage("hot_a", 10), usage("hot_b", -3), usage("cold", 5), usage("tokens", 900)]

    assert {"hot": 7, "cold": 5, "ice": 0} == levels_of(sold, rows)
    assert {"hot_*", "cold", "ice"} == level_kinds(sold)


def test_a_part_of_another_version_has_the_level_that_it_claims() -> None:
    """10 of before, and 5 that only the second half's version speaks of: half of 10, half of 15."""
    first = plan(charged(STORAGE, "hot"))
    second = plan(charged(STORAGE, "hot", "cold"))
    before = [usage("hot", 10), usage("cold", 5)]
    middle = date(2023, 11, 16)
    parts = tuple(
        Part(period, sold, "book", "hash", readings=Readings(levels=levels_of(sold, before)))
        for sold, period in (
            (first, Period(NOVEMBER.start, middle, 30)),
            (second, Period(middle, NOVEMBER.end, 30)),
        )
    )

    assert 150 + 225 == rate_parts(SplitTerms(parts, CURRENCIES["USD"]), []).total


def test_a_meter_is_no_level_of_a_pattern() -> None:
    """It counts again what other rows hold; by its name it is."""
    named = plan(charged(STORAGE, "meter:gb@1"))
    all_kinds = plan(charged(STORAGE, "*"))
    rows = [usage("meter:gb@1", 4)]

    assert [4, 0] == [levels_of(sold, rows)["c"] for sold in (named, all_kinds)]


def test_a_level_of_nothing_is_no_other_input() -> None:
    """Statements that never had one keep their hashes."""
    without, nothing, some = (
        content_hash(Readings(levels=levels).content())
        for levels in ({}, {"c": Fraction(0)}, {"c": Fraction(1)})
    )

    assert without == nothing
    assert without != some


@pytest.mark.parametrize(
    ("pattern", "like"),
    [("storage_*", r"storage\_%"), ("100%", r"100\%"), ("a\\b", r"a\\b"), ("*", "%")],
)
def test_patterns_in_sql_mean_the_same(pattern: str, like: str) -> None:
    """A star is any text, and nothing else is."""
    assert like == like_pattern(pattern)
