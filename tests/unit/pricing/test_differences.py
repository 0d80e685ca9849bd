"""The difference of two price books in words."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import yaml

from services.pricing.domain.differences import differences
from services.pricing.schemas.validation import read_price_book

FILE = Path(__file__).parent / "books" / "everything.yaml"
BOOK: dict[str, Any] = read_price_book(yaml.safe_load(FILE.read_text())).model_dump(mode="json")
AT = {charge["key"]: place for place, charge in enumerate(BOOK["charges"])}


def changed(*path: str | int, value: Any) -> list[tuple[str, str, str]]:
    """Return what is different when one value of the book is replaced."""
    other: Any = deepcopy(BOOK)
    place = other
    for part in path[:-1]:
        place = place[part]
    place[path[-1]] = value
    return told(BOOK, other)


def told(before: Any, after: Any) -> list[tuple[str, str, str]]:
    return [(one.kind, one.path, one.message) for one in differences(before, after)]


def test_the_same_book_has_no_differences() -> None:
    """Nothing is told of what did not change."""
    assert [] == told(BOOK, deepcopy(BOOK))


def test_a_price_is_told_with_its_change_in_percent() -> None:
    """A number is told as it was, as it is, and by how much."""
    path = ("charges", AT["input"], "tiers", 0, "unit_amount")

    expected = "Charge input (Input): tiers[0].unit_amount was 4, is 3.5 (-12.5 %)."
    assert [("changed", "charges[input].tiers[0].unit_amount", expected)] == changed(
        *path, value="3.5"
    )


def test_a_price_of_nothing_has_no_percentage() -> None:
    """From 0 no percentage leads anywhere."""
    before = [{"key": "a", "name": "A", "amount": "0"}]
    after = [{"key": "a", "name": "A", "amount": "5"}]

    found = told({"charges": before}, {"charges": after})

    assert ["Charge a (A): amount was 0, is 5."] == [message for *_, message in found]


def test_a_tier_that_opens_is_no_new_field() -> None:
    """A bound of null is open, which is not the same as a field that is not there."""
    path = ("charges", AT["input"], "tiers", 0, "up_to")

    (found,) = changed(*path, value=None)

    assert found[2] == "Charge input (Input): tiers[0].up_to was 10000000, is open."


def test_a_cell_is_found_again_wherever_it_stands() -> None:
    """A new first cell is one difference: the others are the same as before."""
    cells = BOOK["charges"][AT["models"]]["cells"]
    new = {**cells[0], "models": ["claude-haiku-4-5"], "unit_amount": "1"}

    found = changed("charges", AT["models"], "cells", value=[new, *cells])

    assert [
        "Charge models (Claude): cell claude-haiku-4-5 input_uncached * * is new (unit_amount 1)."
    ] == [message for *_, message in found]


def test_a_charge_that_is_gone_is_told_with_its_price() -> None:
    """Both the charge and the plans that lose it are named."""
    other = deepcopy(BOOK)
    other["charges"] = other["charges"][1:]
    other["plans"][0]["charges"] = other["plans"][0]["charges"][1:]

    assert [
        ("removed", "charges[fee]", "Charge fee (Platform fee) is gone (amount 500)."),
        (
            "changed",
            "plans[everything].charges",
            "Plan everything (Everything): charges is now without fee.",
        ),
    ] == told(BOOK, other)


def test_another_order_of_charges_is_told() -> None:
    """Pools burn in the order of the plan, so an order is a difference."""
    (plan,) = BOOK["plans"]
    path = ("plans", 0, "charges")

    (found,) = changed(*path, value=plan["charges"][::-1])
    (moved,) = changed("charges", value=BOOK["charges"][::-1])

    assert found[2] == "Plan everything (Everything): charges is now reordered."
    assert moved[2] == "Charges stand in another order."


def test_a_first_version_is_all_new() -> None:
    """Against nothing, every part is told as new."""
    found = differences({}, BOOK)

    assert {"added"} == {one.kind for one in found}
    assert {f"charges[{key}]" for key in AT} <= {one.path for one in found}
