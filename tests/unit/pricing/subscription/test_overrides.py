"""A tenant's own prices, layered on a price book."""

from typing import Any

import pytest

from services.pricing.domain.subscription.terms import Override
from services.pricing.schemas.catalog import PRICE_BOOK_EXAMPLE
from services.pricing.schemas.overrides import (
    apply_overrides,
    content_of,
    overridden_plan,
    override_faults,
    overrides_of,
    words_of,
)
from services.pricing.schemas.price_book import PriceBookContent
from services.pricing.schemas.validation import read_price_book

EXAMPLE: dict[str, Any] = PRICE_BOOK_EXAMPLE
POOLED: dict[str, Any] = {
    **EXAMPLE,
    "pools": [{"key": "tokens", "name": "Tokens", "included": "1000"}],
    "charges": [
        *EXAMPLE["charges"][:3],
        {**EXAMPLE["charges"][3], "pools": ["tokens"]},
    ],
}


@pytest.fixture(name="book")
def _book() -> PriceBookContent:
    return read_price_book(POOLED)


def own(target: Any, key: str, **values: Any) -> Override:
    return Override(target, key, values)


def faults(book: PriceBookContent, *overrides: Override) -> list[tuple[str, str]]:
    return [(fault.code, fault.path) for fault in override_faults(book, overrides)]


def test_values_replace_those_of_the_book(book: PriceBookContent) -> None:
    """What is named is the tenant's, everything else the book's; the book itself is as it was."""
    before = book.model_dump()
    patched = apply_overrides(book, [own("charge", "output", unit_amount="16.00")])

    prices = [charge.model_dump().get("unit_amount") for charge in patched.charges]
    assert [None, "20", None, "16"] == prices
    assert before == book.model_dump()


def test_pools_and_plans_can_be_overridden(book: PriceBookContent) -> None:
    """More included, and a minimum of the plan."""
    patched = apply_overrides(
        book,
        [own("pool", "tokens", included="5000"), own("plan", "team", minimum_amount="100")],
    )

    assert ("5000", "100") == (patched.pools[0].included, patched.plans[0].minimum_amount)


def test_what_the_book_does_not_have_is_left_out(book: PriceBookContent) -> None:
    """A later version may drop a charge: what was agreed about it then means nothing."""
    assert book == apply_overrides(book, [own("charge", "gone", amount="1")])
    assert {} == words_of(book, [own("charge", "gone", amount="1")])


def test_words_say_what_was_agreed(book: PriceBookContent) -> None:
    """With both numbers where they are numbers; of a pool, on every charge that burns it."""
    told = words_of(
        book,
        [
            own("charge", "output", unit_amount="16.00", minimum_amount="5"),
            own("charge", "input", tiers=[]),
            own("pool", "tokens", included="5000"),
            own("plan", "team", minimum_amount="100"),
        ],
    )

    assert {
        "output": (
            "agreed with this tenant: minimum_amount 5 instead of none",
            "agreed with this tenant: unit_amount 16.00 instead of 18",
            "agreed with this tenant: pool 'tokens': included 5000 instead of 1000",
        ),
        "input": ("agreed with this tenant: tiers",),
    } == told


def test_faults_are_placed_in_the_overrides(book: PriceBookContent) -> None:
    """The rules of price books hold, and their faults name what was sent."""
    assert {
        ("negative_price", "overrides[0].set.unit_amount"),
        ("missing_open_last_tier", "overrides[1].set.tiers[0].up_to"),
    } == set(
        faults(
            book,
            own("charge", "output", unit_amount="-1"),
            own("charge", "input", tiers=[{"up_to": "5", "unit_amount": "1"}]),
        )
    )


def test_what_something_is_cannot_be_overridden(book: PriceBookContent) -> None:
    """Neither its model, nor what it claims; nor is anything overridden twice, or not there."""
    assert [
        ("field_not_overridable", "overrides[0].set.model"),
        ("field_not_overridable", "overrides[0].set.usage"),
        ("duplicate_key", "overrides[1].key"),
        ("unknown_plan", "overrides[2].key"),
    ] == faults(
        book,
        own("charge", "output", model="volume", usage={}),
        own("charge", "output", unit_amount="1"),
        own("plan", "none", minimum_amount="1"),
    )


def test_stored_overrides_are_read_as_they_were() -> None:
    """From JSON and back."""
    overrides = (own("charge", "output", unit_amount="16.00"),)

    assert overrides == overrides_of(content_of(overrides))


def later(**output: Any) -> PriceBookContent:
    """Return a later version of the book, whose charge for output is another."""
    charge = {"key": "output", "name": "Output", "usage": {"kinds": ["output_text"]}, **output}
    return read_price_book({**EXAMPLE, "charges": [*EXAMPLE["charges"][:3], charge]})


@pytest.mark.parametrize(
    ("agreed", "version"),
    [
        (
            own("charge", "output", minimum_amount="100"),
            later(model="per_unit", unit_amount="1", maximum_amount="50"),
        ),
        (own("charge", "output", pools=["tokens"]), later(model="per_unit", unit_amount="1")),
        (own("charge", "output", unit_amount="1"), later(model="dynamic")),
    ],
    ids=["bound", "pool", "model"],
)
def test_what_does_not_fit_a_later_version_is_no_plan(
    book: PriceBookContent, agreed: Override, version: PriceBookContent
) -> None:
    """Each was right when it was agreed; a version that it does not fit waits for a person."""
    assert overridden_plan(book, [agreed], "team") is not None
    assert overridden_plan(version, [agreed], "team") is None
    assert overridden_plan(version, [], "team") is not None
