"""Reading price books: every fault at once."""

from copy import deepcopy
from typing import Any

import pytest

from examples.demo.catalog import price_book
from services.pricing.domain.charges.graduated import Graduated
from services.pricing.domain.hashing import content_hash
from services.pricing.schemas.catalog import PRICE_BOOK_EXAMPLE
from services.pricing.schemas.price_book import PriceBookContent
from services.pricing.schemas.validation import read_price_book
from shared.errors import TallyrollError
from tests.support.pricing_values import tier

FLAT, TIERED = 4, 5
"""Places of a flat and of a graduated charge in the demo's book."""


def faults_of(content: Any) -> set[tuple[str, str]]:
    try:
        read_price_book(content)
    except TallyrollError as error:
        return {(fault.code, fault.path) for fault in error.faults}
    return set()


def changed(*path: str | int, value: Any) -> dict[str, Any]:
    """Return the demo's book with one value replaced or added."""
    content: Any = deepcopy(price_book())
    place = content
    for part in path[:-1]:
        place = place[part]
    place[path[-1]] = value
    return dict(content)


@pytest.mark.parametrize("content", [price_book(), PRICE_BOOK_EXAMPLE])
def test_a_good_book_has_no_fault(content: dict[str, Any]) -> None:
    """The demo's book and the example of the API are valid."""
    assert set() == faults_of(content)


@pytest.mark.parametrize(
    ("content", "code", "path"),
    [
        (changed("currency", value="ZZZ"), "unknown_currency", "currency"),
        (changed("surprise", value=1), "unknown_field", "surprise"),
        (changed("charges", FLAT, "amount", value="-1"), "negative_price", "charges[4].amount"),
        (changed("charges", FLAT, "amount", value=1), "not_a_decimal_string", "charges[4].amount"),
        (
            changed("charges", FLAT, "amount", value="1e3"),
            "not_a_decimal_string",
            "charges[4].amount",
        ),
        (
            changed("charges", FLAT, "amount", value="0.0000000000001"),
            "too_many_decimals",
            "charges[4].amount",
        ),
        (
            changed("charges", FLAT, "timing", value="sometimes"),
            "unknown_choice",
            "charges[4].timing",
        ),
        (
            changed("charges", TIERED, "timing", value="in_advance"),
            "timing_of_usage",
            "charges[5].timing",
        ),
        (changed("charges", FLAT, "model", value="x"), "unknown_charge_model", "charges[4].model"),
        (changed("charges", FLAT, "key", value="seats"), "duplicate_key", "charges[7].key"),
        (changed("charges", FLAT, "extra", value=1), "unknown_field", "charges[4].extra"),
        (changed("charges", TIERED, "per", value="0"), "not_positive", "charges[5].per"),
        (
            changed("charges", TIERED, "tiers", 1, "up_to", value="10000000"),
            "tier_bounds_equal",
            "charges[5].tiers[1].up_to",
        ),
        (
            changed("charges", TIERED, "tiers", 1, "up_to", value="5"),
            "tiers_not_sorted",
            "charges[5].tiers[1].up_to",
        ),
        (
            changed("charges", TIERED, "tiers", 2, "up_to", value="30000000"),
            "missing_open_last_tier",
            "charges[5].tiers[2].up_to",
        ),
        (
            changed("charges", TIERED, "tiers", 0, "up_to", value=None),
            "open_tier_not_last",
            "charges[5].tiers[0].up_to",
        ),
        (
            changed("charges", TIERED, "tiers", 0, "up_to", value="0"),
            "tier_bound_not_positive",
            "charges[5].tiers[0].up_to",
        ),
        (changed("charges", TIERED, "tiers", value=[]), "empty_list", "charges[5].tiers"),
        (changed("plans", 1, "key", value="coding"), "duplicate_key", "plans[1].key"),
        (changed("plans", 1, "charges", 0, value="none"), "unknown_charge", "plans[1].charges[0]"),
        (
            changed("plans", 1, "charges", 2, value="research-input"),
            "overlapping_claims",
            "plans[1].charges[2]",
        ),
        (
            changed("plans", 1, "charges", 2, value="platform-fee"),
            "duplicate_key",
            "plans[1].charges[2]",
        ),
    ],
)
def test_a_fault_has_a_code_and_a_place(content: Any, code: str, path: str) -> None:
    """Each thing that can be wrong is told with its stable code, where it is."""
    assert (code, path) in faults_of(content)


def test_a_faulty_charge_hides_no_other_fault() -> None:
    """Faults of structure and of meaning are told together, also within one charge."""
    content = changed("charges", TIERED, "tiers", 1, "up_to", value="10000000")
    content["charges"][TIERED]["tiers"][0]["unit_amount"] = 3
    content["charges"][FLAT]["surprise"] = True
    content["plans"][2]["charges"].append("none")

    assert {
        ("tier_bounds_equal", "charges[5].tiers[1].up_to"),
        ("not_a_decimal_string", "charges[5].tiers[0].unit_amount"),
        ("unknown_field", "charges[4].surprise"),
        ("unknown_charge", "plans[2].charges[4]"),
    } == faults_of(content)


def test_reading_the_model_alone_would_miss_faults() -> None:
    """The form alone accepts unsorted tiers and unknown charges: the check above is needed."""
    content = changed("charges", TIERED, "tiers", 1, "up_to", value="5")

    assert "USD" == PriceBookContent.model_validate(content).currency
    assert set() != faults_of(content)


@pytest.mark.parametrize("content", [None, [], "x", 1, {}, {"charges": 1}, {"plans": [None]}])
def test_any_json_is_answered_with_faults(content: Any) -> None:
    """Whatever JSON comes, the answer is a list of faults."""
    assert set() != faults_of(content)


def test_the_hash_is_of_the_meaning() -> None:
    """1.50 and 1.5 are one price, another amount is another hash; stored content reads back."""
    hashes = []
    for amount in ("500.00", "500", "500.01"):
        read = read_price_book(changed("charges", FLAT, "amount", value=amount))
        stored = read.model_dump(mode="json")
        assert read == PriceBookContent.model_validate(stored)
        hashes.append(content_hash(stored))

    assert hashes[0] == hashes[1] != hashes[2]


@pytest.mark.parametrize(
    "tiers",
    [
        (),
        (tier("10", "1"),),
        (tier(None, "1"), tier(None, "1")),
        (tier("10", "1"), tier("10", "1"), tier(None, "1")),
        (tier("0", "1"), tier(None, "1")),
    ],
)
def test_bad_tiers_cannot_be_constructed(tiers: Any) -> None:
    """The domain refuses what the reader of price books would have refused before."""
    with pytest.raises(ValueError, match="tier"):
        Graduated(tiers)
