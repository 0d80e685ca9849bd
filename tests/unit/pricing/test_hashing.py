"""Hashes of ratings, and that they outlive what is added to the language of price books."""

from dataclasses import fields, replace
from datetime import date
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from examples.demo.catalog import price_book
from services.pricing.domain.charges.flat import Flat
from services.pricing.domain.charges.graduated import Graduated
from services.pricing.domain.charges.per_seat import PerSeat
from services.pricing.domain.charges.per_unit import PerUnit
from services.pricing.domain.charges.volume import Volume
from services.pricing.domain.details import Detail
from services.pricing.domain.hashing import content_hash
from services.pricing.domain.pools import Pool
from services.pricing.domain.rating import rate_period
from services.pricing.domain.readings import Readings
from services.pricing.domain.seats import SeatChange, Seats
from services.pricing.domain.usage import Usage, canonical_usage
from services.pricing.schemas.catalog import PRICE_BOOK_EXAMPLE
from services.pricing.schemas.validation import read_price_book
from shared.money import exact
from tests.support.pricing_values import MILLION, charged, terms, tier, usage

PLAN = terms(
    charged(Flat(Fraction(7)), key="fee"),
    charged(
        Graduated((tier("1000", "0.02", "5"), tier(None, "0.01")), Fraction(3)),
        "input_uncached",
        key="in",
    ),
    charged(Volume((tier(None, "0.1", "1"),)), "output_text", key="out"),
    charged(PerSeat(Fraction(20)), key="seats"),
    charged(PerUnit(exact("0.25"), MILLION), "input_cache_read", key="cache"),
    seats=2,
)
POOLED = terms(
    charged(
        PerUnit(Fraction(1)),
        pools=(Pool("p", "P", "quantity", Fraction(1)),),
        overage="block",
    )
)
ROWS = st.lists(
    st.builds(
        usage,
        st.sampled_from(["input_uncached", "output_text", "units"]),
        st.fractions(min_value=-(10**18), max_value=10**18, max_denominator=10**6),
        agent=st.text('aé"\\\n', max_size=3),
        region=st.sampled_from(["", "eu"]),
        usage_day=st.dates(date(2023, 11, 1), date(2023, 11, 30)),
        cost=st.none() | st.just(Fraction(1, 3)),
    ),
    max_size=8,
)


def as_hashed(detail: Detail) -> dict[str, object]:
    names = ("agent", "model", "kind", "usage_day", "quantity", "amount")
    return {name: getattr(detail, name) for name in names}


@given(ROWS)
def test_the_hashes_are_of_the_canonical_json(rows: list[Usage]) -> None:
    """Text that is written piece by piece is that of the whole content."""
    for plan in (PLAN, POOLED):
        rated = rate_period(plan, rows)

        lines = []
        for line in rated.lines:
            content = {
                **{field.name: getattr(line, field.name) for field in fields(line)},
                "steps": [vars(step) for step in line.steps],
                "details": [as_hashed(detail) for detail in line.details],
                "pools": [vars(use) for use in line.pools],
            }
            empty = {"pools": [], "blocked": 0, "cost": None, "adjusts": None, "advance": None}
            empty |= {"meters": (), "credited": None}
            lines.append({k: v for k, v in content.items() if k not in empty or v != empty[k]})
        unrated = [vars(row) for row in rated.unrated]
        whole = {"lines": lines, "unrated": unrated, "total": rated.total}
        assert content_hash(whole) == rated.rating_hash

        flat = [row._asdict() for group in canonical_usage(rows) for row in group.rows]
        used = [{k: v for k, v in row.items() if k != "cost" or v is not None} for row in flat]
        known = {
            "price_hash": "hash",
            "plan": "plan",
            "seats": plan.seats.content(),
            "period": vars(plan.period),
        }
        assert content_hash({**known, "usage": used}) == rated.input_hash


def test_a_statement_of_the_first_release_has_the_same_hashes() -> None:
    """What was rated before there were pools, costs and readings is rated to the same hashes."""
    rows = [
        usage("input_uncached", 22_361_870),
        usage("output_text", 4_088_665),
        usage("web", 3),
        usage("input_cache_read", "12.5", agent="b"),
    ]

    rated = rate_period(PLAN, rows)

    assert (
        "014829db0240b3391e785d36c8582bf38d7a31c321a3d9c7c678585572a92359",
        "40c0bbaf86d2e3a67a284106439b630f303a73cb689d266d74948515eb02efd7",
    ) == (rated.input_hash, rated.rating_hash)


def test_content_of_the_first_release_has_the_same_hash() -> None:
    """Published content reads as it did, and writing it again is no other version."""
    assert [
        "282b61b0d0e2ec54842e4af6d22e44ea17435b5ce32f1946005a4dc51887feed",
        "11071b2b45a30e447c32b8cb0412c4722471225f9da12c8219fef7f952432085",
    ] == [
        content_hash(read_price_book(content).model_dump(mode="json"))
        for content in (price_book(), PRICE_BOOK_EXAMPLE)
    ]


def test_storing_every_default_would_be_caught() -> None:
    """With the fields that were added later, older content would have another hash."""
    stored = read_price_book(PRICE_BOOK_EXAMPLE).model_dump(mode="json")

    assert content_hash(stored) != content_hash({**stored, "pools": []})


def test_whatever_is_read_is_part_of_the_input() -> None:
    """Events, levels, usage of seats and changes of seats change the hash of what was rated."""
    plan = terms(charged(PerSeat(Fraction(1))), seats=Seats({"": 1}))
    changed = replace(plan, seats=Seats({"": 1}, (SeatChange(date(2023, 11, 2), 1),)))
    hashes = {
        rate_period(plan, []).input_hash,
        rate_period(changed, []).input_hash,
        rate_period(plan, [], Readings(events={"k": (Fraction(1),)})).input_hash,
        rate_period(plan, [], Readings(levels={"c": Fraction(1)})).input_hash,
    }

    assert 4 == len(hashes)
